"""The command: files that it leaves, going on where it stopped, one-line errors."""

import functools
import json
import os
import re
import shlex
import subprocess
import sys

import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from PIL import Image

from cagic_tf import config, run
from cagic_tf.batch import output_folder
from cagic_tf.system import resources

SAMPLES = resources.package_path("samples")
QUICK = [
    "CoarseToFine.scan_scales = (0.5,)",
    "CoarseToFine.scan_centers = 2",
    "CoarseToFine.refine_scales = (1.0,)",
    "CoarseToFine.refinement = @Annealing()",
    "Annealing.restart_count = 2",
    "Annealing.minimizer = @Minimizer()",
    "Minimizer.max_iterations = 1",
]
KEYS = (
    "id image caption status error box box_normalized scale center loss predicted_caption "
    "matched_words unknown_words iou crop_file evaluations seconds seed checkpoints shape "
    "candidates note photo saved_as"
).split()

if not flags.FLAGS.is_parsed():
    flags.FLAGS(["test"])


@pytest.fixture(scope="module", autouse=True)
def croppers():
    """Each configuration is loaded, and its graphs traced, once."""
    load = config.load_cropper
    cached = functools.cache(lambda files, bindings: load(*files, bindings=bindings))
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(
            config, "load_cropper", lambda *files, bindings: cached(files, tuple(bindings))
        )
        yield


def call(output_dir, **values):
    values = {"gin_file": ["fast.gin"], "gin_param": QUICK, **values}
    with flagsaver.flagsaver(output_dir=str(output_dir), **values):
        return run.main(["run"])


def read(directory):
    return [
        json.loads(line) for line in (directory / output_folder.RESULTS).read_text().splitlines()
    ]


