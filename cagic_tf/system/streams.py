"""Standard output and error that take whatever a command prints, so that printing decides nothing.

For programs of our own only.
"""

import io
import os
import select
import sys
from typing import Any


class _Patient(io.FileIO):
    """A descriptor that is written to as long as somebody takes it; then the rest goes nowhere."""

    def write(self, data: Any) -> int:
        """Writes what there is room for; returns how many bytes that are."""
        try:
            while (written := super().write(data)) is None:  # Another has made it non-blocking.
                select.select([], [self], [])
        except OSError:  # The reader has gone away, the disk is full, the terminal was closed.
            return len(data)
        return written


def protect() -> None:
    """Makes standard output and error such that no `print` fails.

    Where the reader goes away, as `| head -1` does, what is printed from then on goes nowhere. A
    letter that their encoding lacks is written as an escape. One that the program was started
    without (`>&-`) is opened to go nowhere: else the next file that is opened would get its
    descriptor, and lines of libraries with it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest that is free is this one.
    for descriptor, name in ((1, "stdout"), (2, "stderr")):
        stream = getattr(sys, name)
        if stream is not None and not _writes_to(stream, descriptor):
            continue  # The host's own.
        setattr(sys, name, _open(descriptor, stream))


def _writes_to(stream: object, descriptor: int) -> bool:
    try:
        return stream.fileno() == descriptor  # type: ignore[attr-defined]
    except (AttributeError, OSError, ValueError):
        return False


def _open(descriptor: int, like: io.TextIOWrapper | None) -> io.TextIOWrapper:
    file = io.BufferedWriter(_Patient(descriptor, "w", closefd=False))
    return io.TextIOWrapper(
        file,
        encoding="utf-8" if like is None else like.encoding,
        errors="backslashreplace",
        # Either was asked for: without buffers at all a line would come in pieces.
        line_buffering=like is None or like.line_buffering or like.write_through,
    )
