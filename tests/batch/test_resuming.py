"""Which folders a run may go on in, and what it says where it may not. No TensorFlow."""

import json

import pytest

from cagic_tf.batch import output_folder, records, resuming
from tests.batch.fake_rows import fail, make_row, result

CONFIG = """
# Parameters for Objective:
# ==============================================================================
Objective.max_words = 20
Objective.pyramid = \\
    (0.25,
     0.5)

# --candidates=4
"""
SHA, OTHER_SHA = "a1" * 32, "b2" * 32


def made_with(**changes):
    facts = {
        "command": "python -m cagic_tf.run",
        "commit": "c0ffee",
        "versions": {"cagic_tf": "0.1.0", "numpy": "2.0"},
        "machine": {"cores": 2},
        "threads": 2,
        "checkpoints": {"sat": SHA, "vfn": SHA},
    }
    return facts | changes


def opened(tmp_path, config=CONFIG, **provenance):
    return output_folder.OutputFolder(
        tmp_path / "out", config, pictures=False, provenance=made_with(**provenance)
    )


def saved(tmp_path):
    return json.loads((tmp_path / "out" / output_folder.PROVENANCE).read_text(encoding="utf-8"))


def fill(tmp_path, folder, name="a"):
    folder.fill(make_row(tmp_path, name), lambda: result(checkpoints={"sat": SHA, "vfn": SHA}))
    folder.close()


def refusal(tmp_path, *arguments, **provenance):
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    with pytest.raises(output_folder.OutputError) as caught:
        opened(tmp_path, *arguments, **provenance)
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'out'} holds results of another ")
    assert message.endswith("; choose another --output_dir") and "\n" not in message
    return message.removeprefix(f"{tmp_path / 'out'} holds results of another ").split(";")[0]


def test_what_differs_is_said(tmp_path):
    fill(tmp_path, opened(tmp_path))
    fill(tmp_path, opened(tmp_path), "b")
    other = CONFIG.replace("= 20", "= 30")
    assert refusal(tmp_path, other) == ("configuration: Objective.max_words was 20 and is 30 now")
    assert refusal(tmp_path, CONFIG.replace("0.5)", "1)")) == (
        "configuration: Objective.pyramid was (0.25, 0.5) and is (0.25, 1) now"
    )
    assert refusal(tmp_path, CONFIG.replace("# --candidates=4\n", "")) == (
        "configuration: --candidates was 4 and is not given now"
    )
    assert refusal(tmp_path, CONFIG + "Normal.sigma = 1.0\n") == (
        "configuration: Normal.sigma was not given and is 1.0 now"
    )
    assert refusal(tmp_path, CONFIG + "# of a method of another kind\n").endswith(
        ": it has '# of a method of another kind' now"
    )
    assert refusal(tmp_path, checkpoints={"sat": SHA, "vfn": OTHER_SHA}) == (
        f"checkpoint: vfn was {SHA[:12]} and is {OTHER_SHA[:12]} now"
    )
    assert refusal(tmp_path, checkpoints={"sat": SHA, "vfn": SHA, "lexicon": SHA}) == (
        f"checkpoint: lexicon was not given and is {SHA[:12]} now"
    )
    assert refusal(tmp_path, threads=4) == "thread count: threads was 2 and is 4 now"
    assert refusal(tmp_path, versions={"cagic_tf": "0.2.0", "numpy": "2.0"}) == (
        "version: cagic_tf was 0.1.0 and is 0.2.0 now"
    )
    long = refusal(tmp_path, CONFIG + f"Objective.terms = {list(range(1000))}\n")
    assert len(long) < 200 and long.endswith("... now")


def test_where_long_values_differ_is_shown(tmp_path):
    terms = [f"@{'Very' * 4}LongName{number}()" for number in range(20)]
    fill(tmp_path, opened(tmp_path, f"Objective.terms = [{', '.join(terms)}]\n"))
    terms[14] = "@Another()"
    said = refusal(tmp_path, f"Objective.terms = [{', '.join(terms)}]\n")
    assert "LongName14()" in said.partition(" and is ")[0]
    assert "@Another()" in said.partition(" and is ")[2] and len(said) < 200


def test_another_gin_file_is_told_by_a_setting_and_not_by_a_digest(tmp_path):
    old = "CoarseToFine.scan_centers = 5\nNetworks.captioner = 'sat-regions'\n"
    fill(tmp_path, opened(tmp_path, old, checkpoints={"sat-regions": SHA}))
    new = "Annealing.restart_count = 10\nNetworks.captioner = 'sat'\n"
    assert refusal(tmp_path, new, checkpoints={"sat": OTHER_SHA}) == (
        "configuration: Networks.captioner was 'sat-regions' and is 'sat' now"
    )


