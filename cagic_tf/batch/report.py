"""What a command prints while it crops: one progress bar on a terminal, and each row's result."""

import contextlib
import os
import sys
from typing import TextIO

from tqdm import tqdm

from cagic_tf.batch import manifest, records
from cagic_tf.method import vocabulary

_BAR = "{desc} |{bar}| {percentage:.0f} %, {elapsed} so far, {remaining} to go"
_LONGEST_LINE = 1000  # Characters; a caption may have any number of words that nothing knows.


class Report:
    """Prints the rows' results, and moves the bar below them; any thread may use it.

    Where standard error is no terminal there is no bar.
    """

    def __init__(self, count: int, show_captions: bool = True):
        """Starts the bar.

        Args:
          count: How many rows will be cropped.
          show_captions: Whether rows are named with their captions.
        """
        self._count, self._show_captions = count, show_captions
        self._bar = tqdm(
            total=count, bar_format=_BAR, disable=None, dynamic_ncols=True, leave=False
        )

    def __enter__(self) -> "Report":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def progress(self, done: float, text: str) -> None:
        """Moves the bar.

        Args:
          done: How many rows are done; fractions count.
          text: What is going on.
        """
        self._bar.set_description_str(text, refresh=False)
        self._bar.update(done - self._bar.n)
        self._bar.refresh()

    def result(self, number: int, row: manifest.Row, record: records.Record) -> None:
        """Prints what has become of a row below its heading, on standard output.

        An error is on standard error too, unless both are one file or terminal.

        Args:
          number: The row's place among those that are cropped, from 1.
          row: The row.
          record: Its line.
        """
        heading = f"[{number}/{self._count}] {describe(row, self._show_captions)}"
        found = details(record) if record.ok else [f"error: {record.id}: {record.error}"]
        lines = [manifest.shown(line, _LONGEST_LINE) for line in found]
        self._print("\n  ".join([heading, *lines]), sys.stdout)
        if not record.ok and not _is_one_file(sys.stdout, sys.stderr):
            self._print("  " + lines[0], sys.stderr)

    def _print(self, text: str, file: TextIO) -> None:
        with tqdm.external_write_mode(file=file):  # Takes the bar away meanwhile.
            # Rows go on where nobody can read of them any more; see `streams` for our commands.
            with contextlib.suppress(OSError, ValueError):
                print(text, file=file, flush=True)


def _is_one_file(first: TextIO, second: TextIO) -> bool:
    try:
        return os.path.sameopenfile(first.fileno(), second.fileno())
    except (AttributeError, OSError, ValueError):  # What stands for a stream may have no file.
        return False


def describe(row: manifest.Row, show_caption: bool = True) -> str:
    """A row in a few words: its photo, caption and shape."""
    caption = ""
    if show_caption and row.caption:
        caption = f": {manifest.shown(row.caption, manifest.LONGEST_CAPTION)}"
    shape = f" ({row.shape.name})" if row.shape and row.shape.ratio else ""
    return manifest.shown(row.image, _LONGEST_LINE) + caption + shape


def details(record: records.Record) -> list[str]:
    """The lines of a result in the log: box, losses, note, words, what the captioner sees."""
    overlap = "" if record.iou is None else f", IoU {record.iou:.3f}"
    lines = [f"{record.id}: box {record.box}{_loss(record.loss)}{overlap}"]
    for crop in (record.candidates or [])[1:]:
        lines.append(f"or box {crop['box']}{_loss(crop.get('loss'))}")
    if record.note:
        lines.append(f"note: {record.note}")
    words = record.matched_words or {}
    for word, lemma in words.get("read_as", {}).items():
        lines.append(f"{word} is read as {lemma}")
    for noun, classes in words.get("lexicon", {}).items():
        more = f" and {len(classes) - 5} more" if len(classes) > 5 else ""
        lines.append(f"{noun} by its classes: {', '.join(classes[:5])}{more}")
    if record.unknown_words:
        lines.append(f"not known: {vocabulary.describe_unknown(record.unknown_words)}")
    return [*lines, f"the captioner sees: {record.predicted_caption}"]


def _loss(losses: dict[str, float] | None) -> str:
    """The total and, behind it, each term by its name."""
    if losses is None:
        return ""
    terms = [f"{name} {value:z.3f}" for name, value in losses.items() if name != "total"]
    return f", loss {losses['total']:z.3f}" + (f" ({', '.join(terms)})" if terms else "")
