"""Every script's flags: those that compute take --device and --threads, and no two clash."""

import importlib
import pkgutil

import pytest

import experiments
from tests.experiments import commands

# These read files alone.
WITHOUT_TENSORFLOW = {"datasets", "mosaics", "table2", "average_sat"}
WITHOUT_TENSORFLOW |= {
    f"figures.{name}" for name in ("annotators", "pareto", "side_by_side", "sweeps")
}


def scripts():
    """Names of the modules that are commands, from "experiments." on."""
    found = pkgutil.walk_packages(experiments.__path__)
    folders = {module.name for module in found if module.ispkg}
    assert {"figures", "methods", "tables"} <= folders
    for package in (experiments, importlib.import_module("experiments.figures")):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            source = importlib.util.find_spec(module.name).loader.get_source(module.name)
            if '__name__ == "__main__"' in source:
                yield module.name.removeprefix("experiments.")


@pytest.mark.parametrize("name", sorted(scripts()))
def test_flags(name):
    script = importlib.import_module(f"experiments.{name}")
    values = commands.flags_of(script)
    computes = {"device", "threads"} <= set(values)
    assert computes == (name not in WITHOUT_TENSORFLOW)
    assert all(values[flag].help for flag in values)
