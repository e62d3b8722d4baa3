"""gin files: what they bind, and the errors that users meet."""

import dataclasses
import functools

import numpy as np
import pytest

import gin
from cagic_tf import config, pipeline
from cagic_tf.baselines.a2rl import episodes
from cagic_tf.beyond import coarse_to_fine
from cagic_tf.method import annealing, joint_search
from cagic_tf.method.objective import Objective
from cagic_tf.networks import bundle, checkpoints
from cagic_tf.system import resources

FILES = sorted(
    str(path.relative_to(resources.path("gin"))) for path in resources.path("gin").rglob("*.gin")
)


@pytest.fixture(autouse=True, scope="module")
def _checkpoints_are_read_once():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(checkpoints, "load", functools.cache(checkpoints.load))
        yield


@pytest.fixture(autouse=True)
def _own_gin():
    with config.own_gin():
        yield


def test_paper_gin_holds_the_defaults_of_the_code():
    """`Cropper()` and `paper.gin` are the same method: no value lives in one place only."""
    config.parse(["paper.gin"], [])
    assert gin.get_configurable("cagic_tf.Annealing")() == annealing.Annealing()
    assert gin.get_configurable("cagic_tf.Objective")() == Objective()
    for parameter, default in (("max_side", 1024), ("seed", 0)):
        assert gin.query_parameter(f"cagic_tf.Cropper.{parameter}") == default


def test_paper_gin_has_the_papers_numbers():
    config.parse(["paper.gin"], [])
    search = gin.get_configurable("cagic_tf.Annealing")()
    objective = gin.get_configurable("cagic_tf.Objective")()
    assert search.scale_factor == 0.98 and search.restart_count == 10
    assert objective.weights == {"caption": 1, "aesthetic": 0.01}
    np.testing.assert_allclose(objective.pyramid, (1 / 4, 1 / 3, 1 / 2, 1))


def test_paper_quick_gin_differs_in_its_optimiser_alone():
    paper, quick = config.read("paper.gin"), config.read("paper_quick.gin")
    assert {name: value for name, value in quick.items() if value != paper[name]} == {
        "Minimizer.max_iterations": 1,
        "Minimizer.max_line_search_iterations": 1,
        "Minimizer.hold_words": "evaluation",
        "Minimizer.extend_slopes": True,
    }
    assert set(paper) == set(quick)
    cn = config.read("ablations/cn.gin")
    for name, value in paper.items():
        assert not name.startswith("Minimizer.") or cn[name] == value


def test_paper_short_gin_is_the_quick_one_on_fewer_scales_with_fewer_restarts():
    quick, short = config.read("paper_quick.gin"), config.read("paper_short.gin")
    assert {name: value for name, value in short.items() if value != quick[name]} == {
        "Annealing.scale_factor": 0.8,
        "Annealing.restart_count": 4,
    }


@pytest.mark.parametrize(
    ("name", "weight", "levels", "restarts", "search"),
    [
        ("paper", 0.01, 4, 10, annealing.Annealing),
        ("ablations/cn_sa_mr_ms", 0.0, 4, 10, annealing.Annealing),
        ("ablations/cn_sa_mr", 0.0, 1, 10, annealing.Annealing),
        ("ablations/cn_sa", 0.0, 1, 1, annealing.Annealing),
        ("ablations/cn", 0.0, 1, None, joint_search.JointSearch),
        ("fast", 0.35, 4, None, coarse_to_fine.CoarseToFine),
        ("open_vocabulary", 0.01, 4, 10, annealing.Annealing),
    ],
)
def test_each_row_of_table_4_switches_one_part(name, weight, levels, restarts, search):
    config.parse([f"{name}.gin"], [])
    objective = gin.get_configurable("cagic_tf.Objective")()
    assert (objective.weights["aesthetic"], len(objective.pyramid)) == (weight, levels)
    assert (objective.blur_sigma > 0) == (levels > 1)
    reference = gin.query_parameter("cagic_tf.Cropper.search")
    built = reference.configurable.wrapper()
    assert isinstance(built, search)
    if restarts:
        assert built.restart_count == restarts
        assert (built.draw_starts.sigma > 0) == (restarts > 1)


@pytest.mark.parametrize("name", [name for name in FILES if name != "original.gin"])
def test_every_binding_of_a_shipped_file_is_read(name):
    if name.startswith("parts/"):
        pytest.skip(f"{name} has no search: it is included by others")
    cropper = config.load_cropper(name)
    assert isinstance(cropper, pipeline.Cropper)
    assert "Objective.blur_sigma" in cropper.configuration


