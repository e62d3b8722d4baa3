"""Names, pictures and errors of rows; nothing of others is overwritten. No TensorFlow."""

import numpy as np
import pytest
from PIL import Image

from cagic_tf.batch import output_folder
from cagic_tf.photos import crop_files, drawing, reading
from tests.batch.fake_rows import PHOTO, lines_of, make_row, opened, result


@pytest.fixture(autouse=True)
def _no_plots(monkeypatch):
    monkeypatch.setattr(drawing, "has_matplotlib", lambda: False)


def test_pictures_and_their_names(tmp_path):
    saved = crop_files.SaveOptions("best-of-{id}", "webp", 80)
    folder = opened(tmp_path, save_options=saved)
    line = folder.fill(make_row(tmp_path), result)
    folder.close()
    assert line.status == "ok" and line.crop_file == "best-of-a.webp"
    assert lines_of(tmp_path) == [line]
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {output_folder.RESULTS, output_folder.CONFIG, "best-of-a.webp", "a_overlay.jpg"}
    with Image.open(tmp_path / "out" / "best-of-a.webp") as crop:
        assert crop.format == "WEBP" and crop.size == (12, 9)


@pytest.mark.parametrize(
    "name",
    ["crop", "", "../{id}", "/tmp/{id}", "a/{id}", "{id}\\x", ".{id}", "{id}{0}", "{id} crop"]
    + ["{id}_overlay", "{id}_losses", "{id}\n", "{id!r}", "\0{id}"],
)
def test_names_that_could_be_elsewhere(tmp_path, name):
    with pytest.raises(output_folder.OutputError, match="cannot be named"):
        opened(tmp_path, save_options=crop_files.SaveOptions(name))
    assert list(tmp_path.iterdir()) == []


def test_other_files_stay(tmp_path):
    row = make_row(tmp_path)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a_crop.png").write_bytes(b"precious")
    folder = opened(tmp_path)
    calls = []
    line = folder.fill(row, lambda: calls.append(1) or result())
    assert "exists and is not of this run: --overwrite" in line.error and not calls
    folder.close()
    assert (tmp_path / "out" / "a_crop.png").read_bytes() == b"precious"
    folder = opened(tmp_path, overwrite=True)
    folder.forget_errors([row])
    assert folder.fill(row, result).status == "ok"
    folder.close()
    crop = reading.read(tmp_path / "out" / "a_crop.png")
    np.testing.assert_array_equal(crop, PHOTO[1:10, 2:14])


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("other", "taken"), [("a_overlay", "a_overlay.jpg"), ("a-2", "a-2.jpg"), ("a-3", "a-3.jpg")]
)
def test_a_row_does_not_take_another_rows_picture(other, taken, overwrite, tmp_path):
    saved = crop_files.SaveOptions("{id}", "jpeg")
    folder = opened(tmp_path, save_options=saved, overwrite=overwrite, candidate_count=3)
    boxes = [{"box": [at, 0, 5, 5]} for at in range(3)]
    assert folder.fill(make_row(tmp_path, "a"), lambda: result(candidates=boxes)).status == "ok"
    before = (tmp_path / "out" / taken).read_bytes()
    for _ in range(2):  # Again from what is on the disk.
        assert "is a file of the row 'a'" in folder.fill(make_row(tmp_path, other), result).error
        assert (tmp_path / "out" / taken).read_bytes() == before
        folder.close()
        folder = opened(tmp_path, save_options=saved, overwrite=overwrite, candidate_count=3)
        folder.forget_errors([make_row(tmp_path, other)])


def test_a_crop_never_replaces_its_photo(tmp_path):
    (tmp_path / "out").mkdir()
    row = make_row(tmp_path / "out")
    before = row.path.read_bytes()
    folder = opened(tmp_path, save_options=crop_files.SaveOptions("{id}"), overwrite=True)
    assert "its own photo" in folder.fill(row, result).error
    assert row.path.read_bytes() == before


def test_one_row_stops_no_other(tmp_path):
    folder = opened(tmp_path)

    def fail(error):
        raise error

    errors = {
        "v": (ValueError("two\nlines"), "two lines"),
        "m": (MemoryError(), "MemoryError: MemoryError"),
        "o": (OSError("device lost"), "OSError: device lost"),
        "r": (RuntimeError("odd"), "RuntimeError: odd"),
    }
    for name, (error, said) in errors.items():
        line = folder.fill(make_row(tmp_path, name), lambda error=error: fail(error))
        assert (line.status, line.error) == ("error", said)
    with pytest.raises(KeyboardInterrupt):
        folder.fill(make_row(tmp_path, "k"), lambda: fail(KeyboardInterrupt()))
    line = folder.fill(make_row(tmp_path, "p", problem="no caption"), lambda: fail(SystemError()))
    assert line.error == "no caption"
    row = make_row(tmp_path, "gone")
    assert "no photo at" in folder.fill(row, lambda: row.path.unlink() or result()).error
    assert [line.id for line in lines_of(tmp_path)] == [*errors, "p", "gone"]


def test_errors_are_retried_when_asked_or_changed(tmp_path):
    rows = [make_row(tmp_path, name, problem="no caption", caption="") for name in "ab"]
    rows.append(make_row(tmp_path, "c"))
    folder = opened(tmp_path)
    for row in rows:
        folder.fill(row, result)
    folder.close()
    before = (tmp_path / "out" / output_folder.RESULTS).read_bytes()
    changed = [make_row(tmp_path, "a", caption="a cat"), *rows[1:]]
    folder = opened(tmp_path)
    folder.forget_errors(rows, only_changed=True)
    assert (tmp_path / "out" / output_folder.RESULTS).read_bytes() == before
    with pytest.raises(output_folder.OutputError, match="choose another"):
        folder.is_done(changed[0])
    folder.forget_errors(changed, only_changed=True)
    assert [folder.is_done(row) for row in changed] == [False, True, True]
    folder.forget_errors(changed)
    assert [folder.is_done(row) for row in changed] == [False, False, True]
    assert [line.id for line in lines_of(tmp_path)] == ["c"]
