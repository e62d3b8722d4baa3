"""What the grounder is trained on: which box each description means, and what a scene shows."""

import numpy as np
import pytest
from PIL import Image

from cagic_tf.networks import checkpoints, grounder
from cagic_tf.networks.trunks.lite0 import Lite0
from cagic_tf.system import resources
from experiments.data import entities
from experiments.training import grounding_scenes, regions
from experiments.training.grounding_scenes import Scene, Tile
from tests.experiments import small_entities, small_flickr8k

WHOLE = (0, 0, 1, 1)
DOG, BALL, MAN = (0.1, 0.2, 0.3, 0.6), (0.6, 0.5, 0.9, 0.9), (0.0, 0.1, 0.5, 1.0)
HATS = (0.2, 0.1, 0.3, 0.15), (0.6, 0.1, 0.65, 0.12)
SENTENCES = (
    "[/EN#1/animals A dog] chases [/EN#2/other a ball] .",
    "[/EN#3/people A man] in [/EN#4/clothing hats] on the left .",
    "Nothing is named .",
    "[/EN#9/scene A street] .",  # Without a box.
)


def photo(name="1.png", sentences=SENTENCES, **boxes):
    boxes = boxes or {"1": (DOG,), "2": (BALL,), "3": (MAN,), "4": HATS}
    parsed = tuple(map(entities.read_sentence, sentences))
    return entities.AnnotatedPhoto(name.partition(".")[0], name, (100, 100), parsed, boxes)


PHOTOS = [photo(f"{number}.png") for number in range(5)]
PHRASES = {
    "A dog chases a ball": (0.1, 0.2, 0.9, 0.9),
    "A man in hats": (0.0, 0.1, 0.65, 1.0),
    "A dog": DOG,
    "a ball": BALL,
    "A man": MAN,  # "hats" are too small, so they are no phrase of their own.
}
WHOLES = {  # By the sentence's number; the others have no box.
    0: ("A dog chases a ball .", (0.1, 0.2, 0.9, 0.9)),
    1: ("A man in hats on the left .", (0.0, 0.1, 0.65, 1.0)),
}
SAID = PHRASES | dict(WHOLES.values())


def flipped(box):
    return 1 - box[2], box[1], 1 - box[0], box[3]


def within(box, window):
    """A box in a window's own fractions, cut at its ends, and how much of it is seen."""
    low, high = np.maximum(box[:2], window[:2]), np.minimum(box[2:], window[2:])
    sides = np.subtract(window[2:], window[:2])
    seen = np.prod(np.maximum(high - low, 0)) / np.prod(np.subtract(box[2:], box[:2]))
    return np.concatenate([low - window[:2], high - window[:2]]) / np.tile(sides, 2), seen


def test_descriptions_by_hand():
    for number in range(9):  # Of four sentences the fifth is the first again.
        found = grounding_scenes.descriptions(photo(), number)
        expected = PHRASES | dict([WHOLES[number % 4]] if number % 4 in WHOLES else [])
        assert dict(found).keys() == expected.keys() and len(found) == len(expected)
        for text, box in found:
            assert box == pytest.approx(SAID[text])
    # Of 0.81 of the photo: too large for a phrase, not for a sentence.
    big = photo(**{"1": ((0, 0, 0.9, 0.9),)}, sentences=SENTENCES[:1])
    assert grounding_scenes.descriptions(big, 0) == (("A dog chases a ball .", (0, 0, 0.9, 0.9)),)
    # A sentence that is a phrase is said once.
    short = photo(sentences=("[/EN#1/animals A dog]", "[/EN#3/people A man] ."))
    assert grounding_scenes.descriptions(short, 0) == (("A dog", DOG), ("A man", MAN))


def test_a_photo_as_it_is():
    scene = grounding_scenes.single(photo(), None)
    assert scene == Scene((Tile("1.png", False, WHOLE),), grounding_scenes.descriptions(photo(), 0))


def test_windows_and_mirrored_ones():
    mirrored, left_out, wholes = 0, 0, set()
    for seed in range(60):
        scene = grounding_scenes.single(photo(), np.random.default_rng(seed))
        (tile,) = scene.tiles
        low, high = np.array(tile.window).reshape(2, 2)
        assert (low >= 0).all() and (high <= 1 + 1e-9).all() and (high - low >= 0.6 - 1e-9).all()
        mirrored += tile.mirrored
        expected = {}
        for text, box in SAID.items():
            box, seen = within(flipped(box) if tile.mirrored else box, tile.window)
            if seen >= 0.8 and not (tile.mirrored and "left" in text):
                expected[text] = box
            left_out += seen < 0.8
        found = dict(scene.said)
        assert len(found) == len(scene.said)
        assert found.keys() & PHRASES.keys() == expected.keys() & PHRASES.keys()
        own = found.keys() - PHRASES.keys()  # Of the whole sentences one at most.
        assert len(own) <= 1 and own <= expected.keys()
        wholes |= own
        for text, box in found.items():
            np.testing.assert_allclose(box, expected[text], atol=1e-9)
            assert 0 <= min(box) and max(box) <= 1 + 1e-9
    assert 15 < mirrored < 45 and left_out > 60 and wholes == dict(WHOLES.values()).keys()


