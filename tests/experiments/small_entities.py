"""Flickr30k Entities of `small_flickr8k`'s photos: a person and a dog in each."""

from tests.experiments import small_flickr8k

SENTENCE = "[/EN#1/people A man] walks [/EN#2/animals a dog] ."
PERSON, DOG = (0.1, 0.2, 0.4, 0.8), (0.5, 0.5, 0.9, 0.9)
SIZE = 100


def write(folder):
    """Writes the annotations into a folder, and returns the folder."""
    for part in ("Sentences", "Annotations"):
        (folder / part).mkdir(parents=True)
    objects = "".join(
        f"<object><name>{number}</name><bndbox>{_ends(box)}</bndbox></object>"
        for number, box in enumerate((PERSON, DOG), 1)
    )
    size = f"<size><width>{SIZE}</width><height>{SIZE}</height></size>"
    for name in small_flickr8k.NAMES:
        identity = name.partition(".")[0]
        (folder / f"Sentences/{identity}.txt").write_text(SENTENCE + "\n", encoding="utf-8")
        text = f"<annotation>{size}{objects}</annotation>"
        (folder / f"Annotations/{identity}.xml").write_text(text, encoding="utf-8")
    return folder


def _ends(box):
    """Pixels count from 1, ends included."""
    x0, y0, x1, y1 = (round(end * SIZE) for end in box)
    named = {"xmin": x0 + 1, "ymin": y0 + 1, "xmax": x1, "ymax": y1}
    return "".join(f"<{name}>{value}</{name}>" for name, value in named.items())
