"""Which networks a table's methods have: those that gin files name, or those of the flags."""

import numpy as np
import pytest

from cagic_tf.batch import manifest
from cagic_tf.networks import bundle, checkpoints
from experiments import sweep, table1
from experiments.errors import ExperimentError
from experiments.methods.named import Setup
from experiments.tables import method_runs, networks
from tests import seeded
from tests.experiments import commands

EMBEDDED = {"lite0", "sat", "vfn"}
OTHER = {"lite0", "other", "vfn"}


@pytest.fixture(scope="module")
def other(tmp_path_factory):
    """Path of a captioner "other": the embedded one with other weights."""
    old = checkpoints.load(bundle.find("sat"))
    folder = tmp_path_factory.mktemp("checkpoints") / "other"
    kept = ("vocabulary", "trunk", "trunk_sha256")
    checkpoints.save(
        folder,
        old.kind,
        {name: np.float32(0.9) * tensor for name, tensor in old.tensors.items()},
        source="a test",
        command="pytest",
        commit="0" * 40,
        extra={name: old.manifest[name] for name in kept},
    )
    return str(folder)


@pytest.fixture
def other_gin(other, quick_gin, tmp_path):
    """Path of the quick search with the other captioner."""
    path = tmp_path / "other.gin"
    path.write_text(f'include "{quick_gin}"\nNetworks.captioner = "{other}"\n')
    return str(path)


@pytest.fixture
def set_flags(monkeypatch):
    """Gives the flags of a table to the module under test."""

    def set_flags(*arguments):
        values = commands.flags_of(table1)
        values(["table1", *arguments])
        monkeypatch.setattr(networks, "FLAGS", values)

    return set_flags


def test_each_gin_file_has_what_it_names_and_each_pair_is_loaded_once(other_gin, other, set_flags):
    set_flags()
    shared = networks.SharedNetworks()
    embedded = shared.of("paper.gin")
    assert set(embedded.checkpoints) == EMBEDDED
    assert shared.of() is shared.of("ablations/cn.gin") is embedded
    found = shared.of(other_gin)
    assert set(found.checkpoints) == OTHER and found.lexicon is None
    assert shared.of("paper.gin", bindings=[f'Networks.captioner = "{other}"']) is found
    cropper = shared.load_cropper(other_gin)
    assert cropper.loss.networks.captioner is found.captioner is not embedded.captioner
    assert set(cropper.loss.networks.checkpoints) == OTHER | {"lexicon", "synonyms", "grounder"}
    assert shared.load_cropper("paper.gin").loss.networks is embedded


def test_a_gin_file_that_names_a_grounder_has_it(quick_gin, set_flags, tmp_path):
    seeded.write_grounder(tmp_path / "own")
    set_flags()
    shared = networks.SharedNetworks()
    bindings = [
        f"Networks.grounder = '{tmp_path}/own'",
        "CoarseToFine.pick = @HighestExpectedUtility()",
    ]
    cropper = shared.load_cropper(quick_gin, bindings=bindings)
    assert "own" in cropper.loss.networks.checkpoints
    assert cropper.loss.networks.captioner is shared.of(quick_gin).captioner
    assert shared.of(quick_gin).grounder is None


def test_a_flag_overrules_gin_files_and_no_binding(other_gin, other, set_flags):
    set_flags("--captioner=sat")
    shared = networks.SharedNetworks()
    assert shared.of(other_gin) is shared.of("paper.gin")
    assert "sat" in shared.load_cropper(other_gin).loss.networks.checkpoints
    binding = [f'Networks.captioner = "{other}"']
    with pytest.raises(ExperimentError, match="both --captioner=sat and a binding of Networks.cap"):
        shared.load_cropper("paper.gin", bindings=binding)
    with pytest.raises(ExperimentError, match="Networks.scorer is None; a checkpoint's name or"):
        shared.of("paper.gin", bindings=["Networks.scorer = None"])
    set_flags(f"--captioner={other}")
    assert set(shared.of("paper.gin").checkpoints) == set(shared.of().checkpoints) == OTHER


def test_other_methods_have_the_networks_of_the_first_gin_file(
    dataset, quick_gin, other_gin, set_flags
):
    set_flags()
    rows = manifest.read(dataset)
    setup = Setup("rows", rows, method_runs.sizes_of(rows))

    def networks_of(*names):
        runs = method_runs.from_names(setup, names)
        return {run.name: set(run.checkpoints) for run in runs}

    beyond = {"lexicon", "synonyms", "grounder"}
    assert networks_of("whole", "vfn", "grid", other_gin, "grad_cam", quick_gin) == {
        "whole": set(),
        "vfn": OTHER,
        "grid": OTHER | beyond,
        other_gin: OTHER | beyond,
        "grad_cam": OTHER,
        quick_gin: EMBEDDED | beyond,
    }
    assert networks_of("grid", "grad_cam+vfn") == {"grid": EMBEDDED, "grad_cam+vfn": EMBEDDED}


