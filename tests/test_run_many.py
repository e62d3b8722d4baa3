"""The command on folders and manifests, with a cropper that takes no time."""

import json
import types

import numpy as np
import pytest
from PIL import Image

from cagic_tf import config, run
from cagic_tf.batch import output_folder
from tests import fake_cropper, odd_files
from tests.fake_cropper import call, lines_of, three_photos


@pytest.fixture
def cropper(monkeypatch):
    return fake_cropper.install(monkeypatch)


def test_a_folder_of_good_and_bad_files(cropper, tmp_path, capsys):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    good, bad = odd_files.good(), odd_files.bad()
    for name, content in ({name: data for name, (data, _) in good.items()} | bad).items():
        (photos / name).write_bytes(content)
    others = [name for name in bad if name.endswith((".svg", ".eps", ".pdf", ".mp4", ".ppm"))]
    bad = {name: bad[name] for name in bad if name not in others}
    values = {"images": str(photos / "*"), "caption": "a dog", "output_dir": str(out)}
    assert call(**values) == run.EXIT_SOME_FAILED
    lines = lines_of(out)
    assert len(lines) == len(good) + len(bad)
    status = {line["image"].rsplit("/", 1)[1]: line["status"] for line in lines}
    assert status == dict.fromkeys(good, "ok") | dict.fromkeys(bad, "error")
    for line in lines:
        if line["status"] == "ok":
            with Image.open(out / line["crop_file"]) as crop:
                assert crop.size == (30, 20)
        else:
            assert line["error"] and "\n" not in line["error"]
    output = capsys.readouterr()
    assert f"{len(lines)} rows, {len(bad)} errors" in output.out
    assert f"left out {len(others)} files not read as photos: 1 ." in output.out
    assert output.err.count("  error: ") == len(bad)
    left = {path: path.stat().st_mtime_ns for path in out.iterdir()}
    calls = len(cropper.calls)
    assert call(**values) == run.EXIT_SOME_FAILED  # Again: nothing new.
    assert {path: path.stat().st_mtime_ns for path in out.iterdir()} == left
    assert len(cropper.calls) == calls


def test_a_folder_in_two_shapes(cropper, tmp_path):
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    good = dict(list(odd_files.good().items())[:12])
    bad = dict(list(odd_files.bad().items())[:4])
    for name, content in ({name: data for name, (data, _) in good.items()} | bad).items():
        (photos / name).write_bytes(content)
    values = {"images": str(photos / "*"), "caption": "a dog", "output_dir": str(out)}
    assert call(**values, aspect_ratio="1:1,16:9") == run.EXIT_SOME_FAILED
    lines = lines_of(out)
    assert len(lines) == 2 * (len(good) + len(bad)) == len({line["id"] for line in lines})
    assert sum(line["status"] == "ok" for line in lines) == 2 * len(good)
    for line in lines:
        assert line["id"].endswith({"1:1": "-1x1", "16:9": "-16x9"}[line["shape"]])
        if line["status"] == "ok":
            with Image.open(out / line["crop_file"]) as crop:
                assert crop.size == {"1:1": (20, 20), "16:9": (30, 17)}[line["shape"]]
    results, calls = (out / output_folder.RESULTS).read_bytes(), len(cropper.calls)
    assert call(**values, aspect_ratio="1:1,16:9") == run.EXIT_SOME_FAILED  # Nothing new.
    assert (out / output_folder.RESULTS).read_bytes() == results and len(cropper.calls) == calls
    call(**values, aspect_ratio="16:9,original")  # The photo's own shape beside what is there.
    added = lines_of(out)[len(lines) :]
    assert {line["shape"] for line in added} == {"original"} and len(added) == len(lines) / 2


