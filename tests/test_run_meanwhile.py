"""The command reads, crops and writes at the same time, and holds few photos at once."""

import collections
import gc
import time
import weakref

import numpy as np
import pytest
from PIL import Image

from cagic_tf import run
from cagic_tf.batch import output_folder, row_by_row
from cagic_tf.photos import reading
from cagic_tf.system import files
from tests import fake_cropper
from tests.fake_cropper import call, lines_of, three_photos


@pytest.fixture
def cropper(monkeypatch):
    return fake_cropper.install(monkeypatch)


def wait_until(condition):
    for _ in range(60_000):  # Far more than it takes beside any load.
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it did not happen meanwhile")


def written_lines(directory):
    """How many there are while they are being written."""
    path = directory / output_folder.RESULTS
    return path.read_bytes().count(b"\n") if path.exists() else 0


def test_the_next_photo_is_read_and_the_last_row_written_meanwhile(cropper, tmp_path, monkeypatch):
    values, seen, read = three_photos(tmp_path), [], reading.read
    monkeypatch.setattr(reading, "read", lambda image: seen.append(image) or read(image))

    def meanwhile():
        done = len(cropper.calls)
        paths = [f"{name}.png" for name in "abc"[: done + 1]]
        wait_until(lambda: [p.name for p in seen if not isinstance(p, np.ndarray)] == paths)
        wait_until(lambda: written_lines(tmp_path / "out") == done - 1)

    cropper.meanwhile = meanwhile
    assert call(**values) == run.EXIT_OK
    assert [line["id"] for line in lines_of(tmp_path / "out")] == ["a", "b", "c"]
    for name in "abc":
        photo = read(tmp_path / f"{name}.png")
        crop = read(tmp_path / "out" / f"{name}_crop.png")
        np.testing.assert_array_equal(crop, photo[:10, :15])


def test_of_large_photos_one_is_in_memory(cropper, tmp_path, monkeypatch):
    values = three_photos(tmp_path)
    monkeypatch.setattr(row_by_row, "LARGE", 599)
    counts = []
    cropper.meanwhile = lambda: counts.append(written_lines(tmp_path / "out"))
    assert call(**values) == run.EXIT_OK
    assert counts == [0, 1, 2]
    assert cropper.images == [tmp_path / f"{name}.png" for name in "abc"]


def test_three_small_photos_are_in_memory_at_most(cropper, tmp_path, monkeypatch):
    """The one that is cropped, the next one and the one whose row is being written."""
    values, photos, counts, read = three_photos(tmp_path), [], [], reading.read
    rows = "".join(f"{'abc'[at % 3]}.png,dog {at}\n" for at in range(30))
    (tmp_path / "rows.csv").write_text("image,caption\n" + rows)

    def read_and_note(image):
        if isinstance(image, np.ndarray):
            return read(image)
        photo = read(image).copy()  # It owns its memory, so every view of it keeps it.
        photos.append(weakref.ref(photo))
        return photo

    def in_memory():
        return sum(photo() is not None for photo in photos)

    monkeypatch.setattr(reading, "read", read_and_note)
    cropper.meanwhile = lambda: counts.append(in_memory())
    cropper.images = collections.deque(maxlen=0)  # It keeps none of them.
    rows_alone = {"manifest": str(tmp_path / "rows.csv"), "output_dir": values["output_dir"]}
    assert call(**rows_alone) == run.EXIT_OK
    # A thread may be about to drop a fourth.
    assert len(photos) == len(counts) == 30 and 1 <= max(counts) <= 4
    gc.collect()
    assert in_memory() == 0


def test_a_full_disk_ends_the_run_and_the_same_command_goes_on(cropper, tmp_path, monkeypatch):
    values, append = three_photos(tmp_path), files.append_whole
    with monkeypatch.context() as patched:

        def fail(path, data):
            if path.exists():
                raise OSError(28, "No space left on device")
            append(path, data)

        patched.setattr(files, "append_whole", fail)
        assert call(**values) == run.EXIT_NOTHING
    assert [line["id"] for line in lines_of(tmp_path / "out")] == ["a"]
    assert call(**values) == run.EXIT_OK
    assert [line["id"] for line in lines_of(tmp_path / "out")] == ["a", "b", "c"]


@pytest.mark.slow
def test_a_photo_of_100_megapixels(cropper, tmp_path, recwarn):
    Image.new("L", (10_000, 10_000), 77).save(tmp_path / "a.png")
    values = {"image": str(tmp_path / "a.png"), "caption": "x", "output_dir": str(tmp_path / "o")}
    assert call(**values) == run.EXIT_OK
    assert not [each for each in recwarn if each.category is Image.DecompressionBombWarning]
    crop = Image.open(tmp_path / "o" / "a-x_crop.png")
    assert crop.size == (5000, 5000) and np.asarray(crop).max() == 77
