"""A process that crops rows for `distributed`."""

import dataclasses
import json
import os
import warnings
from collections.abc import Sequence
from typing import Any

from PIL import Image

from cagic_tf.batch import manifest, row_output
from cagic_tf.photos import crop_files


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
    """Loads the networks, then crops rows."""

    def __init__(self, settings: Settings):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # Before TensorFlow is imported.
        if os.path.isdir(settings.folder):
            os.chdir(settings.folder)
        from cagic_tf import config
        from cagic_tf.system import devices

        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        devices.prepare(settings.device, settings.threads)
        self._settings = settings
        self._cropper = config.load_cropper(*settings.gin_files, bindings=settings.bindings)

    def __call__(self, item: dict[str, Any]) -> dict[str, Any]:
        """Crops a row of Ray Data: `{"number", "row"}`, packed, to its output in columns."""
        settings, row = self._settings, manifest.unpack(item["row"])

        def crop():
            return self._cropper.crop(
                row.path,
                row.caption,
                shape=row.shape,
                smallest_side=settings.smallest_side,
                candidate_count=settings.candidate_count,
            )

        output = row_output.begin(row, crop, settings.save_options, settings.candidate_count)()
        return {
            "number": item["number"],
            "fields": json.dumps(output.fields),
            "error": output.error or "",
            "names": list(output.pictures),
            "contents": list(output.pictures.values()),
        }
