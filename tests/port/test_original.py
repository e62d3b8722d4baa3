"""`gin/original.gin`: the paper's networks, ported from files made from seeds."""

import re
import subprocess
import sys

import numpy as np
import pytest

from cagic_tf import config
from cagic_tf.method import sampling
from cagic_tf.networks import bundle, checkpoints, sat_sizes
from cagic_tf.port import __main__ as command
from cagic_tf.system import resources
from tests import seeded

SEARCH = [
    "Annealing.scale_factor = 0.5",
    "Annealing.restart_count = 2",
    "Minimizer.max_iterations = 1",
    "Minimizer.max_line_search_iterations = 1",
]


@pytest.fixture
def own_checkpoints(tmp_path, monkeypatch):
    """An empty checkpoints/ folder in place of the project's."""
    original = resources.path
    monkeypatch.setattr(
        resources, "path", lambda name: tmp_path if name == "checkpoints" else original(name)
    )
    return tmp_path


def test_missing_checkpoints_say_what_to_get(own_checkpoints):
    with pytest.raises(checkpoints.CheckpointError) as caught:
        config.load_cropper("original.gin")
    message = str(caught.value)
    assert "\n" not in message
    for words in (
        "289999.npy and vocabulary.csv",
        "https://github.com/DeepRNN/image_captioning",
        "python -m cagic_tf.port deeprnn --weights=289999.npy --vocabulary=vocabulary.csv "
        f"--output={own_checkpoints}/original-sat",
        "model-spp-max",
        "https://github.com/yiling-chen/view-finding-network",
        f"python -m cagic_tf.port vfn --weights=model-spp-max "
        f"--output={own_checkpoints}/original-vfn",
    ):
        assert words in message


def test_the_commands_it_names_exist():
    for files, _, line in bundle.RELEASED.values():
        options = command.parse([*line.split(), "--output=x"])
        for path in (options.weights, getattr(options, "vocabulary", options.weights)):
            assert str(path) in files


def test_readme_of_checkpoints_has_the_same_commands():
    text = re.sub(r"[\\\s]+", " ", (resources.path("checkpoints") / "README.md").read_text())
    for name, (_, repository, line) in bundle.RELEASED.items():
        assert f"python -m cagic_tf.port {line} --output=checkpoints/{name}" in text
        assert repository in text


def test_original_gin_is_the_papers_method():
    bound = config.read("original.gin")
    assert bound["Objective.aesthetic_weight"] == 0.01
    assert bound["Annealing.restart_count"] == 10
    assert bound["Networks.captioner"] == "original-sat"
    assert bound["Networks.scorer"] == "original-vfn"


@pytest.mark.parametrize("name", ["../elsewhere/vgg16", "vgg16"])
def test_trunk_of_a_head_is_looked_for_in_its_folder_first(name, own_checkpoints):
    record = {"source": "s", "command": "c", "commit": "x"}
    sizes = sat_sizes.Sizes(11, 196, 512, 4, 4, 4, 4, 4)
    zeros = {key: np.zeros(shape, np.float32) for key, shape in sat_sizes.shapes(sizes).items()}
    head = own_checkpoints / "head"
    right = checkpoints.save(head / name, "vgg16", {"w": np.ones(1)}, **record)
    checkpoints.save(own_checkpoints / "vgg16", "vgg16", {"w": np.zeros(1)}, **record)
    extra = {"vocabulary": ["."], "trunk": name, "trunk_sha256": right["sha256"]}
    checkpoints.save(head, "sat", zeros, **record, extra=extra)
    loaded = bundle.load_trunk(head, checkpoints.load(head))
    assert loaded.sha256 == right["sha256"]


def test_a_head_is_no_trunk(own_checkpoints):
    record = {"source": "s", "command": "c", "commit": "x"}
    checkpoints.save(own_checkpoints / "head", "sat", {"w": np.zeros(1)}, **record)
    with pytest.raises(checkpoints.CheckpointError, match="a trunk is needed: alexnet, lite0"):
        bundle.build_trunk(checkpoints.load(own_checkpoints / "head"))


@pytest.fixture(scope="module")
def ported(tmp_path_factory):
    """The paper's networks, ported from files of seeded weights."""
    folder = tmp_path_factory.mktemp("released")
    seeded.write_deeprnn(folder)
    seeded.write_vfn(folder / "model-spp-max", seeded.vfn_variables(49, 1))
    files = [f"--weights={folder}/weights.npy", f"--vocabulary={folder}/vocabulary.csv"]
    assert command.main(["deeprnn", *files, f"--output={folder}/original-sat"]) == 0
    files = [f"--weights={folder}/model-spp-max", f"--output={folder}/original-vfn"]
    assert command.main(["vfn", *files]) == 0
    return folder


@pytest.mark.slow
def test_crops_a_photo_with_ported_networks(ported, monkeypatch):
    original = resources.path
    monkeypatch.setattr(
        resources, "path", lambda name: ported if name == "checkpoints" else original(name)
    )
    cropper = config.load_cropper("original.gin", bindings=SEARCH)
    sizes, sample = set(), sampling.crop

    def recorded(picture, theta, size, *others):
        sizes.add(tuple(size))
        return sample(picture, theta, size, *others)

    monkeypatch.setattr(sampling, "crop", recorded)
    result = cropper.crop(resources.package_path("samples") / "lake.jpg", "a dog nan lake", seed=1)
    assert sizes == {(224, 224), (227, 227)}  # Each trunk's own.
    assert set(result.checkpoints) == {"vgg16", "alexnet", "original-sat", "original-vfn"}
    assert result.scale == 0.5
    assert result.unknown_words == {}
    assert np.isfinite(list(result.loss.values())).all() and result.loss["aesthetic"] != 0
    weighted = result.loss["caption"] + 0.01 * result.loss["aesthetic"]
    assert result.loss["total"] == pytest.approx(weighted, rel=1e-6)
    (step,) = result.path.steps
    assert (step.end_losses <= step.start_losses).all()
    assert result.path.loss == min(float(step.losses.total), float(np.min(step.end_losses)))


@pytest.mark.slow
def test_ten_restarts_stay_under_4_gib(ported, tmp_path):
    """The command's highest resident memory, as the kernel counted it, TensorFlow and all."""
    bindings = [*SEARCH, "Annealing.restart_count = 10"]
    for network, name in (("captioner", "original-sat"), ("scorer", "original-vfn")):
        bindings.append(f"Networks.{network} = '{ported / name}'")
    arguments = [
        "--gin_file=original.gin",
        *(f"--gin_param={binding}" for binding in bindings),
        f"--image={resources.package_path('samples') / 'lake.jpg'}",
        "--caption=a dog",
        f"--output_dir={tmp_path}",
    ]
    code = (
        "import resource, subprocess, sys; "
        "subprocess.run([sys.executable, '-m', 'cagic_tf.run', *sys.argv[1:]], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    kibibytes = int(done.stdout.split()[-1])
    assert kibibytes < 4 * 2**20
