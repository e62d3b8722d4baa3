"""Runs a command: `--help` in a useful order, a mistake in one line, no traceback after Ctrl-C."""

import functools
import os
import re
import signal
import sys
from collections.abc import Callable, Mapping
from typing import NoReturn

from absl import app, flags, logging

from cagic_tf import __version__
from cagic_tf.system import streams

FLAGS = flags.FLAGS
_HELP = {"--help", "-help", "--helpshort", "-h", "-?"}
_INTERRUPTED = 130  # As shells have it.


def run(main: Callable[[list[str]], int], usage: str, groups: Mapping[str, str]) -> None:
    """Runs a command and ends the process with its exit status.

    Args:
      main: The command; takes its name and what the command line has beside flags.
      usage: What `--help` says before the flags.
      groups: A heading to the names of its flags, with spaces between them, as `--help` has them.
    """
    streams.protect()
    try:
        app.run(main, flags_parser=functools.partial(_parse, usage=usage, groups=groups))
    except KeyboardInterrupt:
        stop()


def stop() -> NoReturn:
    """Ends the process after Ctrl-C, with one line.

    At once: libraries' threads are at work, and what Python does at its end can crash with them.
    Whatever is on the disk is whole at any moment.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A second one would break into this.
    print("stopped; the same command goes on where this one ended", file=sys.stderr)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(_INTERRUPTED)


def _parse(arguments: list[str], usage: str, groups: Mapping[str, str]) -> list[str]:
    """What is left of the command line without its flags, which are in FLAGS from now on."""
    asked = set(arguments[1:])
    if _HELP & asked:
        print(help_text(usage, groups))
        sys.exit(0)
    if {"--helpfull", "-helpfull"} & asked:  # absl's own ends with 1.
        print(f"{usage.strip()}\n\n{FLAGS.get_help()}")
        sys.exit(0)
    if {"--version", "-V"} & asked:
        print(f"cagic {__version__}")
        sys.exit(0)
    FLAGS.set_gnu_getopt(True)  # Flags may stand behind the photo, too.
    # Of libraries' messages; --verbosity comes later and wins.
    logging.set_verbosity(logging.ERROR)
    try:
        return FLAGS(arguments)
    except flags.Error as error:
        print(f"error: {_plain(error)}; --help lists the flags", file=sys.stderr)
        sys.exit(1)


def _plain(error: flags.Error) -> str:
    """What absl and Python say of a flag, in one line and in words for people."""
    text = " ".join(str(error).split()).rstrip(".?! ")
    text = text.replace(". Did you mean: ", "; did you mean ")
    text = re.sub(r"invalid literal for int\(\) with base 10: (.*)", r"\1 is no whole number", text)
    return re.sub(r"could not convert string to float: (.*)", r"\1 is no number", text)


def help_text(usage: str, groups: Mapping[str, str]) -> str:
    """What `--help` prints."""
    parts = [usage.strip()]
    for heading, names in groups.items():
        parts.append(heading + ":\n" + "\n".join(_describe(FLAGS[name]) for name in names.split()))
    parts.append("--version says which one this is; --helpfull has the libraries' flags as well.")
    return "\n\n".join(parts)


def _describe(flag: flags.Flag) -> str:
    name = f"--[no]{flag.name}" if flag.boolean else f"--{flag.name}"
    return f"  {name}\n{flags.text_wrap(sentences(flag), 88, indent='      ')}"


def sentences(flag: flags.Flag) -> str:
    """A flag's own text, without the values and the note on repeating that absl adds to it."""
    text = (flag.help or "").removesuffix(";\n    repeat this option to specify a list of values")
    return re.sub(r"^<[^>]*>: ", "", text)
