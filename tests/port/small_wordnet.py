"""A WordNet of a few synsets, written in its own format."""

import dataclasses

LICENCE = "  1 This software is provided as is  \n  2 \n  3 All rights reserved.  \n"
NAMES = {"n": "noun", "v": "verb"}
FRAMES = {"n": "", "v": " 01 + 02 00"}
NUMBERS = {"n": 1, "v": 2}


@dataclasses.dataclass(frozen=True)
class Sense:
    """A synset.

    Attributes:
      name: What others call it.
      file: Number of the lexicographer's file.
      words: Its words; how often each is tagged stands behind a colon.
      above: What it is a kind of, or with "@i" before the name, a thing of.
      part: "n" or "v".
      gloss: What it means.
      usage: Of what kind of speech it is.
    """

    name: str
    file: int
    words: str
    above: str = ""
    part: str = "n"
    gloss: str = ""
    usage: str = ""


def write(folder, senses, exceptions=None):
    """Writes the files, the senses of a word in their order.

    Args:
      folder: Where to.
      senses: All of them.
      exceptions: Lines of `noun.exc` and `verb.exc`.
    """
    places = {}
    for _ in range(2):  # The lines are as long whatever the numbers in them are.
        for part, name in NAMES.items():
            text = LICENCE
            for sense in (sense for sense in senses if sense.part == part):
                place, text = len(text), text + _line(sense, senses, places)
                places[sense.name] = place
            (folder / f"data.{name}").write_text(text)
    for part, name in NAMES.items():
        (folder / f"index.{name}").write_text(LICENCE + _index(part, senses, places))
        (folder / f"{name}.exc").write_text((exceptions or {}).get(name, ""))
    (folder / "cntlist.rev").write_text("".join(sorted(_counts(senses))))
    return folder


def _words(sense):
    return [
        (word, int(tags or 0)) for word, _, tags in (w.partition(":") for w in sense.words.split())
    ]


def _line(sense, senses, places):
    def pointer(symbol, name):
        part = next(each.part for each in senses if each.name == name)
        return f"{symbol} {places.get(name, 0):08d} {part} 0000"

    above = [part.partition("@i")[::2] for part in sense.above.split()]
    pointers = [pointer("@i", inst) if inst else pointer("@", name) for name, inst in above]
    pointers += [pointer("~", s.name) for s in senses if sense.name in s.above.split()]
    pointers += [pointer(";u", sense.usage)] if sense.usage else []
    number = senses.index(sense)
    words = " ".join(f"{word} {number:x}" for word, _ in _words(sense))
    start = f"{places.get(sense.name, 0):08d} {sense.file:02d} {sense.part}"
    counts = f"{len(_words(sense)):02x} {words} {len(pointers):03d}"
    return f"{' '.join([start, counts, *pointers])}{FRAMES[sense.part]} | {sense.gloss or 'x'}  \n"


def _index(part, senses, places):
    of = {}
    for sense in (sense for sense in senses if sense.part == part):
        for word, _ in _words(sense):
            of.setdefault(word.lower(), []).append(f"{places[sense.name]:08d}")
    return "".join(
        f"{word} {part} {len(found)} 0 {len(found)} 0 {' '.join(found)}  \n"
        for word, found in sorted(of.items())
    )


def _counts(senses):
    for number, sense in enumerate(senses):
        for word, tags in _words(sense):
            if tags:
                key = f"{word.lower()}%{NUMBERS[sense.part]}:{sense.file:02d}:{number:02d}::"
                yield f"{key} 1 {tags}\n"