def test_what_a_window_shows_of_a_box_decides():
    """A box of half the width, of which a window shows 0.8, or a little less."""
    said = (("it", (0.0, 0.2, 0.5, 0.6)),)
    seen = grounding_scenes._seen(said, Tile("", False, (0.099, 0.0, 0.9, 1.0)))
    assert seen[0][0] == "it"
    assert seen[0][1] == pytest.approx((0, 0.2, 0.401 / 0.801, 0.6))
    assert grounding_scenes._seen(said, Tile("", False, (0.101, 0.0, 0.9, 1.0))) == ()
    assert grounding_scenes._seen(said, Tile("", False, (0.5, 0.0, 1.0, 1.0))) == ()
    # Mirrored it is the right half.
    ((_, box),) = grounding_scenes._seen(said, Tile("", True, (0.4, 0.0, 1.0, 0.8)))
    assert box == pytest.approx((1 / 6, 0.25, 1, 0.75))
    empty = (("it", (0.3, 0.2, 0.3, 0.6)),)
    assert grounding_scenes._seen(empty, Tile("", False, WHOLE)) == ()


@pytest.mark.parametrize("text", ["The left one", "a man's RIGHT hand, raised"])
def test_sides_do_not_hold_of_a_mirrored_photo(text):
    said = ((text, DOG), ("what is leftover", DOG), ("upright", DOG))
    for mirrored, count in ((False, 3), (True, 2)):
        assert len(grounding_scenes._seen(said, Tile("", mirrored, WHOLE))) == count


def test_mosaics():
    order = [PHOTOS[number] for number in (3, 0, 4, 1)]
    sentences = [sentence.text for sentence in PHOTOS[0].sentences]
    drawn, tiles_alone, mirrored, fewer = set(), 0, 0, 0
    for seed in range(40):
        scene = grounding_scenes.mosaic(order, np.random.default_rng(seed))
        assert [tile.name for tile in scene.tiles] == ["3.png", "0.png", "4.png", "1.png"]
        assert {tile.window for tile in scene.tiles} == {WHOLE}
        mirrored += sum(tile.mirrored for tile in scene.tiles)
        said = list(scene.said)
        for tile, (x, y) in zip(scene.tiles, ((0, 0), (0.5, 0), (0, 0.5), (0.5, 0.5)), strict=True):
            own = []
            while said and np.allclose(within(said[0][1], (x, y, x + 0.5, y + 0.5))[1], 1):
                text, box = said.pop(0)
                own.append((text, within(box, (x, y, x + 0.5, y + 0.5))[0]))
            if own[0][0] in sentences and np.allclose(own[0][1], WHOLE):
                tiles_alone += 1
                drawn.add(own.pop(0)[0])
            else:  # Its sentence speaks of a side, and does not hold.
                assert tile.mirrored
            # Two others, or one where the sentence itself was drawn as one of them.
            assert len(own) in (1, 2) and not {text for text, _ in own} & set(sentences)
            fewer += len(own) == 1
            for text, box in own:
                truth = SAID[text]
                np.testing.assert_allclose(
                    box, flipped(truth) if tile.mirrored else truth, atol=1e-9
                )
                assert not (tile.mirrored and "left" in text)
        assert not said
    assert drawn == set(sentences)  # Also one that names nothing, or nothing with a box.
    assert 40 < mirrored < 120 and 120 < tiles_alone < 160
    assert 5 < fewer < 50


def test_what_is_drawn_of_a_split():
    bare = photo("bare.png", sentences=("Nothing is named .",), **{"7": (DOG,)})
    photos = [*PHOTOS, bare]
    found = grounding_scenes.drawn(photos, 2, 7, 3)
    kinds = [len(scene.tiles) for scene in found]
    assert kinds == [1] * 15 + [4] * 7  # The bare photo alone says nothing.
    assert found[:5] == [grounding_scenes.single(each, None) for each in PHOTOS]
    windows = found[5:15]
    assert len({scene.tiles[0].window for scene in windows}) == 10
    assert [scene.tiles[0].name for scene in windows] == [each.name for each in PHOTOS] * 2
    for scene in found[15:]:
        assert len({tile.name for tile in scene.tiles}) == 4
    assert "bare.png" in {tile.name for scene in found[15:] for tile in scene.tiles}
    assert grounding_scenes.drawn(photos, 2, 7, 3) == found
    other = grounding_scenes.drawn(photos, 2, 7, 4)
    assert other[:5] == found[:5] and other[5] != found[5] and other[15:] != found[15:]
    # More mosaics begin with the same ones.
    assert grounding_scenes.drawn(photos, 2, 9, 3)[:22] == found


@pytest.fixture
def folders(tmp_path):
    """Flickr8k with photos of noise, and Entities, which has one of them at its own size."""
    photos = small_flickr8k.write(tmp_path)
    boxes = small_entities.write(tmp_path / "entities")
    (boxes / "images").mkdir()
    for number in range(9):
        noise(tmp_path / "images" / f"{number}.png", number, (224, 224))
    noise(boxes / "images" / "1.png", 11, (60, 90))
    return photos, boxes


