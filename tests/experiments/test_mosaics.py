from pathlib import Path

import numpy as np
import pytest

from cagic_tf.batch import manifest
from cagic_tf.photos import reading
from experiments import mosaics
from experiments.data import flickr8k
from experiments.errors import ExperimentError
from tests.experiments import commands, small_flickr8k

FLICKR8K = Path(__file__).resolve().parents[3] / "shared" / "data" / "flickr8k"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return small_flickr8k.write(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", params=["made", pytest.param("flickr8k", marks=pytest.mark.slow)])
def folder(request):
    if request.param == "made":
        return request.getfixturevalue("made")
    if not FLICKR8K.is_dir():
        pytest.skip("the photos of Flickr8k are not here")
    return FLICKR8K


def test_mosaics(folder):
    names = flickr8k.split_names(folder, "test")
    captions = flickr8k.captions_by_name(folder)
    seen = list(mosaics.make(folder, "test", 6, seed=0))
    assert len(seen) == 6
    for mosaic in seen:
        assert mosaic.image.shape == (448, 448, 3) and mosaic.image.dtype == np.uint8
        assert len(set(mosaic.names)) == 4 and set(mosaic.names) <= set(names)
        assert mosaic.caption in captions[mosaic.names[mosaic.tile]]
        assert (
            mosaic.box
            == [
                (0, 0, 224, 224),
                (224, 0, 224, 224),
                (0, 224, 224, 224),
                (224, 224, 224, 224),
            ][mosaic.tile]
        )
        for tile, name in enumerate(mosaic.names):
            x, y, w, h = mosaic._replace(tile=tile).box
            photo = flickr8k.read_image(folder, name)
            np.testing.assert_array_equal(mosaic.image[y : y + h, x : x + w], photo)
    assert len({mosaic.names for mosaic in seen}) > 1
    assert len({mosaic.tile for mosaic in seen}) > 1


def test_mosaics_of_nine(folder, made):
    split = "many" if folder == made else "test"  # `made` has six test photos only.
    seen = list(mosaics.make(folder, split, 6, 0, tiles_per_side=3))
    names = flickr8k.split_names(folder, split)
    captions = flickr8k.captions_by_name(folder)
    for mosaic in seen:
        assert mosaic.image.shape == (672, 672, 3) and mosaic.tiles_per_side == 3
        assert len(set(mosaic.names)) == 9 and set(mosaic.names) <= set(names)
        assert mosaic.caption in captions[mosaic.names[mosaic.tile]]
        corners = [(x, y) for y in (0, 224, 448) for x in (0, 224, 448)]
        for tile, name in enumerate(mosaic.names):
            x, y, w, h = mosaic._replace(tile=tile).box
            assert (x, y, w, h) == (*corners[tile], 224, 224)
            photo = flickr8k.read_image(folder, name)
            np.testing.assert_array_equal(mosaic.image[y : y + h, x : x + w], photo)


def test_seed_0_is_what_it_always_was(made):
    """The committed results are of these draws."""
    seen = [
        (" ".join(name[0] for name in mosaic.names), mosaic.tile, mosaic.caption)
        for mosaic in mosaics.make(made, "test", 4, seed=0)
    ]
    assert seen == [
        ("3 6 4 5", 0, "photo 3 caption 0"),
        ("7 3 6 5", 3, "photo 5 caption 4"),
        ("7 3 2 4", 0, "photo 7 caption 2"),
        ("7 5 3 6", 1, "photo 5 caption 4"),
    ]


def test_same_seed_same_mosaics(folder):
    first, again, other = (list(mosaics.make(folder, "test", 3, seed)) for seed in (1, 1, 2))
    longer = list(mosaics.make(folder, "test", 4, 1))[:3]
    for mosaic, *same in zip(first, again, longer, strict=True):
        for repeated in same:
            assert repeated[1:] == mosaic[1:]
            np.testing.assert_array_equal(repeated.image, mosaic.image)
    assert [mosaic.names for mosaic in other] != [mosaic.names for mosaic in first]


def test_tiles_and_captions_are_drawn_evenly(made):
    drawn = list(mosaics.make(made, "test", 200, seed=3))
    tiles = np.bincount([mosaic.tile for mosaic in drawn], minlength=4)
    captions = np.bincount([int(mosaic.caption[-1]) for mosaic in drawn], minlength=5)
    # Chi-squared, once in ten thousand seeds: 21.1 with 3 degrees of freedom, 23.5 with 4.
    assert ((tiles - 50) ** 2 / 50).sum() < 21.1
    assert ((captions - 40) ** 2 / 40).sum() < 23.5


def test_colours_of_the_target(made):
    for mosaic in mosaics.make(made, "test", 10, seed=4):
        x, y, w, h = mosaic.box
        number = int(mosaic.caption.split()[1])
        expected = np.broadcast_to([10 * number, 50, 200], (224, 224, 3))
        np.testing.assert_array_equal(mosaic.image[y : y + h, x : x + w], expected)


def test_split_with_too_few_photos(made):
    with pytest.raises(ExperimentError, match="'dev' has 1 photos; a mosaic needs 4"):
        next(mosaics.make(made, "dev", 1, seed=0))


def test_the_command_itself(made, tmp_path):
    arguments = f"--data_dir={made}", f"--output_dir={tmp_path / 'out'}", "--count=3"
    commands.call(mosaics, *arguments)
    rows = manifest.read(tmp_path / "out" / "manifest.jsonl")
    expected = list(mosaics.make(made, "test", 3, seed=0))
    assert [(row.caption, row.crops) for row in rows] == [
        (mosaic.caption, (mosaic.box,)) for mosaic in expected
    ]
    for row, mosaic in zip(rows, expected, strict=True):
        np.testing.assert_array_equal(reading.read(row.path), mosaic.image)
    missing = f"--data_dir={tmp_path / 'nowhere'}", f"--output_dir={tmp_path / 'none'}"
    assert "nowhere" in commands.error_of(mosaics, *missing)
