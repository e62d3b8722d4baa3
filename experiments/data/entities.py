"""Flickr30k Entities: phrases of photos' captions, with people's boxes for them.

Plummer et al., ICCV 2015, https://github.com/BryanPlummer/flickr30k_entities: `Sentences/ID.txt`, a
caption a line with its phrases tagged `[/EN#NUMBER/TYPE the words]`, `Annotations/ID.xml`, the
boxes of each number, and `train.txt`, `val.txt` and `test.txt`, the photos of each split. The
photos come from Flickr30k's owners.

A *part of a sentence* is the words from one phrase's first to another's last, with the union of
their boxes: "a lady walking her dog".
"""

import collections
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from cagic_tf.method import vocabulary
from experiments.data.annotations import Annotation, Box, DataError

SMALLEST, LARGEST = 0.03, 0.6  # Fraction of the photo that a description's box may cover.
MOST_PHRASES = 3  # In a part of a sentence.
_TAG = re.compile(r"\[/EN#(\d+)((?:/[A-Za-z]+)+) ([^\]]+)\]")
# Where a file gives the type `other` to every phrase, words tell people from things.
_PEOPLE = frozenset(
    """
    man men woman women boy boys girl girls child children kid kids baby babies toddler
    toddlers infant person people lady ladies guy guys player players couple crowd group
    family friends adult adults teenager teenagers teen teens male female cyclist biker
    bikers rider riders skateboarder skier surfer snowboarder climber hiker hikers runner
    runners swimmer diver dancer dancers performer performers worker workers students
    student soldier soldiers athlete athletes goalie pitcher batter cheerleader cheerleaders
    bride groom mother father son daughter brother brothers sister sisters mom dad parent
    parents human humans gentleman gentlemen fan fans
    """.split()
)

Corners = tuple[float, float, float, float]


class Phrase(NamedTuple):
    """A tagged phrase.

    Attributes:
      text: Its words.
      number: Of the thing that it names; phrases of one thing share it.
      types: `people`, `clothing`, ...; here and there several.
      start: Index of its first character in the sentence.
      stop: Index after its last.
    """

    text: str
    number: str
    types: tuple[str, ...]
    start: int
    stop: int


class Sentence(NamedTuple):
    """A caption without its tags, and its phrases in order."""

    text: str
    phrases: tuple[Phrase, ...]


class AnnotatedPhoto(NamedTuple):
    """A photo's captions and boxes.

    Attributes:
      id: A photo's name before its first `_` or its ending, by which the official files go.
      name: File name of the photo.
      size: `(width, height)` in pixels to which the boxes in the file belong.
      sentences: Its captions.
      boxes: Number of a thing to its boxes, `(x0, y0, x1, y1)` as fractions of the photo's sides.
    """

    id: str
    name: str
    size: tuple[int, int]
    sentences: tuple[Sentence, ...]
    boxes: Mapping[str, tuple[Corners, ...]]


class Description(NamedTuple):
    """Words about a part of a photo, and the smallest box around all that they name.

    Attributes:
      text: The words.
      numbers: Of the things that they name.
      corners: `(x0, y0, x1, y1)` as fractions of the photo's sides.
    """

    text: str
    numbers: tuple[str, ...]
    corners: Corners


def descriptions(folder: Path, split: Path, kind: str) -> list[Annotation]:
    """The descriptions of a split's photos, an annotation each, with everybody's box.

    Their boxes are fractions of the photo's sides, since the size in the XML file need not be that
    of the photo at hand. A photo without annotations, or without a usable description, has none.

    Args:
      folder: See `read`.
      split: A text file with a photo's name a line, with or without `.jpg`.
      kind: One of `KINDS`.

    Raises:
      DataError: See `read`; the split cannot be read, or none of its photos is annotated.
    """
    try:
        lines = split.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot read the names of photos in {split}: {error}") from error
    stripped = (line.strip() for line in lines)
    names = (name if Path(name).suffix else f"{name}.jpg" for name in stripped if name)
    photos = list(read(folder, dict.fromkeys(names)))
    if not photos:
        raise DataError(f"{folder} has annotations of no photo that {split} names")
    return [
        Annotation(
            f"{photo.id}-{kind.removesuffix('s')}-{number}",
            photo.name,
            description.text,
            (_box(description.corners),),
            people=tuple(map(_box, dict.fromkeys(people(photo)))),
            in_fractions=True,
        )
        for photo in photos
        for number, description in enumerate(KINDS[kind](photo), 1)
    ]


def read(folder: Path, names: Iterable[str]) -> Iterator[AnnotatedPhoto]:
    """The annotated ones of some photos, by file name.

    Args:
      folder: Has `Sentences/` and `Annotations/`.
      names: File names of photos.

    Raises:
      DataError: The folder is no Flickr30k Entities, or a file in it is malformed.
    """
    for part in ("Sentences", "Annotations"):
        if not (folder / part).is_dir():
            raise DataError(f"{folder} has no folder {part}: it is no Flickr30k Entities")
    for name in names:
        identity = Path(name).stem.partition("_")[0]
        paths = folder / f"Sentences/{identity}.txt", folder / f"Annotations/{identity}.xml"
        if all(path.is_file() for path in paths):
            try:
                lines = paths[0].read_text(encoding="utf-8").splitlines()
            except (OSError, UnicodeDecodeError) as error:
                raise DataError(f"cannot read {paths[0]}: {error}") from error
            sentences = tuple(read_sentence(line) for line in lines if line.strip())
            size, boxes = read_boxes(paths[1])
            yield AnnotatedPhoto(identity, name, size, sentences, boxes)


