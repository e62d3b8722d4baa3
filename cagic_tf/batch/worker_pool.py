"""Rows to workers of Ray, and outputs back in the rows' order, though workers die.

Plain actors and `ray.wait`, not `ray.util.ActorPool`: that one leaves workers idle behind a slow
row where outputs are wanted in order, does not say which row failed where they are not, and gives
rows to workers for which the cluster has no room.
"""

import collections
from collections.abc import Iterator, Sequence
from typing import Any

from cagic_tf.batch import manifest, row_output

TRIES = 3  # Of a row whose worker dies; Ray itself makes them.
AHEAD = 8  # Rows a worker that may be done before an earlier one: their pictures fill memory.
LOST = (
    f"no worker finished it in {TRIES} tries: each died or failed, as when memory runs out; see "
    "Ray's messages"
)


class PoolError(Exception):
    """No worker can start; the last line of the message says why."""


def crop(
    ray: Any, workers: Sequence[Any], rows: Sequence[manifest.Row]
) -> Iterator[row_output.RowOutput]:
    """Crops rows, each worker one at a time.

    A worker gets its first row when it is ready, so one for which the cluster has no room yet holds
    up nothing, and one that cannot start, or not again, is left out.

    Args:
      ray: The module, connected.
      workers: Actors made of `worker.Worker` that Ray starts anew when they die, and whose calls it
        repeats until `TRIES`.
      rows: The rows.

    Yields:
      The rows' outputs, in their order. Of a row that no worker finished it is the error `LOST`.

    Raises:
      PoolError: No worker is left.
    """
    waiting = collections.deque(enumerate(rows))
    running: dict[Any, tuple[Any, int | None]] = {}  # A call to its worker and row.
    running |= {worker.ready.remote(): (worker, None) for worker in workers}
    idle: list[Any] = []
    finished: dict[int, row_output.RowOutput] = {}
    for turn in range(len(rows)):
        while turn not in finished:
            while idle and waiting and waiting[0][0] < turn + AHEAD * len(workers):
                number, row = waiting.popleft()
                worker = idle.pop()
                running[worker.crop.remote(row)] = worker, number
            (done, *_), _ = ray.wait(list(running))
            worker, place = running.pop(done)
            try:
                output = ray.get(done)
            except ray.exceptions.RayError as error:
                if place is not None:
                    finished[place] = row_output.failed(LOST)
                    running[worker.ready.remote()] = worker, None
                elif not running and not idle:
                    raise PoolError(str(error)) from error
                continue
            idle.append(worker)
            if place is not None:
                finished[place] = output
        yield finished.pop(turn)