@pytest.mark.slow
def test_a_table_of_two_captioners_says_which_method_had_which(
    dataset, quick_gin, other, other_gin, tmp_path
):
    out = tmp_path / "out"
    methods = f"--methods=whole,grad_cam,{quick_gin},{other_gin}"
    commands.call(table1, f"--dataset={dataset}", f"--output_dir={out}", methods)
    sha = {name: bundle.Networks().checkpoints[name] for name in EMBEDDED}
    sha["other"] = checkpoints.load(other).sha256
    losses = []
    for name, captioner in ((quick_gin, "sat"), (other_gin, "other")):
        records = commands.records_of(out / manifest.safe_name(name))
        for record in records:
            beyond = {"lexicon", "synonyms", "grounder"}
            assert set(record.checkpoints) == {"lite0", captioner, "vfn"} | beyond
            assert record.checkpoints[captioner] == sha[captioner]
        losses.append([record.loss["caption"] for record in records])
    assert np.abs(np.subtract(*losses)).min() > 1e-3
    for record in commands.records_of(out / "grad_cam"):
        assert record.checkpoints == {name: sha[name] for name in ("lite0", "sat", "vfn")}
        assert record.seconds > 0 and record.iou is not None
    assert {record.checkpoints for record in commands.records_of(out / "whole")} == {None}
    found = commands.made_by(out)["checkpoints"]
    assert set(found) == EMBEDDED | {"other", "lexicon", "synonyms", "grounder"}
    assert found.items() >= sha.items()
    text = (out / "table.md").read_text(encoding="utf-8")
    shown = {name: f"{name} {value[:12]}" for name, value in found.items()}
    beyond = f"{shown['lexicon']}, {shown['synonyms']}, {shown['grounder']}"
    assert (
        "Our checkpoints (SHA-256) by method: "
        f"grad_cam: {shown['lite0']}, {shown['sat']}, {shown['vfn']}; "
        f"quick.gin: {shown['lite0']}, {shown['sat']}, {shown['vfn']}, {beyond}; "
        f"other.gin: {shown['lite0']}, {shown['other']}, {shown['vfn']}, {beyond}. "
    ) in text


@pytest.mark.slow
def test_captioners_can_be_swept(dataset, quick_gin, other, tmp_path):
    out = tmp_path / "out"
    command = [f"--dataset={dataset}", f"--output_dir={out}", f"--gin_file={quick_gin}"]
    command.append(f'--binding=Networks.captioner=["sat", "{other}"]')
    message = commands.error_of(sweep, *command, "--captioner=sat")
    assert "both --captioner=sat and a binding" in message and not out.exists()
    commands.call(sweep, *command)
    first, second = commands.table_of(out)
    assert first["mean loss"] != second["mean loss"]
    assert set(commands.made_by(out)["checkpoints"]) >= {"sat", "other"}


USED = {
    "whole": {},
    "paper.gin": {"sat": "1" * 64},
    "fast.gin": {"sat": "2" * 64, "lexicon": "3" * 64},
    "grid": {"sat": "2" * 64, "lexicon": "3" * 64},
}


def test_note_by_hand():
    one, two, three = ("1" * 12, "2" * 12, "3" * 12)
    assert networks.note(USED) == (
        f"Our checkpoints (SHA-256) by method: paper.gin: sat {one}; "
        f"fast.gin, grid: sat {two}, lexicon {three}."
    )
    alike = {name: used for name, used in USED.items() if name != "paper.gin"}
    assert networks.note(alike) == f"Our checkpoints (SHA-256): sat {two}, lexicon {three}."
    assert networks.note({"whole": {}}) == "No method has checkpoints of ours."


def test_two_checkpoints_of_one_name_are_both_kept():
    assert networks.merged(USED) == {
        "sat": "1" * 64,
        "sat (fast.gin)": "2" * 64,
        "lexicon": "3" * 64,
    }
    elsewhere = {"/somewhere/mine.gin": {"sat": "4" * 64}}
    assert networks.merged(USED | elsewhere)["sat (mine.gin)"] == "4" * 64
    assert networks.merged({}) == {}
