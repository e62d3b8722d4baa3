"""Which photos a pattern names: each once, and nothing that is no photo."""

import glob
import itertools
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from cagic_tf.batch import records
from cagic_tf.photos import reading

# What such names hold is a photo, perhaps a damaged one; any other file is looked into.
_ENDINGS = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".tif", ".tiff", ".gif", ".bmp"),
    *(".avif", ".heic", ".heif", ".hif"),
)
_MOST_KINDS = 6  # Of files that are no photos, in a message.


def find(pattern: str) -> tuple[Path, list[Path]]:
    """The files that a pattern names, in the order of their paths.

    Args:
      pattern: Such as "photos/*.jpg", of which "A.JPG" is one as well; "~" is the home folder, "**"
        any number of folders. Folders that links lead to are among them, each once, but not those
        that hold the link. A folder alone stands for the files in it.

    Returns:
      The folder that the pattern begins with, up to its first wildcard, and the files.
    """
    whole = Path(os.path.expanduser(pattern))
    whole = whole / "*" if whole.is_dir() else whole
    parts = whole.parts
    wild = (at for at, part in enumerate(parts) if _is_wild(parts[:at], part))
    count = next(wild, len(parts))
    base = Path(*parts[: min(count, len(parts) - 1)])
    if count == len(parts):
        found = [whole]
    else:
        found = [base / name for name in _matching(base, [*parts[count:-1], _in_capitals(whole)])]
    return base, sorted(_each_once([path for path in found if path.is_file()]), key=str)


def _each_once(paths: Sequence[Path]) -> Iterator[Path]:
    """One path to each name in each folder: the one with the fewest links in it."""
    folders = {path.parent for path in paths}
    real = {folder: os.path.realpath(folder) for folder in folders}
    links = {
        folder: sum(part.is_symlink() for part in (folder, *folder.parents)) for folder in folders
    }
    seen: set[tuple[str, str]] = set()
    for path in sorted(paths, key=lambda path: (links[path.parent], str(path))):
        place = real[path.parent], path.name
        if place not in seen:
            seen.add(place)
            yield path


def _is_wild(before: Sequence[str], part: str) -> bool:
    """Whether a part of a pattern has wildcards; brackets may also be those of a name."""
    return glob.has_magic(part) and not os.path.lexists(os.path.join(*before, part))


def _in_capitals(pattern: Path) -> str:
    """A pattern's last part, whose ending, if it is a photo's, may be in capitals."""
    ending = pattern.suffix if pattern.suffix.lower() in _ENDINGS else ""
    letters = [f"[{c.lower()}{c.upper()}]" if c.isalpha() else c for c in ending]
    return pattern.name.removesuffix(ending) + "".join(letters)


def _matching(base: Path, parts: Sequence[str]) -> Iterator[str]:
    """Paths below a folder that the parts of a pattern name, relative to it."""
    if "**" not in parts:
        yield from glob.iglob(os.path.join(*parts), root_dir=base)
        return
    at = parts.index("**")
    before, after = parts[:at], parts[at + 1 :] or ("*",)
    tops = glob.iglob(os.path.join(*before), root_dir=base) if before else [""]
    for folder in itertools.chain.from_iterable(_folders(base / top) for top in tops):
        for name in _matching(folder, after):
            yield os.path.relpath(folder / name, base)


def _folders(top: Path) -> Iterator[Path]:
    """A folder and all below it but hidden ones, each once, by a link where nothing else leads."""
    seen: set[str] = set()
    links = [str(top)]
    for link in links:  # It grows meanwhile.
        for folder, names, _ in os.walk(link):
            real = os.path.realpath(folder)
            if real in seen:
                names.clear()
                continue
            seen.add(real)
            yield Path(folder)
            names[:] = sorted(name for name in names if not name.startswith("."))
            for path in (os.path.join(folder, name) for name in names):
                # What a link to a folder that holds it leads to was not asked for.
                if os.path.islink(path) and not f"{real}/".startswith(f"{os.path.realpath(path)}/"):
                    links.append(path)


def is_photo(path: Path) -> bool:
    """Whether a file is a photo by its name, or else by what it holds.

    A damaged photo is one. A file whose name begins with "._" holds what a Mac keeps of another.
    """
    if path.suffix.lower() in _ENDINGS and not path.name.startswith("._"):
        return True
    try:
        with reading.opened(path):
            return True
    except reading.ImageError:
        return False


def describe(left_out: Sequence[Path]) -> str:
    """How many files of which kinds are not read as photos, in a few words; "" for none.

    >>> describe([Path("a.json"), Path("b.json"), Path("README")])
    '3 files not read as photos: 2 .json, 1 without an ending'
    """
    if not left_out:
        return ""
    kinds = Counter(path.suffix.lower() or "without an ending" for path in left_out)
    shown = [f"{count} {kind}" for kind, count in kinds.most_common(_MOST_KINDS)]
    rest = len(left_out) - sum(count for _, count in kinds.most_common(_MOST_KINDS))
    if rest:
        shown.append(records.counted(rest, "other"))
    return f"{records.counted(len(left_out), 'file')} not read as photos: {', '.join(shown)}"
