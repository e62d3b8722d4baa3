"""Rows to workers and outputs back in order, with workers that die, on a stand-in for Ray."""

import pickle
import types
from pathlib import Path

import pytest

from cagic_tf.batch import manifest, row_output, worker_pool
from cagic_tf.beyond import shapes

NEVER = 10**9


class RayError(Exception):
    """As `ray.exceptions.RayError`."""


class FakeRay:
    """Time passes in `wait` alone: the call that ends first is done."""

    exceptions = types.SimpleNamespace(RayError=RayError)

    def __init__(self):
        self.time, self.results, self.ends = 0, {}, {}

    def call(self, result, duration):
        """A call of a worker, as a reference to its result."""
        reference = f"call {len(self.results):04}"
        self.results[reference], self.ends[reference] = result, self.time + duration
        return reference

    def wait(self, references):
        assert len(references) == len(set(references)) > 0
        first = min(references, key=lambda each: (self.ends[each], each))
        self.time = max(self.time, self.ends[first])
        assert self.time < NEVER
        return [first], [each for each in references if each != first]

    def get(self, reference):
        result = self.results[reference]
        if isinstance(result, Exception):
            raise result
        return result


class FakeWorker:
    """A worker that dies of the rows in `deadly`; a call takes 1 where `durations` has no other.

    `starts` are the results of its starts, a RayError where it does not.
    """

    def __init__(self, ray, deadly=(), durations=None, starts=(), starts_after=1):
        self.rows, starts, durations = [], list(starts), durations or {}

        def ready():
            return ray.call(starts.pop(0) if starts else None, starts_after)

        def crop(rows):
            self.rows += [row.id for row in rows]
            dies = any(row.id in deadly for row in rows)
            result = RayError("The actor died") if dies else [output(row) for row in rows]
            return ray.call(result, sum(durations.get(row.id, 1) for row in rows))

        self.ready = types.SimpleNamespace(remote=ready)
        self.crop = types.SimpleNamespace(remote=crop)


def output(row):
    return row_output.RowOutput({"box": [int(row.id), 0, 1, 1]}, {})


def rows_of(count):
    return [manifest.Row(f"{at}", "a.png", Path("a.png"), "a dog") for at in range(count)]


def crop(ray, workers, rows):
    return list(worker_pool.crop(ray, workers, rows))


def test_outputs_are_in_the_rows_order_and_each_row_is_cropped_once():
    ray, rows = FakeRay(), rows_of(20)
    slow = {"0": 9, "3": 5, "7": 30}
    workers = [FakeWorker(ray, durations=slow) for _ in range(3)]
    assert crop(ray, workers, rows) == [output(row) for row in rows]
    assert sorted((row for each in workers for row in each.rows), key=int) == [r.id for r in rows]
    assert all(len(each.rows) > 1 for each in workers)


def test_rows_that_no_worker_finished_are_errors_and_others_do_not_suffer():
    ray, rows = FakeRay(), rows_of(9)
    workers = [FakeWorker(ray, deadly=("2", "3", "8")) for _ in range(2)]
    found = crop(ray, workers, rows)
    lost = row_output.failed(worker_pool.LOST)
    assert found == [lost if row.id in ("2", "3", "8") else output(row) for row in rows]
    assert "no worker finished it in 3 tries" in worker_pool.LOST
    assert sum(len(each.rows) for each in workers) == 9


@pytest.mark.parametrize("batch_size", [2, 4, 30])
def test_of_rows_that_were_given_together_those_suffer_that_no_worker_finishes(batch_size):
    ray, rows = FakeRay(), rows_of(9)
    workers = [FakeWorker(ray, deadly=("2", "8"), durations={"0": 9}) for _ in range(2)]
    found = list(worker_pool.crop(ray, workers, rows, batch_size))
    lost = row_output.failed(worker_pool.LOST)
    assert found == [lost if row.id in ("2", "8") else output(row) for row in rows]


def test_a_worker_that_does_not_start_again_gets_no_more_rows():
    ray, rows = FakeRay(), rows_of(9)
    ends = FakeWorker(ray, deadly=("0",), starts=[None, RayError("no such file")])
    lasts = FakeWorker(ray, starts_after=2)  # The other has the first row.
    found = crop(ray, [ends, lasts], rows)
    assert found == [row_output.failed(worker_pool.LOST), *(output(row) for row in rows[1:])]
    assert ends.rows == ["0"] and lasts.rows == [row.id for row in rows[1:]]


def test_a_worker_without_room_in_the_cluster_holds_up_nothing():
    ray, rows = FakeRay(), rows_of(5)
    workers = [FakeWorker(ray), FakeWorker(ray, starts_after=NEVER)]
    assert crop(ray, workers, rows) == [output(row) for row in rows]
    assert workers[1].rows == []


def test_the_reason_is_told_where_no_worker_starts():
    ray = FakeRay()
    starts = [RayError("Traceback\n  of Ray\nDeviceError: no gpu:7")]
    workers = [FakeWorker(ray, starts=starts) for _ in range(2)]
    with pytest.raises(worker_pool.PoolError, match="no gpu:7"):
        crop(ray, workers, rows_of(3))
    assert workers[0].rows == workers[1].rows == []


def test_a_slow_row_lets_others_go_only_so_far_ahead():
    """The pictures of rows that wait for their turn are in memory."""
    ray, rows = FakeRay(), rows_of(100)
    workers = [FakeWorker(ray, durations={"0": 500}) for _ in range(2)]
    outputs = worker_pool.crop(ray, workers, rows)
    assert next(outputs) == output(rows[0])
    assert sum(len(each.rows) for each in workers) == 2 * worker_pool.AHEAD
    assert list(outputs) == [output(row) for row in rows[1:]]


def test_rows_and_outputs_can_be_pickled():
    truths = ((0.5, 1, 20, 30), (1, 2, 3, 4))
    shape = shapes.parse("4:5")
    for sent in (
        manifest.Row("a", "x/a.png", Path("/p/x/a.png"), "a dog – so", truths, "", shape),
        manifest.Row("b", "b.png", Path("b.png"), None, problem="no caption"),
        row_output.RowOutput({"box": [1, 2, 3, 4]}, {"a_crop.png": b"\x89PNG"}),
        row_output.failed("empty"),
    ):
        assert pickle.loads(pickle.dumps(sent)) == sent
