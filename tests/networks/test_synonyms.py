"""The table of readings: as a checkpoint, and the one that ships."""

import json

import numpy as np
import pytest

from cagic_tf.networks import bundle, checkpoints, synonyms
from cagic_tf.system import resources

FOLDER = resources.path("checkpoints") / "synonyms"
TABLE = {"kitten": ("cat", "animal"), "lady": ("woman",), "cats": ("animals", "animal")}


@pytest.fixture(scope="module")
def shipped():
    return synonyms.from_tensors(checkpoints.load(FOLDER, "synonyms").tensors)


def test_tensors_there_and_back():
    tensors = synonyms.to_tensors(TABLE)
    assert tensors["words"].tolist() == list(TABLE)
    assert tensors["readings"].tolist() == ["animal", "animals", "cat", "woman"]
    np.testing.assert_array_equal(tensors["rows"], [[2, 0], [3, -1], [1, 0]])
    assert tensors["rows"].dtype == np.int16
    assert synonyms.from_tensors(tensors) == TABLE
    assert synonyms.from_tensors(synonyms.to_tensors({})) == {}


def test_a_table_is_a_checkpoint(tmp_path):
    records = {"source": "test", "command": "test", "commit": "test"}
    checkpoints.save(tmp_path / "own", "synonyms", synonyms.to_tensors(TABLE), **records)
    networks = bundle.Networks()
    assert networks.synonyms == {} and "own" not in networks.checkpoints
    with_own = networks.with_synonyms(str(tmp_path / "own"))
    assert with_own.synonyms == TABLE and with_own.captioner is networks.captioner
    assert len(with_own.checkpoints["own"]) == 64 and networks.synonyms == {}
    with pytest.raises(checkpoints.CheckpointError, match="a 'synonyms' is needed"):
        networks.with_synonyms("lexicon")
    with pytest.raises(checkpoints.CheckpointError, match="no readable checkpoint in"):
        networks.with_synonyms("nowhere")
    weights = tmp_path / "own" / checkpoints.WEIGHTS
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(checkpoints.CheckpointError, match="damaged or was changed"):
        networks.with_synonyms(str(tmp_path / "own"))


def test_the_shipped_table_is_small_and_names_its_sources(shipped):
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    assert (FOLDER / "weights.npz").stat().st_size < 300_000
    assert len(shipped) == manifest["tensors"]["words"]["shape"][0] == 28_277
    for name in ("index.noun", "data.verb", "cntlist.rev", "captioner sat", "lexicon lexicon"):
        assert f"{name}, SHA-256" in manifest["source"]
    licence = (FOLDER / "WORDNET_LICENSE").read_text()
    assert "WordNet 3.0 Copyright 2006 by Princeton University" in licence


@pytest.mark.parametrize(
    ("word", "first"),
    [
        ("kitten", "cat"),
        ("kittens", "cats"),
        ("lady", "woman"),
        ("ladies", "women"),
        ("puppy", "dog"),
        ("foal", "horse"),
        ("stallion", "horse"),
        ("lamb", "sheep"),
        ("mutt", "dog"),
        ("sparrow", "bird"),
        ("bachelor", "man"),
        ("wives", "women"),
        ("toddler", "child"),
        ("sedan", "car"),
        ("cottage", "house"),
        ("anorak", "parka"),
        ("cappuccino", "coffee"),
        ("salad", "food"),
        ("crimson", "red"),
        ("sprinting", "running"),
        ("strolled", "walked"),
        ("grins", "smiles"),
    ],
)
def test_first_readings(word, first, shipped):
    assert shipped[word][0] == first


@pytest.mark.parametrize(
    ("word", "readings"),
    [
        ("kitten", ("cat", "animal", "creature")),
        ("plumber", ("worker", "person", "individual")),
        ("plumbers", ("workers", "worker", "people", "person", "individuals", "individual")),
        ("sedan", ("car", "automobile")),
    ],
)
def test_nearest_meanings_come_first(word, readings, shipped):
    assert shipped[word] == readings


@pytest.mark.parametrize(
    "word",
    [
        "canary",  # A bird or a singer.
        "lager",  # A beer, or a camp of wagons.
        "china",  # A country.
        "rose",  # What rises.
        "evening",
        "does",
        "idea",
        "entity",
        "giraffe's",
        "dago",
    ],
)
def test_words_that_might_be_misread_have_no_reading(word, shipped):
    assert word not in shipped


def test_no_reading_is_as_broad_as_a_thing(shipped):
    readings = {reading for row in shipped.values() for reading in row}
    broad = {"entity", "object", "thing", "whole", "artifact", "structure", "part", "device", "a"}
    assert not readings & broad
    assert {"person", "people", "animal", "bird", "car", "house"} <= readings
    # The lexicon's monarch is a butterfly.
    assert shipped["king"] == ("sovereign", "person", "individual", "representative")
    assert shipped["glasses"] == ("specs", "eyeglasses")  # Not more than one glass.
