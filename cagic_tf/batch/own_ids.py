"""Ids of single photos that several commands crop into one folder."""

import dataclasses
from collections.abc import Iterable, Mapping

from cagic_tf.batch import manifest, records


def tell_apart(
    rows: Iterable[manifest.Row], done: Mapping[str, records.Record]
) -> list[manifest.Row]:
    """The rows, those whose id another photo or caption has in the folder with one of their own.

    The same row gets the same id each time, so that its command goes on where it was. Of rows that
    failed there is nothing to keep: they can be replaced.

    Args:
      rows: Rows whose ids were made of their photo and caption, see `manifest.single`.
      done: The folder's records by id.
    """
    named = []
    for row in rows:
        found = done.get(row.id)
        if found and found.ok and (found.image, found.caption) != (row.image, row.caption):
            of = f"{row.image}\0{row.caption}".encode()
            row = dataclasses.replace(row, id=manifest.told_apart(row.id, of))
        named.append(row)
    return named
