"""A CSV file as spreadsheets write it, row by row."""

import csv
import io
import re
from collections.abc import Iterator, Sequence

_SEPARATORS = ",;\t"


def read(
    text: str, known: Sequence[str], needed: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows of a CSV file: the number of the last line of each, and its cells by column.

    Names of columns may be in capitals and have spaces around them; other columns than the known
    ones, empty cells at a line's end and lines of empty cells are left out.

    Args:
      text: The file's content, with commas, semicolons or tabs between cells, as the first line
        has them.
      known: Names of the columns that count.
      needed: Those of them that have to be there.

    Raises:
      ValueError: A needed column is missing, a known one is there twice, a row has cells beyond the
        columns or too few, or the text is no CSV. The message is one line, without the file's name.
    """
    header = next((line for line in text.splitlines() if line.strip(f" {_SEPARATORS}")), "")
    separator = max(_SEPARATORS, key=header.count)  # Where commas are decimal, it is a semicolon.
    # Spaces behind a cell in quotes; two quotes are one of its text.
    text = re.sub(r'((?:^|[,;\t\n]) *"(?:[^"]|"")*") +(?=[,;\t\r\n])', r"\1", text)
    file = io.StringIO(text, newline="")
    reader = csv.reader(file, delimiter=separator, strict=True, skipinitialspace=True)
    columns: list[str] | None = None
    last = 0  # Of the last whole row.
    try:
        for cells in reader:
            last = reader.line_num
            if not any(cell.strip() for cell in cells):
                continue
            if columns is None:
                columns = [cell.strip().casefold() for cell in cells]
                _check(columns, known, needed)
            else:
                yield last, _by_column(cells, columns, known, needed, last)
    except csv.Error as error:
        raise ValueError(f"after line {last}: {error}") from error
    if columns is None:
        _check([], known, needed)


def _check(columns: Sequence[str], known: Sequence[str], needed: Sequence[str]) -> None:
    if not set(needed) <= set(columns):
        raise ValueError(
            f"line 1: the columns are {list(columns)}; the texts "
            + " and ".join(f'"{name}"' for name in needed)
            + f" are needed, and accepted are {list(known)}, with commas, semicolons or tabs "
            "between them"
        )
    for name in known:
        if columns.count(name) > 1:
            raise ValueError(f"line 1: the column {name!r} is there {columns.count(name)} times")


def _by_column(
    cells: list[str], columns: list[str], known: Sequence[str], needed: Sequence[str], number: int
) -> dict[str, str]:
    whole = len(cells) > max(columns.index(name) for name in needed)
    # A caption with a comma that is not in quotes reaches beyond the columns that have a name.
    names = [*columns, *[""] * (len(cells) - len(columns))]
    if not whole or any(
        cell.strip() and not name for name, cell in zip(names, cells, strict=False)
    ):
        named = len([name for name in columns if name])
        raise ValueError(
            f"line {number}: {named} cells are needed, of which one with a comma is in quotes"
        )
    return {name: cell for name, cell in zip(names, cells, strict=False) if name in known}
