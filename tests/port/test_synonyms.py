"""The port of the synonyms, from a WordNet of a few synsets that is written here."""

import pytest

from cagic_tf.networks import checkpoints, synonyms
from cagic_tf.port import __main__ as command
from cagic_tf.port import inflections, source, thesaurus, wordnet
from cagic_tf.port import synonyms as port
from tests.port import small_wordnet
from tests.port.small_wordnet import Sense

ACT, ANIMAL, ARTIFACT, ATTRIBUTE, COMMUNICATION, FOOD, PERSON = 4, 5, 6, 7, 10, 13, 18
CONTACT, MOTION, SOCIAL = 35, 38, 41
SENSES = [
    Sense("entity", 3, "entity:9"),
    Sense("animal", 3, "animal:50 beast:3 creature:9 brute:4", "entity"),
    Sense("brute", PERSON, "brute:5", "person"),  # What a brute is mostly.
    Sense("person", 3, "person:99 soul:9", "entity"),
    Sense("young", ANIMAL, "young", "animal"),
    Sense("feline", ANIMAL, "feline felid", "animal"),  # Common with nobody but the lexicon.
    Sense("cat", ANIMAL, "cat:18", "feline"),
    Sense("kitten", ANIMAL, "kitten:7 kitty", "young", gloss="young domestic cat"),
    Sense("woman", PERSON, "woman:80", "person"),
    Sense("lady", PERSON, "lady:27", "woman"),
    Sense("canary", ANIMAL, "canary", "animal"),
    Sense("singer", PERSON, "canary", "person"),
    Sense("monarch", PERSON, "king:8 monarch:9", "person"),
    Sense("artifact", ARTIFACT, "artifact:5", "entity"),
    Sense("vehicle", ARTIFACT, "vehicle:12", "artifact"),
    Sense("wheeled", ARTIFACT, "wheeled_vehicle", "vehicle"),
    Sense("car", ARTIFACT, "car:60 auto:9 automobile:20", "wheeled"),
    Sense("sedan", ARTIFACT, "sedan", "car"),
    Sense("hybrid", ARTIFACT, "hybrid", "sedan"),
    Sense("bank", ARTIFACT, "bank:3", "artifact"),
    Sense("banking", ACT, "bank:8", "entity"),
    Sense("queen", ANIMAL, "queen:16", "animal"),
    Sense("ruler", PERSON, "queen:4", "person"),
    Sense("city", 15, "Berlin:5", "@ientity"),
    Sense("berlin", ARTIFACT, "berlin:8", "car"),
    Sense("dalmatian", ANIMAL, "Dalmatian", "cat"),
    Sense("slurred", COMMUNICATION, "disparagement"),
    Sense("slur", PERSON, "slur", "person", usage="slurred"),
    Sense("color", ATTRIBUTE, "color:20", "entity"),
    Sense("red", ATTRIBUTE, "red:12", "color"),
    Sense("crimson", ATTRIBUTE, "crimson:1", "red"),
    Sense("glasses", ARTIFACT, "glasses:3 specs:3", "artifact"),
    Sense("glass", FOOD, "glass:9 pane:3", "entity"),
    Sense("run", MOTION, "run:120", part="v"),
    Sense("sprint", MOTION, "sprint:2", "run", "v"),
    Sense("jog", MOTION, "jog:3", "run", "v"),
    Sense("jogging", ACT, "jogging:2", "entity"),
    Sense("elect", SOCIAL, "elect:4", "run", "v"),
    Sense("perch", MOTION, "perch:6 sit:60", "run", "v"),
    Sense("fish", ANIMAL, "perch", "animal"),
    Sense("fall", MOTION, "fall:40", "run", "v"),
    Sense("fell", CONTACT, "fell:1", "run", "v"),
]
NOUN_EXC, VERB_EXC = "women woman\nbrutii brute\n", "ran run\nrunning run\nfell fall\njogging jog\n"
LEXICON = {"monarch": ["monarch butterfly"], "felid": ["cat"], "cat": ["cat"]}


@pytest.fixture
def folder(tmp_path):
    return small_wordnet.write(tmp_path, SENSES, {"noun": NOUN_EXC, "verb": VERB_EXC})


@pytest.fixture
def table(folder):
    with wordnet.opened(folder, wordnet.WORDS) as words:
        return thesaurus.Thesaurus(words, ["artifact", "feline", "the"], LEXICON).table()