def test_sizes_are_those_of_the_files(cropper, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(odd_files.encoded(odd_files.RGB, "PNG"))
    out = tmp_path / "out"
    values = {"image": str(tmp_path / "a.png"), "caption": "dog", "output_dir": str(out)}
    assert call(**values, size="120x60,50x50") == run.EXIT_OK
    found = {line["id"]: line for line in lines_of(out)}
    assert [found[f"a-dog-{name}"]["box"] for name in ("120x60", "50x50")] == [
        [0, 0, 30, 15],
        [0, 0, 20, 20],
    ]
    for name, size in (("120x60", (120, 60)), ("50x50", (50, 50))):
        with Image.open(out / f"a-dog-{name}_crop.png") as crop:
            assert crop.size == size
    # A ratio whose rows would have the names of these; another smallest side; its own again.
    assert call(**values, aspect_ratio="120:60") == run.EXIT_NOTHING
    assert "choose another --output_dir" in capsys.readouterr().err
    assert call(**values, size="50x50", smallest_side=5) == run.EXIT_NOTHING
    assert "another configuration" in capsys.readouterr().err
    assert call(**values, size="50x50") == run.EXIT_OK


def test_candidates_are_files_and_part_of_the_line(cropper, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(odd_files.encoded(odd_files.RGB, "PNG"))
    out = tmp_path / "out"
    values = {"image": str(tmp_path / "a.png"), "caption": "dog", "output_dir": str(out)}
    assert call(**values, candidates=4) == run.EXIT_OK
    (line,) = lines_of(out)
    names = ["a-dog_crop.png", "a-dog_crop-2.png", "a-dog_crop-3.png"]
    assert [each["crop_file"] for each in line["candidates"]] == names
    assert line["crop_file"] == names[0]
    for at, name in enumerate(names):
        with Image.open(out / name) as crop:
            np.testing.assert_array_equal(crop, odd_files.PIXELS[:20, at : at + 30])
    assert not (out / "a-dog_crop-4.png").exists()
    assert capsys.readouterr().out.count("  or box") == 2
    assert call(**values, candidates=3) == run.EXIT_NOTHING
    assert "another configuration" in capsys.readouterr().err
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / names[2]).write_bytes(b"mine")  # Checked before anything is written.
    assert call(**values | {"output_dir": str(tmp_path / "other")}, candidates=4) == 1
    assert "is not of this run" in lines_of(tmp_path / "other")[0]["error"]
    assert (tmp_path / "other" / names[2]).read_bytes() == b"mine"


def test_without_captions(cropper, tmp_path, capsys):
    (tmp_path / "a.png").write_bytes(odd_files.encoded(odd_files.RGB, "PNG"))
    (tmp_path / "rows.csv").write_text("id,image,caption\nx,a.png,\ny,a.png,a dog\n")
    for number, photos in enumerate(
        [
            {"image": str(tmp_path / "a.png")},
            {"images": str(tmp_path / "*.png")},
            {"manifest": str(tmp_path / "rows.csv")},
        ]
    ):
        out = tmp_path / f"out{number}"
        values = {**photos, "output_dir": str(out)}
        assert call(**values, aesthetics_only=True) == run.EXIT_OK
        lines = lines_of(out)
        assert {line["caption"] for line in lines} == set(cropper.calls) == {None}
        assert [line["id"] for line in lines] == (["x", "y"] if "manifest" in photos else ["a"])
    # Captions now, in the folder of crops without.
    assert call(manifest=str(tmp_path / "rows.csv"), output_dir=str(out)) == run.EXIT_NOTHING
    assert "choose another --output_dir" in capsys.readouterr().err


def test_a_folder_with_rows_of_another_checkpoint_is_refused(
    cropper, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(run.devices, "thread_count", lambda threads: threads or 12)
    (tmp_path / "a.png").write_bytes(odd_files.encoded(odd_files.RGB, "PNG"))
    out = tmp_path / "out"
    values = {"image": str(tmp_path / "a.png"), "caption": "dog", "output_dir": str(out)}
    assert call(**values) == run.EXIT_OK
    made_by = json.loads((out / output_folder.PROVENANCE).read_text(encoding="utf-8"))
    assert made_by["checkpoints"] == {"sat": "5a7"} and made_by["threads"] == 12
    assert {"command", "commit", "versions", "machine", "device"} <= set(made_by)
    cropper.loss = types.SimpleNamespace(networks=types.SimpleNamespace(checkpoints={"sat": "f00"}))
    assert call(**values | {"caption": "cat"}) == run.EXIT_NOTHING
    error = capsys.readouterr().err
    assert "results of another checkpoint: sat was 5a7 and is f00 now; choose another" in error
    assert [line["caption"] for line in lines_of(out)] == ["dog"]


def test_retried_errors_and_exit_status(cropper, tmp_path):
    path, out = tmp_path / "a.jpg", tmp_path / "out"
    path.write_bytes(b"broken")
    values = {"image": str(path), "caption": "a dog", "output_dir": str(out)}
    assert call(**values) == run.EXIT_NOTHING
    path.write_bytes(odd_files.encoded(odd_files.RGB, "JPEG"))
    assert call(**values) == run.EXIT_NOTHING
    assert call(**values, retry_errors=True) == run.EXIT_OK
    assert [line["status"] for line in lines_of(out)] == ["ok"]
    assert call(**values, retry_errors=True) == run.EXIT_OK and len(cropper.calls) == 1


@pytest.mark.parametrize(
    ("gin_file", "said"),
    [
        (
            "paper.gin",
            "paper.gin takes about 300 seconds a photo on two cores, 15 minutes for these 3",
        ),
        ("paper_quick.gin", "paper_quick.gin takes about 35 seconds a photo on two cores, 2 min"),
        ("ablations/cn_sa.gin", "ablations/cn_sa.gin takes about 30 seconds a photo"),
        ("fast.gin", ""),
    ],
)
def test_the_slow_method_says_how_long_it_takes(cropper, tmp_path, capsys, gin_file, said):
    assert call(**three_photos(tmp_path), gin_file=[gin_file]) == run.EXIT_OK
    first = capsys.readouterr().out.splitlines()[0]
    assert first.startswith(said or "[1/3] ")
    assert call(**three_photos(tmp_path), gin_file=[gin_file]) == run.EXIT_OK  # Nothing to do.
    assert "seconds a photo" not in capsys.readouterr().out


def test_without_a_gin_file_the_fast_settings_are_taken(cropper, tmp_path, monkeypatch):
    loaded = []
    monkeypatch.setattr(config, "load_cropper", lambda *files, **_: loaded.append(files) or cropper)
    assert call(**three_photos(tmp_path)) == run.EXIT_OK
    assert loaded == [("fast.gin",)]


def test_a_crash_of_one_row_stops_no_other(cropper, tmp_path):
    (tmp_path / "a.png").write_bytes(odd_files.encoded(odd_files.RGB, "PNG"))
    manifest = tmp_path / "rows.csv"
    manifest.write_text("image,caption\na.png,crash\na.png,a dog\na.png,a cat\n")
    out = tmp_path / "out"
    values = {"manifest": str(manifest), "output_dir": str(out)}
    assert call(**values) == run.EXIT_SOME_FAILED
    assert [line["error"] for line in lines_of(out)] == ["RuntimeError: out of memory", None, None]


def test_shards_do_all_rows_once(cropper, tmp_path):
    (tmp_path / "a.png").write_bytes(odd_files.encoded(odd_files.RGB, "PNG"))
    manifest = tmp_path / "rows.csv"
    manifest.write_text("image,caption\n" + "".join(f"a.png,dog {n}\n" for n in range(5)))
    captions = []
    for part in ("1/2", "2/2"):
        out = tmp_path / part.replace("/", "of")
        assert call(manifest=str(manifest), output_dir=str(out), shard=part) == run.EXIT_OK
        captions.append([line["caption"] for line in lines_of(out)])
    assert captions == [["dog 0", "dog 2", "dog 4"], ["dog 1", "dog 3"]]


def test_captions_of_photos_stay_out_of_logs(cropper, tmp_path, capsys):
    exif = odd_files.exif(ImageDescription="a secret")
    (tmp_path / "a.jpg").write_bytes(odd_files.encoded(odd_files.RGB, "JPEG", exif=exif))
    out = tmp_path / "out"
    values = {"images": str(tmp_path / "*.jpg"), "output_dir": str(out)}
    assert call(**values, captions_from="photo") == run.EXIT_OK
    assert cropper.calls == ["a secret"] and lines_of(out)[0]["caption"] == "a secret"
    output = capsys.readouterr()
    assert "secret" not in output.out + output.err


def test_crops_as_asked(cropper, tmp_path):
    exif = odd_files.exif(ImageDescription="a secret")
    (tmp_path / "a.jpg").write_bytes(odd_files.encoded(odd_files.RGB, "JPEG", exif=exif))
    values = {"image": str(tmp_path / "a.jpg"), "caption": "x", "output_dir": str(tmp_path / "o")}
    style = {"format": "webp", "quality": 30, "name": "{id}.best", "strip_metadata": True}
    assert call(**values, **style) == run.EXIT_OK
    data = (tmp_path / "o" / "a-x.best.webp").read_bytes()
    assert data[8:12] == b"WEBP" and b"secret" not in data


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"images": "*.jpg"}, "--images needs --caption"),
        ({"images": "*", "caption": "a", "captions_from": "photo"}, "--images needs --caption"),
        ({"images": "*.jpg", "image": "a.jpg", "caption": "a"}, "give one of"),
        ({"captions_from": "sidecar"}, "goes with --images"),
        ({"caption": "a"}, "--image and --caption go together"),
        ({"images": "nowhere/*.jpg", "caption": "a"}, "no photo matches"),
        ({"shard": "5/4"}, "the shard is '5/4'"),
        ({"image": "a.jpg", "caption": "a", "aesthetics_only": True}, "goes without --caption"),
        ({"aspect_ratio": "16-9"}, "the shape is '16-9'"),
        ({"aspect_ratio": "1:1", "size": "5x5"}, "give one of --aspect_ratio and --size"),
        ({"size": "500x500,1:1"}, "1:1 is no size"),
        ({"name": "../{id}"}, "crops cannot be named"),
        ({"device": "tpu"}, "no device is named 'tpu'"),
        ({"image": "nowhere.jpg", "caption": "a"}, "no photo at nowhere.jpg"),
        ({"gin_file": ["fst.gin"]}, "'fst.gin' (did you mean fast.gin?); give a path or one"),
        ({"gin_param": ["Cropper.sed = 1"]}, "named Cropper.sed (did you mean Cropper.seed?)"),
    ],
)
def test_mistakes(cropper, values, message, tmp_path, capsys):
    assert call(output_dir=str(tmp_path / "out"), **values) == run.EXIT_NOTHING
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert not (tmp_path / "out").exists()
