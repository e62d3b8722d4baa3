"""The output folder: crops, overlays, plots, `operative_config.gin` and `results.jsonl`.

`results.jsonl` grows by one whole line a row, after the row's pictures are on the disk; a line cut
off by a crash is dropped when the same command goes on.
"""

import importlib.util
import json
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cagic_tf import annealing, files, geometry, image_io, manifest, pipeline

RESULTS, CONFIG = "results.jsonl", "operative_config.gin"
RESULT_KEYS = (
    "box",
    "box_normalized",
    "scale",
    "center",
    "loss",
    "predicted_caption",
    "matched_words",
    "unknown_words",
    "iou",
    "evaluations",
    "seconds",
    "seed",
    "checkpoints",
)


class OutputError(Exception):
    """The output folder cannot be used; the message is one line."""


class OutputFolder:
    """Results of one configuration.

    Attributes:
      done: Id of each row that has a result to that result.
    """

    def __init__(self, directory: Path, config: str, pictures: bool = True):
        """Opens a folder, new or of an earlier run with the same configuration.

        Args:
          directory: The folder; made when missing.
          config: The operative configuration as gin text.
          pictures: Whether rows get their crop, overlay and plot beside their line.

        Raises:
          OutputError: It cannot be written, or holds results of another configuration.
        """
        self._directory, self._pictures = directory, pictures
        self._results = directory / RESULTS
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self.done = self._read_results()
            saved = directory / CONFIG
            if self.done and saved.exists() and saved.read_text(encoding="utf-8") != config:
                raise OutputError(
                    f"{directory} holds results of another configuration (see {saved}); "
                    "choose another --output_dir"
                )
            files.write_atomically(saved, config.encode())
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise OutputError(f"cannot use the output folder {directory}: {error}") from error

    def is_done(self, row: manifest.Row) -> bool:
        """Whether the row has a result already.

        Raises:
          OutputError: The folder's row of that id is of another photo or caption.
        """
        found = self.done.get(row.id)
        if found and (found["image"], found["caption"]) != (row.image, row.caption):
            raise OutputError(
                f"{self._results} has a row {row.id!r} of {found['image']!r} and "
                f"{found['caption']!r}; choose another --output_dir"
            )
        return found is not None

    def fill(self, row: manifest.Row, crop: Callable[[], Any]) -> dict[str, Any]:
        """The line of a row: the one that is there, or one from cropping it now.

        Args:
          row: The row.
          crop: Crops the row: to a `pipeline.CropResult`, to a bare box `(x, y, w, h)` in pixels,
            or to a mapping of those fields of a line that are known, "box" among them.

        Returns:
          What the line says; "status" is "error" where `crop` raised an `image_io.ImageError` or a
          ValueError.
        """
        if self.is_done(row):
            return self.done[row.id]
        begin = time.monotonic()
        try:
            result = crop()
        except (image_io.ImageError, ValueError) as error:
            return self.write_error(row, str(error))
        if isinstance(result, pipeline.CropResult):
            return self.write(row, result)
        if not isinstance(result, Mapping):
            result = {"box": list(result), "seconds": time.monotonic() - begin}
        return self._append(row, "ok", None, result | {"iou": _mean_iou(result["box"], row)})

    def write(self, row: manifest.Row, result: pipeline.CropResult) -> dict[str, Any]:
        """Writes a row's pictures, then its line; returns what the line says."""
        try:
            return self._write(row, result)
        except OSError as error:
            raise OutputError(f"cannot write to {self._directory}: {error}") from error

    def _write(self, row, result):
        if self._pictures:
            image_io.write(self._directory / f"{row.id}_crop.jpg", result.crop)
            centers = [step.center for step in result.path.steps]
            overlay = image_io.overlay(result.photo, result.box, centers, row.crops)
            image_io.write(self._directory / f"{row.id}_overlay.jpg", overlay)
            plot_losses(self._directory / f"{row.id}_losses.png", result.path, row.caption)
        entry = result.to_dict() | {"iou": _mean_iou(result.box, row)}
        return self._append(row, "ok", None, entry)

    def write_error(self, row: manifest.Row, error: str) -> dict[str, Any]:
        """Writes the line of a row that failed; returns what the line says."""
        return self._append(row, "error", error, {})

    def _append(self, row, status, error, entry):
        head = {"id": row.id, "image": row.image, "caption": row.caption}
        line = {**head, "status": status, "error": error}
        line |= {key: entry.get(key) for key in RESULT_KEYS}
        with open(self._results, "ab") as file:
            file.write(json.dumps(line, ensure_ascii=False).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self.done[row.id] = line
        return line

    def _read_results(self):
        if not self._results.exists():
            return {}
        data = self._results.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if whole != data:  # The last line was cut off: that row is done again.
            files.write_atomically(self._results, whole)
        entries = [json.loads(line) for line in whole.splitlines()]
        return {entry["id"]: entry for entry in entries}


def _mean_iou(box, row: manifest.Row) -> float | None:
    """Mean IoU with the row's ground truths; None where it has none."""
    if not row.crops:
        return None
    return float(np.mean([geometry.iou(box, crop) for crop in row.crops]))


def has_matplotlib() -> bool:
    """Whether the extra that plots need is installed."""
    return importlib.util.find_spec("matplotlib") is not None


def plot_losses(path: Path, steps: annealing.Path, caption: str) -> None:
    """Plots the losses over the scales; does nothing where matplotlib, an extra, is missing."""
    if not has_matplotlib():
        return
    from matplotlib.figure import Figure

    scales = [step.scale for step in steps.steps]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.subplots()
    for number, step in enumerate(steps.steps):
        label = "restarts" if number == 0 else None
        places = [step.scale] * len(step.end_losses)
        axes.plot(places, step.end_losses, ".", color="0.75", label=label, zorder=1)
    for name, style in (("total", "C0-"), ("caption", "C1--")):
        values = [float(getattr(step.losses, name)) for step in steps.steps]
        axes.plot(scales, values, style, marker="o", markersize=3, label=f"{name}, of the mean")
    axes.plot(steps.theta[2], steps.loss, "r*", markersize=12, label="returned")
    axes.set(xlabel="scale of the crop", ylabel="loss (nats)")
    axes.set_title(caption, parse_math=False)
    axes.invert_xaxis()
    twin = axes.twinx()
    values = [float(step.losses.aesthetic) for step in steps.steps]
    twin.plot(scales, values, "C2:", marker="o", markersize=3, label="aesthetic (right)")
    twin.set_ylabel("aesthetic loss (-score)")
    handles = axes.get_legend_handles_labels(), twin.get_legend_handles_labels()
    axes.legend(handles[0][0] + handles[1][0], handles[0][1] + handles[1][1], fontsize=8)
    partial = path.with_name(path.name + ".partial")
    figure.savefig(partial, format="png", dpi=110)
    os.replace(partial, path)


def summary(lines: list[dict[str, Any]]) -> str:
    """The closing line: rows, errors, IoU over rows with ground truth, seconds a picture."""
    good = [line for line in lines if line["status"] == "ok"]
    text = f"{len(lines)} rows, {len(lines) - len(good)} errors"
    overlaps = [line["iou"] for line in good if line["iou"] is not None]
    if overlaps:
        text += f", mean IoU {np.mean(overlaps):.4f} (std {np.std(overlaps):.4f})"
    if good:
        text += f", {np.mean([line['seconds'] for line in good]):.1f} s a picture"
    return text
