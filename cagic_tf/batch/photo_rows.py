"""What to crop: rows from a folder of photos, with one caption or each with its own."""

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from cagic_tf.batch import manifest, photo_paths
from cagic_tf.photos import captions, reading
from cagic_tf.system import text_files

# Of the text beside photo.jpg: photo.txt or photo.jpg.txt; ".caption" is of tools for data sets.
_SIDECARS = (".txt", ".TXT", ".caption")


def from_pattern(
    pattern: str,
    caption: str | None,
    source: str | None = None,
    output_dir: Path | None = None,
    say: Callable[[str], object] = lambda line: None,
) -> list[manifest.Row]:
    """Rows of the photos that a pattern names, in the order of their paths.

    Args:
      pattern: Such as "photos/*.jpg"; "**" is any number of folders. See `photo_paths.find`.
      caption: The caption of all; None, without a source: none has one.
      source: Where each photo's own caption is: "sidecar" is photo.txt or photo.jpg.txt beside
        photo.jpg, "photo" what `captions.in_photo` finds in it. A row without one has a `problem`.
        None: `caption` is that of all.
      output_dir: Files in this folder are left out: they are crops.
      say: Is given a line that counts the files that are left out since they are no photos; those
        of captions are not among them.

    Returns:
      The rows, named after their paths below the pattern's first wildcard.

    Raises:
      manifest.ManifestError: The pattern names no photo.
    """
    base, paths = photo_paths.find(pattern)
    if output_dir:
        made = output_dir.resolve()
        paths = [path for path in paths if not path.resolve().is_relative_to(made)]
    photos = [path for path in paths if photo_paths.is_photo(path)]
    left_out = photo_paths.describe(_others(paths, photos, source))
    if not photos:
        raise manifest.ManifestError(
            f"no photo matches {pattern!r}; a pattern such as 'photos/*.jpg' is needed, and files "
            f"in the output folder are left out{'; it matches ' if left_out else ''}{left_out}"
        )
    if left_out:
        say(f"left out {left_out}")
    rows = []
    for path, name in zip(photos, _names([path.relative_to(base) for path in photos]), strict=True):
        own, problem = _own_caption(path, source) if source else (caption, "")
        rows.append(manifest.Row(name, manifest.printable(path), path, own, problem=problem))
    return rows


def _others(paths: list[Path], photos: list[Path], source: str | None) -> list[Path]:
    """The paths that are neither photos nor their captions."""
    known = set(photos)
    described = known.union(path.with_suffix("") for path in photos) if source == "sidecar" else ()
    return [
        path
        for path in paths
        if path not in known
        and not (path.suffix in _SIDECARS and path.with_suffix("") in described)
    ]


def _names(paths: list[Path]) -> list[str]:
    """An id for each path, its own also among those that other signs or endings tell apart."""
    names = [manifest.safe_name(manifest.printable(path.with_suffix(""))) for path in paths]
    shared = Counter(names)
    for place, (path, name) in enumerate(zip(paths, names, strict=True)):
        if shared[name] > 1 or name == manifest.NAMELESS:
            names[place] = manifest.told_apart(name, os.fsencode(path))
    return names


def _own_caption(path: Path, source: str | None) -> tuple[str, str]:
    """A photo's own caption, and what is wrong where there is none."""
    if source == "photo":
        try:
            own, place = captions.in_photo(path), "person's caption in its IPTC, XMP or EXIF"
        except reading.ImageError as error:
            return "", str(error)
    else:
        own, beside = "", _beside(path)
        place = "text in " + " or ".join(dict.fromkeys(file.name for file in beside[:2]))
        for file in (file for file in beside if not own and file.is_file()):
            try:
                own = " ".join(text_files.decoded(file.read_bytes()).split())
            except (OSError, ValueError) as error:
                return "", f"cannot read the caption of {path} in {file.name}: {error}"
    return own, "" if own else f"no caption for {path}: there is no {place}"


def _beside(path: Path) -> list[Path]:
    """Where a photo's caption may be, in the order in which they count."""
    names = [(path.with_suffix(end), path.with_name(path.name + end)) for end in _SIDECARS]
    return [file for both in names for file in both]
