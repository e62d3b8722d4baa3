"""Crops rows of which many go through a GPU at a time."""

import collections
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from cagic_tf.batch import manifest, row_seeds

if TYPE_CHECKING:  # No TensorFlow in here.
    from cagic_tf import pipeline

READERS = 8  # Threads that read photos ahead; a GPU crops them faster than one thread reads.

# A row, and what gives its crop or raises what went wrong with it.
RowCrop = tuple[manifest.Row, Callable[[], Any]]


def crop(
    cropper: "pipeline.Cropper",
    rows: Sequence[manifest.Row],
    read: Callable[[manifest.Row], Any],
    batch_size: int,
    **options: Any,
) -> Iterator[RowCrop]:
    """Crops rows in their order, a batch at a time, the photos of the next being read meanwhile.

    Args:
      cropper: Crops them.
      rows: The rows.
      read: Gives a row's photo, as `Cropper.crop_many` takes it, in another thread.
      batch_size: How many rows are a batch.
      **options: What `Cropper.crop_many` takes for all of them.

    Yields:
      Each row, when its batch is cropped.
    """
    batches = [rows[at : at + batch_size] for at in range(0, len(rows), batch_size)]
    with ThreadPoolExecutor(READERS) as pool:
        reading = collections.deque(_submit(pool, read, batch) for batch in batches[:1])
        for number, batch in enumerate(batches, 1):
            reading.extend(_submit(pool, read, batch) for batch in batches[number : number + 1])
            yield from _crop_batch(cropper, batch, reading.popleft(), options)


def _submit(
    pool: ThreadPoolExecutor, read: Callable[[manifest.Row], Any], batch: Sequence[manifest.Row]
) -> list[Future[Any]]:
    return [pool.submit(read, row) for row in batch]


def _crop_batch(
    cropper: "pipeline.Cropper",
    batch: Sequence[manifest.Row],
    photos: Sequence[Future[Any]],
    options: dict[str, Any],
) -> Iterator[RowCrop]:
    readable = [
        (row, photo)
        for row, photo in zip(batch, photos, strict=True)
        if not (row.problem or photo.exception())
    ]
    try:
        found = cropper.crop_many(
            [photo.result() for _, photo in readable],
            [row.caption for row, _ in readable],
            [row_seeds.row_seed(cropper.seed, row.id) for row, _ in readable],
            shapes=[row.shape for row, _ in readable],
            batch=len(batch),
            **options,
        )
        outcomes = {row.id: each for (row, _), each in zip(readable, found, strict=True)}
    except Exception as error:  # A row's error, as everywhere: the others' batches go on.
        outcomes = {row.id: error for row, _ in readable}
    for row, photo in zip(batch, photos, strict=True):
        yield row, _giver(photo.exception() or outcomes.get(row.id))


def _giver(outcome: Any) -> Callable[[], Any]:
    def give() -> Any:
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return give