def test_the_file_says_what_made_the_rows(tmp_path):
    fill(tmp_path, opened(tmp_path))
    assert saved(tmp_path) == made_with()
    fill(tmp_path, opened(tmp_path), "b")  # The same again adds nothing.
    assert saved(tmp_path) == made_with()
    for _ in range(2):
        fill(tmp_path, opened(tmp_path, machine={"cores": 8}), "c")
    assert saved(tmp_path) == made_with() | {"resumed_by": [made_with(machine={"cores": 8})]}
    fill(tmp_path, opened(tmp_path, commit="decaf"), "d")
    others = [made_with(machine={"cores": 8}), made_with(commit="decaf")]
    assert saved(tmp_path) == made_with() | {"resumed_by": others}


def test_without_rows_everything_may_change(tmp_path):
    opened(tmp_path).close()
    opened(tmp_path, "Objective.max_words = 9\n", threads=8).close()
    assert saved(tmp_path) == made_with(threads=8)
    text = (tmp_path / "out" / output_folder.CONFIG).read_text(encoding="utf-8")
    assert text == "Objective.max_words = 9\n"


def test_with_errors_alone_everything_may_change(tmp_path):
    folder = opened(tmp_path)
    folder.fill(make_row(tmp_path), fail)
    folder.close()
    folder = opened(
        tmp_path, "Objective.max_words = 9\n", threads=8, checkpoints={"sat": OTHER_SHA}
    )
    assert folder.is_done(make_row(tmp_path)) and folder.done["a"].error == "no luck"
    fill(tmp_path, folder, "b")
    assert saved(tmp_path) == made_with(threads=8, checkpoints={"sat": OTHER_SHA})
    text = (tmp_path / "out" / output_folder.CONFIG).read_text(encoding="utf-8")
    assert text == "Objective.max_words = 9\n"
    assert refusal(tmp_path, "Objective.max_words = 9\n", checkpoints={"sat": OTHER_SHA}) == (
        "thread count: threads was 8 and is 2 now"
    )


def test_a_folder_from_before_there_was_provenance(tmp_path):
    """The checkpoints of its rows count, and the bindings that both configurations have."""
    old = CONFIG + "Networks.jit_compile = False\n"
    fill(tmp_path, output_folder.OutputFolder(tmp_path / "out", old, pictures=False))
    assert not (tmp_path / "out" / output_folder.PROVENANCE).exists()
    new = CONFIG + "Objective.terms = [@CaptionLoss()]\n"
    assert refusal(tmp_path, new, checkpoints={"sat": OTHER_SHA, "vfn": SHA}) == (
        f"checkpoint: sat was {SHA[:12]} and is {OTHER_SHA[:12]} now"
    )
    assert refusal(tmp_path, new.replace("= 20", "= 30")) == (
        "configuration: Objective.max_words was 20 and is 30 now"
    )
    assert refusal(tmp_path, new.replace("# --candidates=4\n", "")) == (
        "configuration: --candidates was 4 and is not given now"
    )
    fill(tmp_path, opened(tmp_path, new), "b")
    assert saved(tmp_path) == made_with() | {"rows_before": 1}
    assert refusal(tmp_path, new, threads=4) == "thread count: threads was 2 and is 4 now"
    assert list(records.read(tmp_path / "out" / output_folder.RESULTS)) == ["a", "b"]


def test_without_provenance_the_configuration_counts(tmp_path):
    folder = output_folder.OutputFolder(tmp_path / "out", "# random, seed 3\n", pictures=False)
    fill(tmp_path, folder)
    with pytest.raises(
        output_folder.OutputError,
        match="it had '# random, seed 3' and it has '# random, seed 4' now",
    ):
        output_folder.OutputFolder(tmp_path / "out", "# random, seed 4\n", pictures=False)
    output_folder.OutputFolder(tmp_path / "out", "# random, seed 3\n", pictures=False).close()


@pytest.mark.parametrize("text", ["{", "[" * 100_000, "[]", '{"versions": 3}'])
def test_a_damaged_file_is_one_line(tmp_path, text):
    fill(tmp_path, opened(tmp_path))
    (tmp_path / "out" / output_folder.PROVENANCE).write_text(text)
    with pytest.raises(output_folder.OutputError) as caught:
        opened(tmp_path)
    assert "cannot use the output folder" in str(caught.value) and "\n" not in str(caught.value)


def test_bindings_are_read_from_gins_text():
    assert resuming.bindings(CONFIG) == {
        "Objective.max_words": "20",
        "Objective.pyramid": "(0.25, 0.5)",
        "--candidates": "4",
    }