def read_sentence(line: str) -> Sentence:
    """Takes a line such as `[/EN#1/people A man] with [/EN#2/other glasses] .` apart."""
    line, text, found, at = line.strip(), "", [], 0
    for tag in _TAG.finditer(line):
        text += line[at : tag.start()]
        number, types, words = tag.groups()
        kinds = tuple(types.strip("/").split("/"))
        found.append(Phrase(words, number, kinds, len(text), len(text) + len(words)))
        text, at = text + words, tag.end()
    return Sentence(text + line[at:], tuple(found))


def read_boxes(path: Path) -> tuple[tuple[int, int], dict[str, tuple[Corners, ...]]]:
    """Size and boxes of an XML file; its pixels count from 1, ends included.

    Objects that have no box, such as `<scene>` and `<nobndbox>`, are not among them.

    Raises:
      DataError: The file is no such XML.
    """
    found: dict[str, list[Corners]] = collections.defaultdict(list)
    try:
        root = ElementTree.parse(path).getroot()
        width, height = (_whole_number(root, f"size/{side}") for side in ("width", "height"))
        for thing in root.iter("object"):
            box = thing.find("bndbox")
            if box is None:
                continue
            x0, y0 = _whole_number(box, "xmin") - 1, _whole_number(box, "ymin") - 1
            x1, y1 = _whole_number(box, "xmax"), _whole_number(box, "ymax")
            corners = _clip(x0 / width), _clip(y0 / height), _clip(x1 / width), _clip(y1 / height)
            for name in thing.findall("name"):
                found[name.text or ""].append(corners)
    except (ElementTree.ParseError, ValueError, ZeroDivisionError) as error:
        raise DataError(f"{path} is no annotation of Flickr30k Entities: {error}") from error
    return (width, height), {number: tuple(boxes) for number, boxes in found.items()}


def _whole_number(element: ElementTree.Element, path: str) -> int:
    text = element.findtext(path)
    if text is None:
        raise ValueError(f"a {element.tag} has no {path}")
    return int(text)


def _clip(fraction: float) -> float:
    return min(max(fraction, 0.0), 1.0)


def union(boxes: Sequence[Corners]) -> Corners:
    """The smallest box around all."""
    x0, y0, x1, y1 = zip(*boxes, strict=True)
    return min(x0), min(y0), max(x1), max(y1)


def _box(corners: Corners) -> Box:
    """Corners as `(x, y, w, h)`."""
    return (*corners[:2], corners[2] - corners[0], corners[3] - corners[1])


def area(corners: Corners) -> float:
    """Fraction of the photo that a box covers."""
    return (corners[2] - corners[0]) * (corners[3] - corners[1])


def phrases(photo: AnnotatedPhoto) -> list[Description]:
    """The photo's phrases that have a box of a usable size and mean one thing alone."""
    found = (
        Description(phrase.text, (phrase.number,), union(photo.boxes[phrase.number]))
        for phrase in _boxed_phrases(photo)
    )
    return _usable(found, photo)


def parts(photo: AnnotatedPhoto) -> list[Description]:
    """The parts of the photo's sentences of two or three phrases, all with boxes, likewise."""
    found = []
    for sentence in photo.sentences:
        for first in range(len(sentence.phrases)):
            for count in range(2, MOST_PHRASES + 1):
                chosen = sentence.phrases[first : first + count]
                numbers = tuple(phrase.number for phrase in chosen)
                if len(chosen) == count and all(number in photo.boxes for number in numbers):
                    text = sentence.text[chosen[0].start : chosen[-1].stop]
                    box = union([box for number in numbers for box in photo.boxes[number]])
                    found.append(Description(text, numbers, box))
    return _usable(found, photo)


def people(photo: AnnotatedPhoto) -> list[Corners]:
    """Every box of a thing that a phrase calls a person or people."""
    every = [phrase for sentence in photo.sentences for phrase in sentence.phrases]
    untyped = all(phrase.types == ("other",) for phrase in every)
    numbers = {
        phrase.number
        for phrase in _boxed_phrases(photo)
        if "people" in phrase.types
        or (untyped and _PEOPLE.intersection(phrase.text.lower().split()))
    }
    return [box for number in sorted(numbers) for box in photo.boxes[number]]


# What a row of a manifest describes, as the command names it.
KINDS = {"phrases": phrases, "parts": parts}


def _boxed_phrases(photo: AnnotatedPhoto) -> list[Phrase]:
    every = (phrase for sentence in photo.sentences for phrase in sentence.phrases)
    return [phrase for phrase in every if phrase.number in photo.boxes]


def _usable(found: Iterable[Description], photo: AnnotatedPhoto) -> list[Description]:
    """Descriptions of a usable size, each text once, that fit nothing else in the photo.

    "A dog" fits something else where "a black dog" has another box.
    """
    named = [
        (_content(phrase.text), union(photo.boxes[phrase.number]))
        for phrase in _boxed_phrases(photo)
    ]
    kept: dict[str, Description] = {}
    for description in found:
        words, box = _content(description.text), description.corners
        fits_another = any(words <= other and box != their_box for other, their_box in named)
        if words and not fits_another and SMALLEST <= area(box) <= LARGEST:
            kept.setdefault(description.text.lower(), description)
    return list(kept.values())


def _content(text: str) -> frozenset[str]:
    return frozenset(vocabulary.tokenize(text)) - vocabulary.STOP_WORDS
