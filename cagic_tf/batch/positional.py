"""What stands on the command line beside flags: `cagic photo.jpg "a dog on the grass"`."""

import glob
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from absl import flags

FLAGS = flags.FLAGS
_EXAMPLE = 'cagic photo.jpg "a dog on the grass"'


def take(arguments: Sequence[str]) -> str:
    """Puts a photo, a pattern or a folder, and a caption, into the flags that they stand for.

    Args:
      arguments: What the command line has beside flags.

    Returns:
      What is wrong with them, as a sentence for people; "" if nothing is.
    """
    named = [value for value in (FLAGS.image, FLAGS.images) if value is not None]
    photos = [each for each in [*named, *arguments] if Path(each).is_file()]
    if len(photos) > 1:
        return (
            f"{len(photos)} photos are named, as a shell makes them of a pattern; put it in "
            f"quotes: --images={shlex.quote(_pattern(photos))}"
        )
    words = list(arguments)
    if words and not named and FLAGS.manifest is None:
        _take_photo(words.pop(0))
    if len(words) > 1:
        return f"unexpected arguments {words}; a caption of several words is in quotes: {_EXAMPLE}"
    if words and FLAGS.caption is not None:
        return f"unexpected argument {words[0]!r}: --caption is given"
    if words:
        FLAGS["caption"].value = words[0]
    return ""


def _take_photo(name: str) -> None:
    path = Path(os.path.expanduser(name))
    if path.is_dir() or (glob.has_magic(name) and not path.exists()):
        FLAGS["images"].value = name
    else:
        FLAGS["image"].value = name


def _pattern(paths: Sequence[str]) -> str:
    """A pattern that these paths, and perhaps others, match."""
    start = os.path.commonprefix(list(paths))
    end = os.path.commonprefix([path[len(start) :][::-1] for path in paths])[::-1]
    return f"{start}*{end}"
