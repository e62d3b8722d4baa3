"""Rows that go through a GPU many at a time, with a cropper that takes no time."""

import threading
from pathlib import Path

import pytest

from cagic_tf.batch import manifest, row_seeds, side_by_side


class Cropper:
    """Says what it was given."""

    seed = 5

    def __init__(self):
        self.calls = []

    def crop_many(self, images, captions, seeds, shapes, batch, **options):
        self.calls.append((len(images), batch, options))
        if "crash" in captions:
            raise RuntimeError("out of memory")
        found = list(zip(images, captions, seeds, shapes, strict=True))
        return [ValueError("no word is known") if each[1] == "zyzzyva" else each for each in found]


def rows(*captions):
    return [
        manifest.Row(str(number), f"{number}.jpg", Path(f"{number}.jpg"), caption)
        for number, caption in enumerate(captions)
    ]


def outcomes(cropped):
    found = []
    for row, give in cropped:
        try:
            found.append((row.id, give()))
        except Exception as error:
            found.append((row.id, str(error)))
    return found


def read(row):
    if row.id == "1":
        raise OSError("no photo")
    return f"pixels of {row.id}"


def test_every_row_has_its_own_crop_or_its_own_error_in_order():
    cropper, given = Cropper(), rows("a dog", "a cat", "zyzzyva", "a bird", "a fish")
    found = outcomes(side_by_side.crop(cropper, given, read, 2, candidate_count=3))
    assert [row for row, _ in found] == ["0", "1", "2", "3", "4"]
    assert found[1][1] == "no photo" and found[2][1] == "no word is known"
    for number in (0, 3, 4):
        photo, caption, seed, shape = found[number][1]
        assert photo == f"pixels of {number}" and caption == given[number].caption
        assert seed == row_seeds.row_seed(5, str(number)) and shape == given[number].shape
    assert cropper.calls == [
        (size, own, {"candidate_count": 3}) for size, own in [(1, 2), (2, 2), (1, 1)]
    ]


def test_what_fails_as_a_whole_is_each_rows_error_and_the_rest_goes_on():
    found = outcomes(side_by_side.crop(Cropper(), rows("crash", "a", "b", "c"), read, 2))
    assert found[0][1] == "out of memory" and found[1][1] == "no photo"
    assert found[2][1][1] == "b" and found[3][1][1] == "c"


def test_the_next_batch_is_read_while_one_is_cropped():
    begun = threading.Event()

    def slow_read(row):
        if row.id == "2":
            begun.set()
        return row.id

    class Waiting(Cropper):
        def crop_many(self, images, *arguments, **options):
            assert begun.wait(10)  # Else it would be read after this.
            return super().crop_many(images, *arguments, **options)

    found = outcomes(side_by_side.crop(Waiting(), rows("a", "b", "c", "d"), slow_read, 2))
    assert [outcome[0] for _, outcome in found] == ["0", "1", "2", "3"]


@pytest.mark.parametrize("size", [1, 3, 10])
def test_no_rows_and_batches_of_any_size(size):
    assert outcomes(side_by_side.crop(Cropper(), [], read, size)) == []
    given = rows(*"abcdefg")
    assert len(outcomes(side_by_side.crop(Cropper(), given, str, size))) == 7
