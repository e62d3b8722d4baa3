"""What people read names what exists: lines, links, paths, modules, flags, figures, examples."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest
from absl import flags

import cagic_tf
from cagic_tf.batch import command_flags  # noqa: F401  It defines the flags.

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("cagic_tf", "docs", "experiments", "tests")
EMBEDDED = (
    "a2rl-lite0",
    "gaic-lite0",
    "grounder",
    "lexicon",
    "lite0",
    "mattnet-lite0",
    "sat",
    "sat-regions",
    "synonyms",
    "vfn",
    "vfn-regions",
    "vpn-lite0",
)
TOPS = {*SOURCES, ".ci", "checkpoints", "gin"}
LONGEST = 119  # Characters of a line.
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.MULTILINE | re.DOTALL)
INDENTED = re.compile(r"(?<=\n\n)(?: {4}.*\n|\n(?= {4}))+")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)", re.MULTILINE)
CODE = re.compile(r"`([^`\n]+)`")
COMMAND = re.compile(r"python -m ([\w.]+)")
FLAG = re.compile(r"--(\w+)")
FIGURE = re.compile(r"\b0\.\d{3}\b")
PLACEHOLDER = re.compile(r"\b[A-Z][A-Z0-9_]+\b|[*{<]")


def pages():
    """Markdown files of the project, without those of checkpoints that were ported here."""
    below = [path for folder in SOURCES for path in (ROOT / folder).rglob("*.md")]
    cards = [ROOT / "checkpoints" / name / "MODEL_CARD.md" for name in EMBEDDED]
    return sorted([*ROOT.glob("*.md"), ROOT / "checkpoints" / "README.md", *below, *cards])


PAGES = pages()
# Without the tables that scripts wrote.
WRITTEN = [path for path in PAGES if ROOT / "experiments" / "results" not in path.parents]
GUIDES = [path for path in PAGES if path.parent in (ROOT, ROOT / "docs")]


def names(paths):
    return [str(path.relative_to(ROOT)) for path in paths]


def read(path):
    return path.read_text(encoding="utf-8")


def prose(text):
    """A page without its blocks of code."""
    return INDENTED.sub("\n", FENCE.sub("", text))


def anchors(text):
    """What GitHub makes of the headings of a page."""
    found = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def too_long(text):
    """Lines that are too long and could be shorter: of one word alone, an address, nothing can."""
    lines = enumerate(text.split("\n"), 1)
    return [number for number, line in lines if len(line) > LONGEST and " " in line.strip()]


def repository_paths(text):
    """What stands in backticks and looks like a path from the top of the repository."""
    for found in CODE.findall(text):
        top, slash, _ = found.partition("/")
        if " " not in found and slash and top in TOPS and not PLACEHOLDER.search(found):
            yield found


@pytest.mark.parametrize("page", WRITTEN, ids=names(WRITTEN))
def test_lines_are_short(page):
    assert not too_long(FENCE.sub(lambda block: "\n" * block[0].count("\n"), read(page)))


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_links_lead_somewhere(page):
    for inline, reference in LINK.findall(FENCE.sub("", read(page))):
        target, _, anchor = (inline or reference).partition("#")
        if re.match(r"\w+:", target):
            continue
        path = page.parent / target if target else page
        assert path.exists(), target
        assert not anchor or anchor in anchors(read(path)), anchor


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_paths_exist(page):
    for path in repository_paths(prose(read(page))):
        assert (ROOT / path).exists(), path


@pytest.mark.parametrize("page", PAGES, ids=names(PAGES))
def test_modules_exist(page):
    for module in COMMAND.findall(read(page)):
        assert find_module(module), module


def test_flags_of_the_cropping_page_exist():
    text = read(ROOT / "docs" / "cropping.md")
    found = set(FLAG.findall(text)) - {"help"}
    known = set(flags.FLAGS) | distributed_flags()
    assert len(found) > 20 and found <= known
    own = {flag.name for flag in flags.FLAGS.flags_by_module_dict()[command_flags.__name__]}
    assert own <= found, "flags that the page does not name"


def distributed_flags():
    """Flags of the command with workers, by its source: importing it could start more."""
    tree = ast.parse(read(ROOT / "cagic_tf" / "distributed.py"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return {
        call.args[0].value
        for call in calls
        if isinstance(call.func, ast.Attribute) and call.func.attr.startswith("DEFINE_")
    }


def test_the_layout_has_every_module_at_the_top():
    package = Path(cagic_tf.__file__).parent
    modules = {path.name for path in package.glob("*.py") if path.stem != "__init__"}
    folders = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    layout = read(ROOT / "WORKSPACE.md").partition("## Layout")[2].partition("\n## ")[0]
    found = {path.removeprefix("cagic_tf/") for path in repository_paths(layout)}
    listed = {path for path in found if path.count("/") == path.endswith("/")}
    assert {name for name in listed if name.endswith(".py")} == modules
    # `samples/` has photos and no module.
    assert folders | {"samples/"} <= listed


def test_the_layout_has_every_part_of_the_method():
    layout = read(ROOT / "WORKSPACE.md").partition("In `cagic_tf/method/`")[2].partition("\n## ")[0]
    files = {path.name for path in (ROOT / "cagic_tf" / "method").glob("*.py")} - {"__init__.py"}
    assert files <= set(CODE.findall(layout))


def test_every_gin_file_is_described():
    described = read(ROOT / "docs" / "settings.md")
    for path in (ROOT / "gin").rglob("*.gin"):
        assert path.name in described, path


def test_the_readme_activates_the_environment_before_its_commands_need_it():
    commands = [line for line in read(ROOT / "README.md").split("\n") if line.startswith(" " * 4)]
    first = next(at for at, line in enumerate(commands) if re.match(r" +(cagic|python) ", line))
    assert commands.index("    source .venv/bin/activate") < first
    # The two above it are what CI and newcomers run; they name the environment themselves.
    assert all(line.startswith("    python3 -m venv .venv && ") for line in commands[: first - 1])


def test_figures_of_the_readme_are_those_of_the_experiments():
    found = set(FIGURE.findall(read(ROOT / "README.md")))
    assert found and found <= set(FIGURE.findall(read(ROOT / "docs" / "experiments.md")))


def test_every_result_is_listed_with_its_command():
    section = read(ROOT / "docs" / "experiments.md").partition("## Every result, and its command")[
        2
    ]
    section = section.partition("\n## ")[0]
    listed = set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE))
    results = {path.name for path in (ROOT / "experiments" / "results").iterdir() if path.is_dir()}
    assert listed == results


def find_module(name):
    """Whether a module can be imported, without importing what it does."""
    parts = name.split(".")
    if parts[0] in ("cagic_tf", "experiments"):
        path = ROOT.joinpath(*parts)
        return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()
    return importlib.util.find_spec(parts[0]) is not None


def defined(source):
    """Names that a module has at its top level."""
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)


@pytest.mark.parametrize("page", GUIDES, ids=names(GUIDES))
def test_examples_are_python_and_import_what_exists(page):
    for block in re.findall(r"^```python\n(.*?)^```", read(page), re.MULTILINE | re.DOTALL):
        # `...` on a line of its own stands for entries of a dictionary that are not shown.
        tree = ast.parse(re.sub(r"^    \.\.\.,?$", "", block, flags=re.MULTILINE))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    assert imports(node.module, alias.name), (node.module, alias.name)
            elif isinstance(node, ast.Import):
                assert all(find_module(alias.name) for alias in node.names)


def imports(module, name):
    """Whether `from module import name` would find it."""
    if find_module(f"{module}.{name}"):
        return True
    path = ROOT.joinpath(*module.split("."))
    path = path.with_suffix(".py") if path.with_suffix(".py").is_file() else path / "__init__.py"
    if module.split(".")[0] in ("cagic_tf", "experiments"):
        return path.is_file() and name in defined(read(path))
    return name in vars(importlib.import_module(module))


def test_what_is_wrong_is_found():
    long = "a word " * 20
    assert too_long(f"short\n{long}\n") == [2]
    assert not too_long("x" * 200)
    assert list(repository_paths("`cagic_tf/none.py` and `gin/NAME.gin`")) == ["cagic_tf/none.py"]
    assert anchors("# Where it is: Sec. 3.3\n") == {"where-it-is-sec-33"}
    assert not find_module("experiments.none") and find_module("experiments.table1")
    assert not imports("cagic_tf.method.losses", "None_") and imports("dataclasses", "field")
    assert prose("a\n\n    code\n\nb\n```\ncode\n```\nc\n").split() == ["a", "b", "c"]
