"""What our commands print when they start: nothing but their own lines, and no failure is lost."""

import subprocess
import sys

import pytest

WRITES = "import os, sys; os.write(2, b'from C++ '); print('from Python', file=sys.stderr)\n"
FAILING = {
    "exception": ("raise ImportError('no such library')", "ImportError: no such library"),
    "abort": ("os.abort()", ""),
}


def python(tmp_path, code, **variables):
    """Runs code with a module `tensorflow` that lies in `tmp_path`."""
    environment = {"PYTHONPATH": f"{tmp_path}:{':'.join(sys.path)}", "PATH": "", **variables}
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=1800)


QUIET = "from cagic_tf.system import startup; startup.quiet(); import os; "
QUIET += "os.write(2, b'afterwards '); print(os.environ['TF_CPP_MIN_LOG_LEVEL'])"


@pytest.mark.parametrize(
    ("variables", "level", "shown"),
    [
        ({}, "3", "afterwards "),
        ({"TF_CPP_MIN_LOG_LEVEL": "2"}, "2", "afterwards "),
        ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "0", "afterwards "),  # Not imported by us.
    ],
)
def test_lines_of_the_import_are_gone(variables, level, shown, tmp_path):
    (tmp_path / "tensorflow.py").write_text(WRITES)
    done = python(tmp_path, QUIET, **variables)
    assert (done.returncode, done.stdout, done.stderr) == (0, level + "\n", shown)


@pytest.mark.parametrize("how", FAILING)
def test_lines_of_an_import_that_fails_are_shown(how, tmp_path):
    """Also of one that ends the process, as on a processor that lacks instructions."""
    code, message = FAILING[how]
    (tmp_path / "tensorflow.py").write_text(WRITES + code)
    done = python(tmp_path, QUIET)
    assert done.returncode != 0
    assert "from C++ from Python\n" in done.stderr and message in done.stderr


def test_messages_that_users_cannot_help_are_muted(tmp_path):
    (tmp_path / "tensorflow.py").write_text("")
    code = """
import logging, sys, warnings
from cagic_tf.system import startup
startup.quiet()
logging.getLogger("matplotlib.font_manager").warning("generated new fontManager")
logging.getLogger("tensorflow").warning("retracing")
warnings.warn_explicit("corrupt EXIF data", UserWarning, "t.py", 1, "PIL.TiffImagePlugin")
warnings.warn_explicit("what a user does wrong", UserWarning, "host.py", 1, "host")
logging.getLogger("host").warning("of the host")
logging.getLogger("matplotlib").error("a real error")
"""
    done = python(tmp_path, code)
    assert done.returncode == 0, done.stderr
    seen = ["what a user does wrong", "of the host", "a real error"]
    assert [text in done.stderr for text in seen] == [True] * 3
    assert not any(text in done.stderr for text in ("fontManager", "retracing", "EXIF"))


@pytest.mark.parametrize("replaced", ["None", "log"])  # As daemons do it.
def test_the_import_works_where_there_is_no_standard_error(tmp_path, replaced):
    (tmp_path / "tensorflow.py").write_text("")
    code = f"""
import os, sys
log = open({str(tmp_path / "log")!r}, "w")
os.close(2)
sys.stderr = {replaced}
from cagic_tf.system import startup
startup.quiet()
print("tensorflow" in sys.modules)
"""
    done = python(tmp_path, code)
    assert (done.returncode, done.stdout, done.stderr) == (0, "True\n", "")
