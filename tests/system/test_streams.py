"""Printing decides nothing: readers that go away, streams that are closed, odd encodings."""

import os
import subprocess
import sys

import pytest

START = "import os, sys; from cagic_tf.system import streams; streams.protect()\n"


def python(code, shell='exec "$@"', **variables):
    """Runs code after `protect`, started by a shell as users do it."""
    command = ["sh", "-c", shell, "sh", sys.executable, "-c", START + code]
    environment = {**os.environ, **variables}
    return subprocess.run(command, capture_output=True, env=environment, timeout=600)


MUCH = """
for number in range(100_000):
    print(number)
print("to the end", file=sys.stderr)
sys.exit(7)
"""


def test_a_reader_that_goes_away_is_no_error():
    done = python(MUCH, shell='{ "$@"; echo $? >&2; } | head -n 2')
    assert (done.stdout, done.stderr) == (b"0\n1\n", b"to the end\n7\n")


def test_a_full_disk_below_the_log_is_no_error():
    if not os.path.exists("/dev/full"):
        pytest.skip("needs /dev/full")
    done = python(MUCH, shell='exec "$@" > /dev/full')
    assert (done.returncode, done.stderr) == (7, b"to the end\n")


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_files_do_not_get_what_is_printed(closed, tmp_path):
    path = tmp_path / "file"
    code = f"""
file = open({str(path)!r}, "wb", 0)
print("printed", flush=True)
print("an error", file=sys.stderr)
os.write(1, b"from C")
os.write(2, b"from C")
file.write(b"mine")
sys.exit(7)
"""
    done = python(code, shell=f'exec "$@" {closed}')
    assert (done.returncode, path.read_bytes()) == (7, b"mine")
    assert done.stdout == (b"" if " >&-" in f" {closed}" else b"printed\nfrom C")
    assert done.stderr == (b"" if "2>&-" in closed else b"an error\nfrom C")


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [
        ("ascii", rb"caf\xe9 \u2026 \udcff"),
        ("latin-1", b"caf\xe9 \\u2026 \\udcff"),
        ("utf-8", b"caf\xc3\xa9 \xe2\x80\xa6 \\udcff"),
    ],
)
def test_letters_that_an_encoding_lacks_are_escapes(encoding, shown):
    code = "for file in (sys.stdout, sys.stderr): print('caf\\xe9 \\u2026 \\udcff', file=file)"
    done = python(code, PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stdout, done.stderr) == (0, shown + b"\n", shown + b"\n")


def test_a_pipe_that_another_has_made_non_blocking_gets_everything():
    code = "os.set_blocking(1, False)\nprint('x' * 1_000_000)"
    done = python(code, shell='"$@" | { sleep 1; cat; }')
    assert (done.returncode, done.stdout, done.stderr) == (0, b"x" * 1_000_000 + b"\n", b"")


def test_a_stream_of_the_host_stays():
    code = """
import io
sys.stdout = host = io.StringIO()
streams.protect()
assert sys.stdout is host
"""
    assert python(code).returncode == 0