@pytest.fixture
def manifest_path(tmp_path):
    Image.open(SAMPLES / "workers.jpg").save(tmp_path / "photo.png")
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    rows = [
        {"image": "photo.png", "caption": "a woman", "crops": [[0, 0, 270, 180], [0, 0, 540, 360]]},
        {"id": 7, "image": "broken.jpg", "caption": "a dog"},
        {"id": "a/../b", "image": "photo.png", "caption": "qwxz"},
        {"image": "missing.jpg", "caption": "a dog"},
        {"image": "photo.png", "caption": ""},
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_manifest_with_good_and_bad_rows(manifest_path, tmp_path, capsys):
    out = tmp_path / "out"
    assert call(out, manifest=str(manifest_path)) == run.EXIT_SOME_FAILED
    lines = read(out)
    assert [list(line) for line in lines] == [KEYS] * 5
    assert [line["status"] for line in lines] == ["ok"] + ["error"] * 4
    assert [line["id"] for line in lines] == ["0001-photo", "7", "a-..-b", "0004-missing"] + [
        "0005-photo"
    ]
    good = lines[0]
    x, y, w, h = good["box"]
    inside = np.array([270 * 180, 540 * 360])
    overlap = max(0, min(x + w, 270) - x) * max(0, min(y + h, 180) - y), w * h
    expected = np.mean(overlap / (w * h + inside - overlap))
    assert good["iou"] == pytest.approx(expected)
    with Image.open(out / "0001-photo_crop.png") as crop:
        assert crop.size == (w, h)
    with Image.open(out / "0001-photo_overlay.jpg") as overlay:
        assert overlay.size == (540, 360)
    with Image.open(out / "0001-photo_losses.png") as plot:
        assert plot.size[0] > 300
    assert "Objective.aesthetic_weight = 0.35" in (out / output_folder.CONFIG).read_text()
    for line, words in zip(
        lines[1:], ("broken.jpg", "qwxz", "missing.jpg", "no words"), strict=True
    ):
        assert words in line["error"] and "\n" not in line["error"]
    assert "5 rows, 4 errors, mean IoU" in capsys.readouterr().out
    assert sorted(path.name for path in out.iterdir() if "partial" in path.name) == []


def test_the_same_command_goes_on_and_another_refuses(manifest_path, tmp_path, capsys):
    out = tmp_path / "out"
    call(out, manifest=str(manifest_path))
    results = out / output_folder.RESULTS
    before = results.read_bytes()
    assert call(out, manifest=str(manifest_path)) == run.EXIT_SOME_FAILED
    assert results.read_bytes() == before
    lines = before.splitlines(keepends=True)
    results.write_bytes(b"".join(lines[:-1]) + lines[-1][:20])  # Killed while it wrote.
    call(out, manifest=str(manifest_path))
    assert results.read_bytes() == before
    other = [*QUICK, "Cropper.seed = 9"]
    capsys.readouterr()
    assert call(out, manifest=str(manifest_path), gin_param=other) == run.EXIT_NOTHING
    assert "another configuration" in capsys.readouterr().err
    assert results.read_bytes() == before


def test_one_photo(tmp_path):
    out = tmp_path / "out"
    image = str(SAMPLES / "lake.jpg")
    assert call(out, image=image, caption="Rocks in the water!") == run.EXIT_OK
    (line,) = read(out)
    assert line["id"] == "lake-Rocks-in-the-water" and line["iou"] is None
    assert call(out, image="nowhere.jpg", caption="a dog") == run.EXIT_NOTHING


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"image": "a.jpg"}, "--image and --caption go together"),
        ({"image": "a.jpg", "caption": "a", "manifest": "m"}, "give one of"),
        ({"manifest": "nowhere.jsonl"}, "cannot read the manifest nowhere.jsonl"),
        ({"gin_file": ["nowhere.gin"]}, "nowhere.gin"),
        ({"gin_param": ["Nothing.at_all = 1"]}, "Nothing"),
        ({"gin_param": ["Networks.captioner = 'nowhere'"]}, "no readable checkpoint"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(values, message, tmp_path, capsys):
    out = tmp_path / "out"
    assert call(out, **values) == run.EXIT_NOTHING
    error = capsys.readouterr().err
    assert error.startswith("error: ") and message in error and error.count("\n") == 1
    assert not out.exists()


def start(module, *arguments, tmp_path):
    """Runs a command as a user does who has set nothing, and whose fonts are not listed yet."""
    environment = {**os.environ, "MPLCONFIGDIR": str(tmp_path / "matplotlib")}
    environment.pop("TF_CPP_MIN_LOG_LEVEL", None)
    command = [sys.executable, "-m", f"cagic_tf.{module}", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)


@pytest.mark.slow
def test_only_our_own_lines_are_printed(tmp_path):
    flags = ["--gin_file=fast.gin", *(f"--gin_param={each}" for each in QUICK)]
    flags += [f"--image={SAMPLES / 'lake.jpg'}", "--caption=rocks", f"--output_dir={tmp_path}/out"]
    done = start("run", *flags, tmp_path=tmp_path)
    assert (done.returncode, done.stderr) == (run.EXIT_OK, "")
    heading, box, *more, last = done.stdout.splitlines()
    assert heading == f"[1/1] {SAMPLES / 'lake.jpg'}: rocks"
    names = "caption", "aesthetic", "lexicon", "sentence"
    terms = ", ".join(rf"{name} -?\d+\.\d{{3}}" for name in names)
    shown = rf"  lake-rocks: box \[\d+, \d+, \d+, \d+\], loss \d+\.\d{{3}} \({terms}\)"
    assert re.fullmatch(shown, box)
    assert more and all(line.startswith("  ") for line in more)
    assert re.fullmatch(
        rf"1 row, 0 errors, \d+\.\d s with the start-up; results in {tmp_path}/out", last
    )
    made_by = json.loads((tmp_path / "out" / "provenance.json").read_text())
    assert made_by["command"] == shlex.join(["python", "-m", "cagic_tf.run", *flags])
    assert set(made_by["checkpoints"]) == {
        *("sat-regions", "vfn-regions", "lite0", "lexicon", "synonyms", "grounder")
    }


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "arguments", "message"),
    [
        ("run", ["--device=tpu"], "error: no device is named 'tpu'"),
        (
            "distributed",
            ["--gin_param=Nothing.at_all = 1"],
            "error: no setting is named Nothing.at_all",
        ),
        ("port", ["keras_vgg16", "--weights=nowhere.h5", "--output=nowhere"], "error: "),
    ],
)
def test_a_mistake_is_one_line_after_tensorflow_is_imported(module, arguments, message, tmp_path):
    done = start(module, *arguments, tmp_path=tmp_path)
    assert done.returncode == run.EXIT_NOTHING and done.stdout == ""
    assert done.stderr.startswith(message) and done.stderr.count("\n") == 1


def test_the_console_script():
    """`cagic` is `run.command`, without a module's name in front."""
    names = re.findall(r'"(\w+) = ([\w.:]+)"', (resources.path("setup.py")).read_text())
    assert names == [("cagic", "cagic_tf.run:command")]
    code = "import sys; sys.argv[0] = '/bin/cagic'; from cagic_tf.run import command; command()"
    done = subprocess.run([sys.executable, "-c", code, "-h"], capture_output=True, text=True)
    assert done.returncode == 0 and done.stdout.startswith("Crops photos to captions")


def test_imports_need_no_tensorflow():
    code = (
        "import sys; from cagic_tf import run; import cagic_tf; "
        "assert 'tensorflow' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_sample_has_its_photo_and_known_words():
    from cagic_tf.batch import manifest
    from cagic_tf.method import vocabulary
    from cagic_tf.networks import checkpoints

    words = checkpoints.load(resources.path("checkpoints") / "sat").manifest["vocabulary"]
    rows = manifest.read(SAMPLES / "manifest.jsonl")
    assert len(rows) == 6
    for row in rows:
        with Image.open(row.path) as photo:
            width, height = photo.size
        for x, y, w, h in row.crops:
            assert 0 <= x <= x + w <= width and 0 <= y <= y + h <= height
            assert w / h == pytest.approx(width / height, rel=0.02)
        assert not vocabulary.bag_of_words(row.caption, words, None).unknown
