"""A process that crops rows for `distributed`."""

import dataclasses
import os
from collections.abc import Sequence

from cagic_tf.batch import manifest, row_output, side_by_side
from cagic_tf.photos import crop_files
from cagic_tf.system import devices


@dataclasses.dataclass(frozen=True)
class Settings:
    """What a worker needs beside its rows: flags (`command_flags`), the working folder."""

    gin_files: Sequence[str]
    bindings: Sequence[str]
    device: str | None
    threads: int
    save_options: crop_files.SaveOptions
    smallest_side: int
    candidate_count: int
    folder: str


class Worker:
    """Loads the networks, then crops rows. Its arguments and results can be pickled."""

    def __init__(self, settings: Settings):
        """Raises what `devices.prepare` and `config.load_cropper` raise."""
        if os.path.isdir(settings.folder):
            os.chdir(settings.folder)
        devices.prepare(settings.device, settings.threads)
        from cagic_tf import config  # After `prepare`, since it imports TensorFlow.

        self._settings = settings
        self._cropper = config.load_cropper(*settings.gin_files, bindings=settings.bindings)

    def ready(self) -> None:
        """Returns when rows can be cropped."""

    def crop(self, rows: Sequence[manifest.Row]) -> list[row_output.RowOutput]:
        """Crops rows and draws their pictures; what fails is an output's error."""
        settings = self._settings
        cropped = side_by_side.crop(
            self._cropper,
            rows,
            lambda row: row.path,  # The cropper reads it.
            self._cropper.batch_size(len(rows), len(rows)),
            smallest_side=settings.smallest_side,
            candidate_count=settings.candidate_count,
        )
        return [
            row_output.begin(row, crop, settings.save_options, settings.candidate_count)()
            for row, crop in cropped
        ]
