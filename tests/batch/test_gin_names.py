"""Mistakes in gin's names that are told without TensorFlow are none that gin would not tell."""

import inspect
from pathlib import Path

import pytest

from cagic_tf import config
from cagic_tf.batch import gin_names
from cagic_tf.system import resources


def test_the_settings_are_those_of_the_classes():
    found = gin_names.settings()
    assert set(found) == {made.__name__ for made in config.CONFIGURABLES}
    for made in config.CONFIGURABLES:
        parameters = inspect.signature(made).parameters.values()
        named = {each.name for each in parameters if each.kind != each.VAR_KEYWORD}
        assert named <= found[made.__name__]
    assert "*_weight" in found["Objective"] and "*_weight" not in found["Cropper"]


def test_what_the_projects_own_files_bind_is_right():
    own = sorted(gin_names.shipped())
    assert {"fast.gin", "paper.gin", "ablations/cn.gin"} <= set(own)
    for path in resources.path("gin").rglob("*.gin"):
        lines = [line for line in path.read_text().splitlines() if "=" in line]
        assert gin_names.problem(own, lines) == ""


@pytest.mark.parametrize(
    ("files", "binding", "said"),
    [
        ([], "Annealing.restart_cont = 5", "named Annealing.restart_cont (did you mean Annealing"),
        ([], "Anealing.restart_count = 5", "(did you mean Annealing.restart_count?)"),
        ([], "cagic_tf.Cropper.sed=5", "(did you mean Cropper.seed?)"),
        ([], "Objective.aesthetic_wieght = 1", "named Objective.aesthetic_wieght"),
        ([], "Qwxz.wug = 1", "no setting is named Qwxz.wug; "),
        ([], "Objective.any_weight = 1", ""),
        ([], "scope/Cropper.seed = 1", ""),
        ([], "cagic_tf.Cropper.seed = 1", ""),
        ([], "a_macro = 3", ""),
        ([], "Cropper.seed", "'Cropper.seed' is no setting; one is written as"),
        ([], "Cropper.seed = abc", "'abc' is no value of Cropper.seed; needed are numbers"),
        ([], "Cropper.seed =", "'' is no value of Cropper.seed"),
        ([], "Cropper.seed = -7  # Lucky.", ""),
        ([], "Cropper.seed = %a_macro", ""),
        ([], "Cropper.search = @Annealing()", ""),
        ([], "Cropper.seed = 7\nCropper.max_side = 5", ""),
        ([], "import json", ""),
        (["own.gin"], "Theirs.seed = 1", ""),
        (["own.gin"], "Cropper.sed = 1", "(did you mean Cropper.seed?)"),
        (["qwxz"], "Cropper.seed = 1", "there is no gin file 'qwxz'; give a path or one"),
        (["Fast.gin"], "Cropper.seed = 1", "'Fast.gin' (did you mean fast.gin?)"),
        (["fast"], "Cropper.seed = 1", "'fast' (did you mean fast.gin?)"),
    ],
)
def test_names(files, binding, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("own.gin").write_text("")
    found = gin_names.problem(["fast.gin", *files], [binding])
    assert said in found and bool(found) == bool(said) and "\n" not in found


def test_a_file_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert "there is no gin file '~/own.gin'" in gin_names.problem(["~/own.gin"], [])
    (tmp_path / "own.gin").write_text("")
    assert gin_names.problem(["~/own.gin"], []) == ""
