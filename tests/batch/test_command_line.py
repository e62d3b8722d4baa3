"""`--help`, mistakes in flags and Ctrl-C, with the flags of the commands themselves."""

import re
import signal
import subprocess
import sys

import pytest
from absl import flags

import cagic_tf
from cagic_tf import distributed, run
from cagic_tf.batch import command_flags, command_line

COMMANDS = {"run": command_flags.GROUPS, "distributed": distributed.GROUPS}
OF = {"run": [command_flags, run.devices], "distributed": [distributed]}


def command(*arguments, module="run"):
    name = f"cagic_tf.{module}" if module else "cagic_tf"
    args = [sys.executable, "-m", name, *arguments]
    return subprocess.run(args, capture_output=True, text=True, timeout=1800)


@pytest.mark.parametrize("module", COMMANDS)
def test_help_has_every_flag_once_in_groups(module):
    names = " ".join(COMMANDS[module].values()).split()
    assert len(names) == len(set(names))
    defined = flags.FLAGS.flags_by_module_dict()
    for each in OF[module]:
        assert {flag.name for flag in defined[each.__name__]} <= set(names)
    text = command_line.help_text("Usage.", COMMANDS[module])
    shown = re.findall(r"^  --(?:\[no\])?(\w+)$", text, re.MULTILINE)
    assert shown == names
    assert all(f"\n{heading}:\n" in text for heading in COMMANDS[module])
    assert max(map(len, text.splitlines())) < 100


@pytest.mark.parametrize("name", " ".join(distributed.GROUPS.values()).split())
def test_flags_are_described_in_sentences_with_their_default(name):
    flag = flags.FLAGS[name]
    text = command_line.sentences(flag)
    assert text[0].isupper() and text.endswith(".") and len(text.split()) > 3
    if flag.default not in (None, False, []):
        default = flag.default[0] if isinstance(flag.default, list) else str(flag.default)
        said = re.compile(
            rf"by default\W.*{re.escape(default)}|{re.escape(default)} \(the default", re.I
        )
        assert said.search(text)
    for value in getattr(flag.parser, "enum_values", ()):
        assert value in text


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_starts_with_examples_and_exits_well(flag):
    done = command("--caption=a", flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Crops photos to captions") and "--image\n" in done.stdout
    assert done.stdout.index("--image\n") < done.stdout.index("--caption\n")


@pytest.mark.parametrize(
    ("flag", "message"),
    [
        ("--captoin=a", "captoin"),
        ("--candidates=0", "candidates"),
        ("--quality=abc", "'abc' is no whole number;"),
        ("--otput_dir=a", "did you mean output_dir;"),
        ("--format=bmp", "format"),
        ("--threads=99999", "threads"),
    ],
)
def test_a_wrong_flag_is_one_line(flag, message):
    done = command(flag)
    assert done.returncode == 1 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr and done.stderr.endswith("; --help lists the flags\n")


@pytest.mark.parametrize("module", ["", "run", "distributed"])
@pytest.mark.parametrize("flag", ["--version", "-h", "--help", "--helpfull"])
def test_questions_are_answered_and_end_well(flag, module):
    done = command("photo.jpg", flag, module=module)
    assert (done.returncode, done.stderr) == (0, "")
    expected = f"cagic {cagic_tf.__version__}\n" if flag == "--version" else "Crops photos "
    assert done.stdout.startswith(expected)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jpg", "dog", "--shard=5/4"], "the shard is '5/4'"),
        (["a.jpg", "dog", "--name=x"], "crops cannot be named 'x'"),
        (["a.jpg", "dog", "--device=tpu"], "no device is named 'tpu'"),
        (["a.jpg", "dog", "--gin_param=Cropper.sed=1"], "did you mean Cropper.seed?"),
        (["a.jpg", "dog", "--gin_file=fst.gin"], "did you mean fast.gin?"),
        (["a.jpg", "dog"], "no photo at a.jpg"),
        ([__file__, "dog", f"--output_dir={__file__}"], "is a file; a folder"),
        (["a.jpg", "dog", "--size=16:9"], "16:9 is no size in pixels, such as 1200x628"),
        (["a.jpg", "dog", "--gin_param=Cropper.seed=abc"], "'abc' is no value of Cropper.seed"),
        (["--manifest=none.csv"], "cannot read the manifest none.csv"),
        (["none/*.jpg", "dog"], "no photo matches 'none/*.jpg'"),
    ],
)
def test_mistakes_are_told_before_tensorflow_is_loaded(arguments, message, tmp_path):
    code = (
        "import sys; sys.modules['tensorflow'] = None  # No module imports it.\n"
        "from cagic_tf import run; run.command()"
    )
    args = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(args, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 1 and done.stdout == "" and list(tmp_path.iterdir()) == []
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert message in done.stderr


def test_without_standard_error_results_are_as_ever(tmp_path):
    """There is no bar, errors go nowhere, and no file gets what is written to descriptor 2."""
    code = f"""
import os, sys
from absl import flags
from cagic_tf.batch import command_line, manifest, records, report
def main(arguments):
    row = manifest.Row("a", "a.png", "a.png", "a dog")
    file = open({str(tmp_path / "file")!r}, "wb")
    with report.Report(2) as reporter:
        reporter.progress(0.5, "photo 1 of 2")
        reporter.result(1, row, records.Record("a", "a.png", "a dog", "error", "no luck"))
        reporter.result(2, row, records.Record("a", "a.png", "a dog", "ok", box=[1, 2, 3, 4]))
    print("error: nowhere", file=sys.stderr)
    os.write(2, b"from C++")
    return 2
command_line.run(main, "Usage.", {{}})
"""
    shell = ["sh", "-c", 'exec "$@" 2>&-', "sh", sys.executable, "-c", code]
    done = subprocess.run(shell, stdout=subprocess.PIPE, text=True)
    shown = ["[1/2] a.png: a dog", "  error: a: no luck"]
    shown += ["[2/2] a.png: a dog", "  a: box [1, 2, 3, 4]", "  the captioner sees: None"]
    assert done.returncode == 2 and done.stdout.splitlines() == shown
    assert (tmp_path / "file").read_bytes() == b""


CTRL_C = """
import atexit, os, signal
from cagic_tf.batch import command_line
# A shell lets what it starts in the background ignore it.
signal.signal(signal.SIGINT, signal.default_int_handler)
def press():
    os.kill(os.getpid(), signal.SIGINT)
"""


def test_ctrl_c_is_one_line():
    code = CTRL_C + (
        "def main(arguments): print(arguments[1:]); press()\n"
        "atexit.register(lambda: print('at the end'))\n"  # Where libraries crash.
        "command_line.run(main, 'Usage.', {})"
    )
    done = subprocess.run([sys.executable, "-c", code, "rest"], capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stdout == "['rest']\n"
    assert done.stderr == "stopped; the same command goes on where this one ended\n"


def test_ctrl_c_again_while_the_first_one_ends():
    """As by somebody who is impatient: threads are waited for, and that is broken into."""
    code = CTRL_C + (
        "def main(arguments):\n"
        "    try: press()\n"
        "    finally: press()\n"
        "command_line.run(main, 'Usage.', {})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 128 + signal.SIGINT
    assert done.stderr == "stopped; the same command goes on where this one ended\n"
