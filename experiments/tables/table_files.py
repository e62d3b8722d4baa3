"""A table as Markdown and CSV, with what made it beside it."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import pandas as pd

from experiments.tables import made_by

MARKDOWN, CSV = "table.md", "table.csv"
LOW, HIGH = "low", "high"


def interval_columns(column: str) -> tuple[str, str]:
    """The two columns of a frame that Markdown shows as one: `low to high`."""
    return f"{column}, {LOW}", f"{column}, {HIGH}"


def write(
    directory: Path,
    frame: pd.DataFrame,
    formats: Mapping[str, str],
    notes: Sequence[str],
    checkpoints: Mapping[str, str],
    files: Iterable[Path] = (),
    sources: Iterable[Path] = (),
) -> None:
    """Writes table.md, table.csv and made_by.json into a result's folder, and prints the first.

    Args:
      directory: The folder; made when missing.
      frame: The rows, all digits; see `markdown`.
      formats: The columns to show, see `markdown`.
      notes: Lines below the table in Markdown.
      checkpoints: Name to SHA-256 of all networks that had a part in it.
      files: Other files of the result, already in the folder.
      sources: Files of results elsewhere that were read.

    Raises:
      output_folder.OutputError: They cannot be written.
    """
    text = markdown(frame, formats) + "".join(f"\n{note}\n" for note in notes)
    made_by.write_file(directory / MARKDOWN, text.encode())
    columns = [name for column in formats for name in _columns_of(frame, column)]
    counts = [name for name in columns if formats.get(name) == "d"]
    # A missing count would make pandas write all of them as fractions.
    frame = frame[columns].astype(dict.fromkeys(counts, "Int64"))
    written = frame.to_csv(index=False, lineterminator="\n")
    made_by.write_file(directory / CSV, written.encode())
    tables = [directory / MARKDOWN, directory / CSV]
    made_by.write(directory, [*tables, *files], checkpoints, sources)
    print(text)


def read(path: Path) -> pd.DataFrame:
    """A table that `write` wrote, all cells as text, "" where there was none.

    Raises:
      OSError, ValueError: The file cannot be read.
    """
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def markdown(frame: pd.DataFrame, formats: Mapping[str, str]) -> str:
    """A frame as a Markdown table.

    Args:
      frame: It has the columns of `formats`, or a pair of `interval_columns` for one of them; None
        and NaN are empty cells.
      formats: Column to the format of its numbers, "" for text; those that the frame lacks are
        left out.
    """
    shown = pd.DataFrame(index=frame.index)
    for column, shape in formats.items():
        texts = [_texts(frame[name], shape) for name in _columns_of(frame, column)]
        if texts:
            shown[column] = [" to ".join(filter(None, cells)) for cells in zip(*texts, strict=True)]
    return shown.to_markdown(index=False, disable_numparse=True, stralign=None) + "\n"


def _columns_of(frame: pd.DataFrame, column: str) -> list[str]:
    return [name for name in (column, *interval_columns(column)) if name in frame]


def _texts(values: pd.Series, shape: str) -> list[str]:
    return ["" if pd.isna(value) else _text(value, shape) for value in values]


def _text(value: str | float, shape: str) -> str:
    if isinstance(value, str):
        return value.replace("|", "\\|")
    return format(int(value) if shape == "d" else value, shape)
