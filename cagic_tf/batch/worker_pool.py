"""Rows to workers of Ray, and outputs back in the rows' order, though workers die.

Plain actors and `ray.wait`, not `ray.util.ActorPool`: that one leaves workers idle behind a slow
row where outputs are wanted in order, does not say which row failed where they are not, and gives
rows to workers for which the cluster has no room.
"""

import collections
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from cagic_tf.batch import manifest, row_output

TRIES = 3  # Of a row whose worker dies; Ray itself makes them.
AHEAD = 8  # Rows a worker that may be done before an earlier one: their pictures fill memory.
LOST = (
    f"no worker finished it in {TRIES} tries: each died or failed, as when memory runs out; see "
    "Ray's messages"
)


class PoolError(Exception):
    """No worker can start; the last line of the message says why."""


class _Part(NamedTuple):
    """Rows that one call of a worker crops.

    Attributes:
      first: The number of the first of them.
      rows: The rows.
    """

    first: int
    rows: Sequence[manifest.Row]


def crop(
    ray: Any, workers: Sequence[Any], rows: Sequence[manifest.Row], batch_size: int = 1
) -> Iterator[row_output.RowOutput]:
    """Crops rows, each worker some at a time.

    A worker gets its first rows when it is ready, so one for which the cluster has no room yet
    holds up nothing, and one that cannot start, or not again, is left out. If no worker finishes
    rows that were given together, each of them is tried alone.

    Args:
      ray: The module, connected.
      workers: Actors made of `worker.Worker` that Ray starts anew when they die, and whose calls it
        repeats until `TRIES`.
      rows: The rows.
      batch_size: How many rows a worker gets at a time.

    Yields:
      The rows' outputs, in their order. Of a row that no worker finished it is the error `LOST`.

    Raises:
      PoolError: No worker is left.
    """
    parts = [_Part(at, rows[at : at + batch_size]) for at in range(0, len(rows), batch_size)]
    waiting = collections.deque(parts)
    running: dict[Any, tuple[Any, _Part | None]] = {}  # A call to its worker and rows.
    running |= {worker.ready.remote(): (worker, None) for worker in workers}
    idle: list[Any] = []
    finished: dict[int, row_output.RowOutput] = {}
    ahead = AHEAD * len(workers) * batch_size
    for turn in range(len(rows)):
        while turn not in finished:
            while idle and waiting and waiting[0].first < turn + ahead:
                part, worker = waiting.popleft(), idle.pop()
                running[worker.crop.remote(part.rows)] = worker, part
            (done, *_), _ = ray.wait(list(running))
            worker, done_part = running.pop(done)
            try:
                outputs = ray.get(done)
            except ray.exceptions.RayError as error:
                if done_part is not None:
                    running[worker.ready.remote()] = worker, None
                    if len(done_part.rows) > 1:
                        waiting.extendleft(reversed(_single(done_part)))
                    else:
                        finished[done_part.first] = row_output.failed(LOST)
                elif not running and not idle:
                    raise PoolError(str(error)) from error
                continue
            idle.append(worker)
            if done_part is not None:
                finished |= dict(enumerate(outputs, done_part.first))
        yield finished.pop(turn)


def _single(part: _Part) -> list[_Part]:
    """Each row of a part as one of its own."""
    return [_Part(number, [row]) for number, row in enumerate(part.rows, part.first)]
