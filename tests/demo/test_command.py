"""`python -m cagic_tf.demo`: mistakes are told in a line, before anything is loaded."""

import subprocess
import sys

import pytest


def run(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "cagic_tf.demo", *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["photo.jpg"], "photos are given on the page"),
        (["--port=70000"], "65535"),
        (["--port=high"], "high"),
        (["--device=tpu"], "no device is named 'tpu'"),
        (["--prot=80"], "did you mean"),
    ],
)
def test_mistakes_are_one_line(arguments, words):
    found = run(*arguments)
    assert found.returncode == 1 and words in found.stderr and found.stdout == ""
    assert found.stderr.startswith("error: ") and found.stderr.count("\n") == 1


def test_without_gradio_the_command_says_what_to_install():
    code = (
        "import sys, runpy, importlib.util as u; find = u.find_spec; "
        "u.find_spec = lambda name, *a: None if name == 'gradio' else find(name, *a); "
        "sys.argv = ['demo']; runpy.run_module('cagic_tf.demo', run_name='__main__')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 1
    assert found.stderr == "error: the page needs Gradio: pip install 'cagic_tf[demo]'\n"


def test_help_has_all_flags():
    found = run("--help")
    assert found.returncode == 0
    assert all(f"--{name}\n" in found.stdout for name in ("host", "port", "device", "threads"))