@pytest.mark.parametrize(
    ("word", "readings"),
    [
        ("kitten", ("cat", "animal", "creature")),  # By its gloss; two words a synset.
        ("kittens", ("cats", "cat", "animals", "animal", "creatures", "creature")),
        ("lady", ("woman", "person", "soul")),
        ("ladies", ("women", "woman", "people", "person", "souls", "soul")),
        ("feline", ("felid", "animal", "creature")),  # The lexicon's noun, as a synonym alone.
        ("cat", ("feline", "animal", "creature")),
        ("automobile", ("car", "auto", "vehicle", "artifact")),
        ("sedan", ("car", "automobile", "vehicle")),  # Three steps up.
        ("hybrid", ("car", "automobile")),  # The vehicle is a step too far.
        ("fell", ("ran", "run")),  # Mostly the past of "fall", and then as that is read.
        ("king", ("person", "soul")),  # Not a monarch, which is the lexicon's butterfly.
        ("dalmatian", ("cat", "feline", "animal", "creature")),  # Always in capitals.
        ("berlin", ("car", "automobile", "vehicle")),  # Tagged more often than the city.
        ("crimson", ("red",)),
        ("glasses", ("specs", "artifact")),
        ("sprint", ("run",)),
        ("sprints", ("runs", "run")),
        ("sprinted", ("ran", "run")),
        ("sprinting", ("running", "run")),
        ("jogging", ("running", "run")),  # A word of its own, but rarer than the verb.
    ],
)
def test_readings(word, readings, table):
    assert table.get(word) == readings


@pytest.mark.parametrize(
    "word",
    [
        "canary",  # A bird or a singer.
        "queen",  # A bee, and a quarter as often a ruler.
        "bank",  # Mostly what nobody sees.
        "slur",
        "elect",  # Nothing that a photo shows.
        "perch",  # A verb, and a fish.
        "brute",  # A person, and as an animal nearly as often.
        "entity",
        "the",
    ],
)
def test_words_without_readings(word, table):
    assert word not in table


def test_what_is_too_broad_or_of_another_sense_is_no_reading(monkeypatch, folder):
    monkeypatch.setitem(thesaurus.BROAD, "noun.artifact", 4)
    with wordnet.opened(folder, wordnet.WORDS) as words:
        table = thesaurus.Thesaurus(words, [], LEXICON).table()
    assert table["sedan"] == ("car", "automobile")  # Vehicles have five kinds.
    readings = {reading for row in table.values() for reading in row}
    assert {"animal", "woman", "felid"} < readings  # The lexicon's felids are cats.
    assert not readings & {"brute", "entity", "monarch"}


FORMS = inflections.Inflections(
    {"women": ["woman"], "geese": ["goose"]}, {"ran": ["run"], "running": ["run"], "sat": ["sit"]}
)


@pytest.mark.parametrize(
    ("word", "plurals"),
    [
        ("cat", ["cats"]),
        ("woman", ["women"]),
        ("policeman", ["policemen"]),
        ("goose", ["geese"]),
        ("lady", ["ladies"]),
        ("boy", ["boys"]),
        ("bus", ["buses"]),
        ("bush", ["bushes"]),
        ("person", ["people"]),
    ],
)
def test_plurals(word, plurals):
    assert FORMS.noun(word) == plurals


@pytest.mark.parametrize(
    ("word", "forms"),
    [
        ("walk", [["walks"], ["walked"], ["walking"]]),
        ("run", [["runs"], ["ran"], ["running"]]),
        ("sit", [["sits"], ["sat"], ["siting"]]),  # Its list does not have "sitting".
        ("smile", [["smiles"], ["smiled"], ["smiling"]]),
        ("carry", [["carries"], ["carried"], ["carrying"]]),
        ("play", [["plays"], ["played"], ["playing"]]),
        ("watch", [["watches"], ["watched"], ["watching"]]),
        ("see", [["sees"], ["seed"], ["seeing"]]),
    ],
)
def test_forms_of_verbs(word, forms):
    assert [FORMS.verb(word, ending) for ending in inflections.ENDINGS] == forms


def test_the_command_writes_a_checkpoint(folder, capsys):
    assert command.main(["synonyms", f"--wordnet={folder}", f"--output={folder}/out"]) == 0
    assert "words of WordNet 3.0, inflections included" in capsys.readouterr().out
    made = checkpoints.load(folder / "out", "synonyms")
    table = synonyms.from_tensors(made.tensors)
    assert table["ladies"][:2] == ("women", "woman") and list(table) == sorted(table)
    for name in wordnet.WORDS:
        assert source.sha256(folder / name) in made.manifest["source"]
    for name in (port.CAPTIONER, port.LEXICON):
        sha256 = checkpoints.load(port.bundle.find(name)).sha256
        assert f"{name}, SHA-256 {sha256}" in made.manifest["source"]
    assert "All rights reserved." in (folder / "out" / port.LICENCE).read_text()
    assert (folder / "out" / "MODEL_CARD.md").exists()


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("cntlist.rev", None, "No such file"),
        ("data.verb", None, "No such file"),
        ("cntlist.rev", "cat%1:05:00:: 1 many\n", "no readable files of WordNet 3.0 (index.noun, "),
        ("cntlist.rev", "cat\n", "no readable files of WordNet 3.0"),
        ("index.verb", "run v x\n", "no readable files of WordNet 3.0"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(name, content, message, folder, capsys):
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_text(content)
    assert command.main(["synonyms", f"--wordnet={folder}", f"--output={folder}/out"]) == 1
    printed = capsys.readouterr().err
    assert message in printed and printed.count("\n") == 1
    assert not (folder / "out").exists()
