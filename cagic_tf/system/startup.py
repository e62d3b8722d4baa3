"""How our commands start: nothing is printed but their own lines.

For programs of our own only. Who imports `cagic_tf` as a library keeps all messages, and their
settings.
"""

import contextlib
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_LOUD = ("0", "1")  # Of TensorFlow's levels: who asks for information or warnings gets it all.
_REPEAT = "import sys; sys.stderr.write(sys.stdin.read())"


def quiet() -> None:
    """Imports TensorFlow, and mutes what libraries print beside exceptions.

    Call it before anything else imports TensorFlow. With TF_CPP_MIN_LOG_LEVEL=0 or 1 in the
    environment nothing is muted.
    """
    open_stderr()
    if os.environ.setdefault(LEVEL, "3") in _LOUD:
        return
    # Of photos that are large (`reading.MAX_PIXELS` is our limit) or have odd metadata.
    warnings.filterwarnings("ignore", module=r"PIL\.")
    for name in ("absl", "matplotlib", "tensorflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if "tensorflow" not in sys.modules:
        with _stderr_only_after_failure():
            import tensorflow  # noqa: F401


def open_stderr() -> None:
    """Where a program was started without standard error, what it writes there goes nowhere.

    As long as it has none, `print` writes to standard output instead, and libraries that write to
    it themselves end in an error; a file that is opened gets its descriptor and their lines.
    """
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")


@contextlib.contextmanager
def _stderr_only_after_failure() -> Iterator[None]:
    """What is written to standard error in here is seen only if this fails.

    TensorFlow 2.21 writes lines while it is imported before any setting is read, from C++. Another
    process keeps them, so that they are seen as well when an import ends the process at once, as
    on a processor that lacks instructions.
    """
    saved = _copy_of_stderr()
    if saved is None:
        yield
        return
    keeper = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _REPEAT],
        stdin=subprocess.PIPE,
        stderr=saved,
        start_new_session=True,  # Ctrl-C is not for it.
    )
    assert keeper.stdin is not None
    try:
        os.dup2(keeper.stdin.fileno(), 2)
        keeper.stdin.close()
        yield
        keeper.kill()
    except KeyboardInterrupt:  # No failure of the import.
        keeper.kill()
        raise
    finally:
        sys.stderr.flush()
        os.dup2(saved, 2)  # Closes the pipe: where it was not killed, the keeper repeats all now.
        os.close(saved)
        keeper.wait()


def _copy_of_stderr() -> int | None:
    """Another descriptor of standard error, flushed; None where the process has none."""
    sys.stderr.flush()
    try:
        return os.dup(2)
    except OSError:  # It is closed, and `sys.stderr` is another file, as in a daemon.
        return None
