"""Ids of single photos that several commands crop into one folder."""

import dataclasses
from collections.abc import Iterable, Mapping

from cagic_tf.batch import manifest, records, up_to_date


def tell_apart(
    rows: Iterable[manifest.Row], done: Mapping[str, records.Record]
) -> list[manifest.Row]:
    """The rows, those with one of their own whose id the folder has for another crop.

    That is one of another photo or caption. A photo of the same relative path is another one if it
    lies elsewhere and has other content; else it was moved, or replaced. The same row gets the same
    id each time, so that its command goes on where it was. Of rows that failed there is nothing to
    keep: they can be replaced.

    Args:
      rows: Rows whose ids were made of their photo and caption, see `manifest.single`.
      done: The folder's records by id.
    """
    return [_with_own_id(row, done.get(row.id)) for row in rows]


def _with_own_id(row: manifest.Row, found: records.Record | None) -> manifest.Row:
    if not found or not found.ok:
        return row
    of = [row.image, str(row.caption)]
    if (found.image, found.caption) == (row.image, row.caption):
        if not _lies_elsewhere(found, row):
            return row
        of.append(up_to_date.place(row.path))
    return dataclasses.replace(row, id=manifest.told_apart(row.id, "\0".join(of).encode()))


def _lies_elsewhere(record: records.Record, row: manifest.Row) -> bool:
    """Whether a record of the row's path is of a photo that lies in another folder."""
    known = (record.photo or {}).get("place")
    if known in (None, up_to_date.place(row.path)):
        return False
    return bool(up_to_date.photo_change(record, row.path))