def noise(path, seed, size):
    pixels = np.random.default_rng(seed).integers(0, 256, (*size, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def pixels(folder, name):
    with Image.open(folder / "images" / name) as image:
        return np.asarray(image)


def test_what_a_window_shows(folders):
    own = pixels(folders[1], "1.png")
    assert own.shape == (60, 90, 3)
    window = (0.101, 0.25, 0.9, 0.99)  # Of 90 x 60: from 9.09 to 81 and from 15 to 59.4.
    for mirrored, expected in ((False, own), (True, own[:, ::-1])):
        scene = Scene((Tile("1.png", mirrored, window),), ())
        found = grounding_scenes.picture(*folders, scene)
        np.testing.assert_array_equal(found, expected[15:59, 9:81])
    square = grounding_scenes.picture(*folders, Scene((Tile("2.png", False, WHOLE),), ()))
    np.testing.assert_array_equal(square, pixels(folders[0], "2.png"))


def test_what_a_mosaic_shows(folders):
    names = ("2.png", "1.png", "3.png", "4.png")
    tiles = tuple(Tile(name, number % 2 == 1, WHOLE) for number, name in enumerate(names))
    found = grounding_scenes.picture(*folders, Scene(tiles, ()))
    assert found.shape == (448, 448, 3) and found.dtype == np.uint8
    squashed = Image.fromarray(pixels(folders[1], "1.png")[:, ::-1]).resize(
        (224, 224), Image.Resampling.BILINEAR
    )
    np.testing.assert_array_equal(found[:224, :224], pixels(folders[0], "2.png"))
    np.testing.assert_array_equal(found[:224, 224:], np.asarray(squashed))
    np.testing.assert_array_equal(found[224:, :224], pixels(folders[0], "3.png"))
    np.testing.assert_array_equal(found[224:, 224:], pixels(folders[0], "4.png")[:, ::-1])


@pytest.fixture(scope="module")
def tensors():
    return checkpoints.load(resources.path("checkpoints") / "lite0").tensors


@pytest.fixture(scope="module")
def trunk(tensors):
    return Lite0(tensors)


def test_grids_are_kept_and_go_on_where_they_stopped(tmp_path, folders, trunk, monkeypatch):
    annotated = list(entities.read(folders[1], [f"{number}.png" for number in range(4)]))
    scenes = grounding_scenes.drawn(annotated, 0, 1, 5)
    assert [len(scene.tiles) for scene in scenes] == [1, 1, 1, 1, 4]
    monkeypatch.setattr("experiments.training.photo_grids.PART", 2)
    read, shown = regions.read_photo, []

    def read_some(data_dir, entities_dir, name):
        if len(shown) == 3:
            raise KeyboardInterrupt
        shown.append(name)
        return read(data_dir, entities_dir, name)

    monkeypatch.setattr(regions, "read_photo", read_some)
    with pytest.raises(KeyboardInterrupt):
        grounding_scenes.grids(tmp_path / "work", *folders, scenes, trunk)
    shown.clear()
    monkeypatch.setattr(
        regions, "read_photo", lambda *given: shown.append(given[2]) or read(*given)
    )
    found = grounding_scenes.grids(tmp_path / "work", *folders, scenes, trunk)
    mosaic = [tile.name for tile in scenes[4].tiles]
    # The first of a part is looked at again, to see that what is kept is this trunk's.
    assert shown == ["0.png", "2.png", "3.png", "2.png", *mosaic, *mosaic]
    assert len(list((tmp_path / "work").glob("scenes_*.npy"))) == 3
    assert found.shapes == [(14, 14, 112), (7, 7, 320)]
    numbers = [4, 1, 3]
    for row, number in enumerate(numbers):
        shown_now = grounder.picture(grounding_scenes.picture(*folders, scenes[number]))
        expected = trunk.grids(shown_now[None], (10, 15))
        for grid, values in zip(found[numbers], expected, strict=True):
            assert grid.dtype == np.float32
            np.testing.assert_allclose(grid[row], values[0], rtol=2e-3, atol=2e-3)


def test_grids_of_another_trunk_or_photo_are_refused(tmp_path, folders, trunk, tensors):
    scenes = [Scene((Tile("1.png", False, WHOLE),), ())]
    grounding_scenes.grids(tmp_path / "work", *folders, scenes, trunk)
    grounding_scenes.grids(tmp_path / "work", *folders, scenes, trunk)
    retrained = {
        name: value * np.random.default_rng(0).normal(1, 0.1, np.shape(value)).astype(np.float32)
        for name, value in tensors.items()
    }
    with pytest.raises(checkpoints.CheckpointError, match="give another --work_dir"):
        grounding_scenes.grids(tmp_path / "work", *folders, scenes, Lite0(retrained))
    noise(folders[1] / "images" / "1.png", 12, (60, 90))
    with pytest.raises(checkpoints.CheckpointError, match="another trunk or of other photos"):
        grounding_scenes.grids(tmp_path / "work", *folders, scenes, trunk)
