"""What the grounder learns from: pictures with descriptions, and the box that each one means.

A scene is a photo of Flickr30k Entities, or a window of it, mirrored or not; or four photos side by
side, as the paper's mosaics are. Its descriptions are phrases, parts of sentences and whole
sentences; a whole sentence of one of four photos means that photo.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from cagic_tf.method import vocabulary
from cagic_tf.networks import grounder
from cagic_tf.networks.trunks.lite0 import Lite0
from experiments.data import entities, flickr8k
from experiments.training import photo_grids, regions
from experiments.training.photo_grids import Grids

WINDOW = (0.6, 1.0)  # Sides of a window, as fractions of the photo's.
VISIBLE = 0.8  # Share of a box that a window has to show, if the description is to stay.
SENTENCES = 5  # Of a photo at most; where there are fewer, those are counted round.
TILES = 4  # Photos of a mosaic.
OF_A_TILE = 3  # Descriptions of each photo of a mosaic; the first is a whole sentence.
_SIDES = frozenset(("left", "right"))

Said = tuple[tuple[str, entities.Corners], ...]


class Tile(NamedTuple):
    """A photo as a scene shows it.

    Attributes:
      name: Its file name.
      mirrored: Whether it is mirrored left to right before anything else.
      window: `(x0, y0, x1, y1)`, what is shown of it, as fractions of the sides.
    """

    name: str
    mirrored: bool
    window: entities.Corners


class Scene(NamedTuple):
    """A picture and what is said of it.

    Attributes:
      tiles: One photo, or four, the upper ones first.
      said: Descriptions, each with corners `(x0, y0, x1, y1)` as fractions of the picture's sides.
    """

    tiles: tuple[Tile, ...]
    said: Said


def descriptions(photo: entities.AnnotatedPhoto, sentence: int) -> Said:
    """Phrases and parts of sentences of a usable size, and a whole sentence with all its boxes.

    Args:
      photo: The photo.
      sentence: The number of the sentence, whose boxes may be as large as they are; behind the last
        one the first follows.
    """
    found = {each.text: each.corners for each in (*entities.parts(photo), *entities.phrases(photo))}
    whole = photo.sentences[sentence % len(photo.sentences)]
    numbers = sorted({phrase.number for phrase in whole.phrases} & photo.boxes.keys())
    if numbers:
        found[whole.text] = entities.union([box for each in numbers for box in photo.boxes[each]])
    return tuple(found.items())


def single(photo: entities.AnnotatedPhoto, rng: np.random.Generator | None) -> Scene:
    """A photo as it is, or with a generator a window of it, mirrored once in two."""
    if rng is None:
        return Scene((Tile(photo.name, False, (0, 0, 1, 1)),), descriptions(photo, 0))
    mirrored = bool(rng.random() < 0.5)
    sides = rng.uniform(*WINDOW, 2)
    x0, y0 = rng.uniform(0, 1 - sides)
    tile = Tile(photo.name, mirrored, (x0, y0, x0 + sides[0], y0 + sides[1]))
    return Scene((tile,), _seen(descriptions(photo, int(rng.integers(SENTENCES))), tile))


def mosaic(photos: Sequence[entities.AnnotatedPhoto], rng: np.random.Generator) -> Scene:
    """Four photos side by side, some of them mirrored."""
    tiles, said = [], []
    for number, photo in enumerate(photos):
        tile = Tile(photo.name, bool(rng.random() < 0.5), (0, 0, 1, 1))
        x, y = (number % 2) / 2, (number // 2) / 2
        drawn_sentence = int(rng.integers(len(photo.sentences)))
        sentence = photo.sentences[drawn_sentence].text
        own = _seen(((sentence, (0, 0, 1, 1)),), tile)
        every = _seen(descriptions(photo, drawn_sentence), tile)
        chosen = rng.permutation(len(every))[: OF_A_TILE - 1]
        for text, corners in (*own, *(every[at] for at in chosen if every[at][0] != sentence)):
            x0, y0, x1, y1 = (end / 2 for end in corners)
            said.append((text, (x + x0, y + y0, x + x1, y + y1)))
        tiles.append(tile)
    return Scene(tuple(tiles), tuple(said))


def _seen(said: Said, tile: Tile) -> Said:
    """The descriptions of a photo that still hold of a tile, with their boxes there."""
    found = []
    left, top, right, bottom = tile.window
    for text, (x0, y0, x1, y1) in said:
        if tile.mirrored:
            if _SIDES.intersection(vocabulary.tokenize(text)):
                continue  # Mirrored, its left is right.
            x0, x1 = 1 - x1, 1 - x0
        box = max(x0, left), max(y0, top), min(x1, right), min(y1, bottom)
        if box[2] <= box[0] or box[3] <= box[1]:
            continue
        if entities.area(box) >= VISIBLE * entities.area((x0, y0, x1, y1)):
            width, height = right - left, bottom - top
            found.append((text, (
                (box[0] - left) / width, (box[1] - top) / height,
                (box[2] - left) / width, (box[3] - top) / height,
            )))  # fmt: skip
    return tuple(found)


def drawn(
    photos: Sequence[entities.AnnotatedPhoto], windows: int, mosaics: int, seed: int
) -> list[Scene]:
    """Each photo as it is and in so many windows, and so many mosaics of them."""
    found = [single(photo, None) for photo in photos]
    for view in range(windows):
        found += [
            single(photo, np.random.default_rng([seed, view, number]))
            for number, photo in enumerate(photos)
        ]
    rng = np.random.default_rng([seed, windows])
    for _ in range(mosaics):
        chosen = rng.choice(len(photos), TILES, replace=False)
        found.append(mosaic([photos[number] for number in chosen], rng))
    return [scene for scene in found if scene.said]


def picture(data_dir: Path, entities_dir: Path, scene: Scene) -> np.ndarray:
    """A scene `[H, W, 3]` uint8: a photo's window, or four squares."""
    shown = []
    for tile in scene.tiles:
        photo = regions.read_photo(data_dir, entities_dir, tile.name)
        photo = photo[:, ::-1] if tile.mirrored else photo
        height, width, _ = photo.shape
        x0, y0, x1, y1 = (
            round(end * side) for end, side in zip(tile.window, (width, height) * 2, strict=True)
        )
        shown.append(np.ascontiguousarray(photo[y0:y1, x0:x1]))
    if len(shown) == 1:
        return shown[0]
    square = (flickr8k.SIDE, flickr8k.SIDE)
    upper_left, upper_right, lower_left, lower_right = (
        np.asarray(Image.fromarray(each).resize(square, Image.Resampling.BILINEAR))
        for each in shown
    )
    rows = (
        np.concatenate([upper_left, upper_right], 1),
        np.concatenate([lower_left, lower_right], 1),
    )
    return np.concatenate(rows)


def grids(
    work_dir: Path, data_dir: Path, entities_dir: Path, scenes: Sequence[Scene], trunk: Lite0
) -> Grids:
    """The trunk's grids of scenes, computed and saved first where they are not yet.

    A run that is stopped goes on after the last part that it finished.

    Raises:
      CheckpointError: What is kept is of another trunk or of other photos.
    """

    def shown(scene: Scene) -> np.ndarray:
        return grounder.picture(picture(data_dir, entities_dir, scene))

    def kept_at(own: Sequence[Scene]) -> Path:
        return work_dir / f"scenes_{photo_grids.digest([scene.tiles for scene in own])}.npy"

    return photo_grids.in_parts(scenes, grounder.view(trunk), shown, kept_at)