@pytest.mark.parametrize(
    ("files", "bindings", "message"),
    [
        (["nowhere.gin"], [], "paper.gin"),
        (["paper.gin"], ["Annealing.restart_cuont = 3"], "restart_cuont"),
        (["paper.gin"], ["Aneling.restart_count = 3"], "Aneling"),
        (["paper.gin"], ["Annealing.restart_count = "], "restart_count"),
        (["paper.gin"], ["nonsense"], "nonsense"),
        (["paper.gin"], ["Uniform.low = -1.0"], "nothing reads Uniform.low"),
        (["ablations/cn.gin"], ["Normal.sigma = 0.123"], "nothing reads Normal.sigma"),
        (["fast.gin"], ["CoarseToFine.scan_centers = 0"], "scan_centers is 0"),
        (["fast.gin"], ["CoarseToFine.scan_scales = ()"], "scan_scales is ()"),
        (["paper.gin"], ["Annealing.restart_count = 0"], "restart_count is 0"),
        (["paper.gin"], ["Objective.pyramid = ()"], "pyramid is"),
        (["fast.gin"], ["Objective.lexicon_weight = -1"], "lexicon_weight is -1"),
        (["paper.gin"], ["Cropper.max_side = -1"], "max_side is -1"),
        (["paper.gin"], ["Annealing.scale_factor = 1.5"], "scale_factor is 1.5"),
        (["fast.gin"], ["HighestExpectedUtility.temperature = 0"], "temperature is 0"),
        (["fast.gin"], ["Annealing.restart_count = 3"], "nothing reads Annealing.restart_count"),
    ],
)
def test_mistakes_are_one_line(files, bindings, message):
    with pytest.raises(config.ConfigError) as caught:
        config.load_cropper(*files, bindings=bindings)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_how_a2rl_goes_about():
    assert config.load_episodes() == episodes.Episodes(seed=0, most_steps=50, greedy=False)
    found = config.load_episodes(["Episodes.seed = 7", "Episodes.greedy = True"])
    assert found == episodes.Episodes(seed=7, greedy=True)


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ("Episodes.most_steps = 0", "Episodes.most_steps is 0"),
        ("Episodes.sed = 7", "sed"),
        ("Cropper.seed = 7", "A2-RL does not read Cropper.seed"),
    ],
)
def test_mistakes_about_a2rl_are_one_line(binding, message):
    with pytest.raises(config.ConfigError) as caught:
        config.load_episodes([binding])
    assert message in str(caught.value) and "\n" not in str(caught.value)
    with pytest.raises(config.ConfigError, match="nothing reads Episodes.seed"):
        config.load_cropper("fast.gin", bindings=["Episodes.seed = 7"])


@pytest.mark.parametrize(("name", "used"), [("paper", False), ("open_vocabulary", True)])
def test_open_vocabulary_is_the_papers_search_with_the_lexicon(name, used):
    cropper = config.load_cropper(f"{name}.gin")
    assert (cropper.loss.networks.lexicon is not None) is used
    assert bool(cropper.loss.networks.synonyms) is used
    assert {"lexicon", "synonyms"} & set(cropper.loss.networks.checkpoints) == (
        {"lexicon", "synonyms"} if used else set()
    )
    objective, paper = vars(cropper.loss.objective).copy(), vars(Objective()).copy()
    assert [term.name for term in objective.pop("terms")] == ["caption", "aesthetic"] + [
        "lexicon"
    ] * used
    assert objective.pop("weights") == paper["weights"] | ({"lexicon": 2.0} if used else {})
    del paper["terms"], paper["weights"]
    assert objective == paper
    config.parse([f"{name}.gin"], [])
    assert gin.get_configurable("cagic_tf.Annealing")() == annealing.Annealing()


@pytest.mark.parametrize("name", ["AddedNoise", "Uniform"])
def test_the_other_restarts_of_the_faithfulness_table_can_be_chosen(name):
    cropper = config.load_cropper("paper.gin", bindings=[f"Annealing.draw_starts = @{name}()"])
    assert f"{name}.high" in cropper.configuration


def test_settings_are_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        annealing.Annealing().restart_count = 3


def test_given_networks_are_used_and_no_others_loaded(monkeypatch):
    networks = bundle.Networks()
    loads = []
    monkeypatch.setattr(bundle.Networks, "__init__", lambda *args, **named: loads.append(named))
    cropper = config.load_cropper("original.gin", networks=networks)
    assert cropper.loss.networks is networks and loads == []
    bound = config.read("original.gin", bindings=["Cropper.seed = 3"])
    assert bound["Networks.captioner"] == "original-sat" and bound["Cropper.seed"] == 3
    assert "Networks.dtype" not in bound
    with pytest.raises(config.ConfigError, match="nothing reads CoarseToFine.scan_centers"):
        config.load_cropper(
            "paper.gin", bindings=["CoarseToFine.scan_centers = 3"], networks=networks
        )


def differing(name, other):
    """The settings of two configurations, defaults included, that are not the same."""
    first, second = (config.load_cropper(f"{each}.gin").configuration for each in (name, other))
    lines = [
        dict(
            line.split(" = ", 1) for line in text.replace("\\\n", "").splitlines() if " = " in line
        )
        for text in (first, second)
    ]
    return {key for key in lines[0].keys() | lines[1] if lines[0].get(key) != lines[1].get(key)}


@pytest.mark.parametrize(
    ("name", "next_one", "parts"),
    [
        ("ablations/cn_sa_mr_ms", "paper", {"Objective.aesthetic_weight"}),
        (
            "ablations/cn_sa_mr",
            "ablations/cn_sa_mr_ms",
            {"Objective.pyramid", "Objective.blur_sigma"},
        ),
        ("ablations/cn_sa", "ablations/cn_sa_mr", {"Annealing.restart_count", "Normal.sigma"}),
    ],
)
def test_whole_configurations_of_table_4_differ_in_one_part(name, next_one, parts):
    assert differing(name, next_one) == parts


def test_the_row_without_annealing_differs_in_its_search_alone():
    found = differing("ablations/cn", "ablations/cn_sa")
    searches = ("Annealing.", "JointSearch.", "Normal.")
    assert {key for key in found if not key.startswith(searches)} == {"Cropper.search"}
