"""Imports run one way: the method knows nothing of what is built on it."""

import ast
from pathlib import Path

import pytest

import cagic_tf

PACKAGE = Path(cagic_tf.__file__).parent
# What each folder, or module at the top, may import of the package beside itself.
ALLOWED = {
    "system": set(),
    "samples": set(),
    "networks": {"system"},
    "method": {"networks", "system"},
    "photos": {"system"},
    "baselines": {"networks", "photos", "system"},
    "port": {"baselines", "beyond", "method", "networks", "system"},
    "beyond": {"method", "networks", "system"},
    "results": {"beyond", "method", "photos", "system"},
    "cropping": {"beyond", "method", "photos", "results", "system"},
    "pipeline": {"beyond", "cropping", "method", "networks", "photos", "results", "system"},
    "shortcut": {"pipeline", "results", "system"},
    "config": {"baselines", "beyond", "method", "networks", "pipeline", "system"},
    "batch": {"beyond", "config", "method", "networks", "photos", "pipeline", "results", "system"},
    "demo": {"batch", "beyond", "config", "method", "networks", "photos", "pipeline", "results"}
    | {"system"},
    "run": {"batch", "config", "networks", "photos", "pipeline", "system"},
    "distributed": {"batch", "pipeline", "run"},
    "__main__": {"run"},
}
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.name != "__init__.py")


def part_of(name):
    """The folder, or top module, that a dotted name of the package belongs to; "" for itself."""
    return name.removeprefix("cagic_tf").lstrip(".").partition(".")[0]


def imported(source):
    """The parts of the package that a source imports, in functions and for types too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            if node.module == "cagic_tf":
                yield from (alias.name for alias in node.names)
            elif node.module and node.module.startswith("cagic_tf."):
                yield part_of(node.module)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "cagic_tf":
                    yield part_of(alias.name)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_run_one_way(path):
    own = path.relative_to(PACKAGE).with_suffix("").parts[0]
    found = {part for part in imported(path.read_text(encoding="utf-8")) if part in ALLOWED}
    assert found - {own} <= ALLOWED[own]


def test_a_wrong_import_is_found():
    sources = [
        "from cagic_tf.beyond import shapes",
        "from cagic_tf import beyond",
        "import cagic_tf.beyond.shapes",
        "def f():\n    from cagic_tf.beyond.shapes import Shape",
    ]
    assert all(list(imported(source)) == ["beyond"] for source in sources)


def test_the_cores_tests_import_no_experiment():
    tests = Path(__file__).parent
    core = [path for path in tests.rglob("*.py") if "experiments" not in path.parts[-2:]]
    assert len(core) > 30
    for path in core:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            assert not any(name.split(".")[0] == "experiments" for name in names), path
