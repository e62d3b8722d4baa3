"""A process that crops rows for `distributed`."""

import dataclasses
import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cagic_tf.batch import manifest, row_output, row_seeds
from cagic_tf.photos import crop_files
from cagic_tf.system import devices

if TYPE_CHECKING:
    from cagic_tf import pipeline


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

    def crop(self, row: manifest.Row) -> row_output.RowOutput:
        """Crops a row and draws its pictures; what fails is the output's error."""
        settings = self._settings

        def crop() -> "pipeline.CropResult":
            return self._cropper.crop(
                row.path,
                row.caption,
                seed=row_seeds.row_seed(self._cropper.seed, row.id),
                shape=row.shape,
                smallest_side=settings.smallest_side,
                candidate_count=settings.candidate_count,
            )

        return row_output.begin(row, crop, settings.save_options, settings.candidate_count)()
