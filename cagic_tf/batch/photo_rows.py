"""What to crop: rows from a folder of photos, with one caption or each with its own."""

import glob
import hashlib
import itertools
import os
from collections import Counter
from pathlib import Path

from cagic_tf.batch import manifest
from cagic_tf.photos import reading


def from_pattern(
    pattern: str, caption: str | None, source: str | None = None, output_dir: Path | None = None
) -> list[manifest.Row]:
    """Rows of the photos that a pattern names, in the order of their paths.

    Args:
      pattern: Such as "photos/*.jpg"; "**" is any number of folders.
      caption: The caption of all; None, without a source: none has one.
      source: Where each photo's own caption is: "sidecar" is photo.txt or photo.jpg.txt beside
        photo.jpg, "photo" the photo's EXIF ImageDescription or IPTC caption. A row without one has
        a `problem`. None: `caption` is that of all.
      output_dir: Files in this folder are left out: they are crops.

    Returns:
      The rows, named after their paths below the pattern's first wildcard.

    Raises:
      manifest.ManifestError: The pattern names no file.
    """
    paths = [Path(found) for found in sorted(glob.glob(pattern, recursive=True))]
    if not paths and Path(pattern).is_file():  # A name with brackets.
        paths = [Path(pattern)]
    base = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    base = base if base.is_dir() else base.parent
    paths = [
        path
        for path in paths
        if path.is_file()
        and not (source == "sidecar" and path.suffix.lower() == ".txt")
        and not (output_dir and path.resolve().is_relative_to(output_dir.resolve()))
    ]
    if not paths:
        raise manifest.ManifestError(
            f"no photo matches {pattern!r}; a pattern such as 'photos/*.jpg' is needed, and files "
            "in the output folder are left out"
        )
    rows = []
    for path, name in zip(paths, _names([path.relative_to(base) for path in paths]), strict=True):
        text, problem = _own_caption(path, source) if source else (caption, "")
        rows.append(manifest.Row(name, _text(path), path, text, problem=problem))
    return rows


def _names(paths: list[Path]) -> list[str]:
    """An id for each path, its own also among those that other letters or endings tell apart."""
    names = [manifest.safe_name(str(Path(_text(path)).with_suffix(""))) for path in paths]
    shared = Counter(names)
    for place, (path, name) in enumerate(zip(paths, names, strict=True)):
        if shared[name] > 1 or name == "row":  # "row" is what other scripts become.
            digest = hashlib.sha256(os.fsencode(path)).hexdigest()[:8]
            names[place] = f"{name[:71]}-{digest}"
    return names


def _text(path: Path) -> str:
    """A path that JSON can hold, whatever bytes it has."""
    return os.fsencode(path).decode("utf-8", "replace")


def _own_caption(path: Path, source: str | None) -> tuple[str, str]:
    """A photo's own caption, and what is wrong where there is none."""
    if source == "photo":
        try:
            text, place = reading.caption(path), "EXIF ImageDescription or IPTC caption in it"
        except reading.ImageError as error:
            return "", str(error)
    else:
        beside = [path.with_suffix(".txt"), path.with_name(path.name + ".txt")]
        place = f"text in {beside[0].name} or {beside[1].name}"
        try:
            texts = [file.read_text(encoding="utf-8-sig") for file in beside if file.is_file()]
        except (OSError, UnicodeDecodeError) as error:
            return "", f"cannot read the caption of {path}: {error}"
        text = " ".join(texts[0].split()) if texts else ""
    return text, "" if text else f"no caption for {path}: there is no {place}"
