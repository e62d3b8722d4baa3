"""The port of MAttNet's files: what it takes, what it refuses, what it leaves behind."""

import collections
import json

import numpy as np
import pytest

from cagic_tf.networks import checkpoints
from cagic_tf.port import __main__ as command
from cagic_tf.port import mattnet
from tests.baselines import seeded_mattnet
from tests.baselines.seeded_mattnet import SMALL, WORDS
from tests.port import torch_writer

ATTRIBUTES = [f"attribute {number}" for number in range(SMALL.attributes)]
OPT = {
    "id": "mrcn_cmr_with_st",
    "dataset": "refcoco",
    "splitBy": "unc",
    "vocab_size": 6,
    "word_embedding_size": 3,
    "word_vec_size": 4,
    "rnn_hidden_size": 5,
    "rnn_num_layers": 1,
    "bidirectional": 1,
    "rnn_type": "lstm",
    "variable_lengths": 1,
    "jemb_dim": 6,
    "pool5_dim": 7,
    "fc7_dim": 8,
    "num_atts": 9,
    "num_cxt": 3,
    "with_st": 1,
}


@pytest.fixture
def ported(tmp_path, capsys):
    """Runs the command on files that are in the test's folder; returns what it says."""

    def run(status=0):
        files = [f"--weights={tmp_path}/w.pth", f"--options={tmp_path}/w.json"]
        assert command.main(["mattnet", *files, f"--output={tmp_path}/out"]) == status
        said = capsys.readouterr()
        if status:
            assert not said.out and said.err.count("\n") == 1 and said.err.startswith("error: ")
            left = (
                {"w.pth", "w.json", "out"} if (tmp_path / "out").exists() else {"w.pth", "w.json"}
            )
            assert {path.name for path in tmp_path.iterdir()} <= left
        return said.err if status else said.out

    return run


@pytest.fixture
def write(tmp_path):
    """Writes both files; opt and tensors can be changed."""

    def write(opt=OPT, stored=OPT, tensors=None, options=None, words=WORDS, **how):
        state = seeded_mattnet.state(1, SMALL) | (tensors or {})
        kept = {name: value for name, value in state.items() if value is not None}
        seeded_mattnet.write_weights(tmp_path / "w.pth", kept, stored, **how)
        seeded_mattnet.write_options(tmp_path / "w.json", opt, words, ATTRIBUTES, **(options or {}))

    return write


def test_the_whole_network(write, ported, tmp_path):
    write()
    said = ported()
    assert "trained on refcoco, split unc" in said and "3 things of any category" in said
    assert "7 and 8 channels" in said
    found = checkpoints.load(tmp_path / "out", "mattnet")
    expected = mattnet.convert(seeded_mattnet.state(1, SMALL), tmp_path)
    assert set(found.tensors) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(found.tensors[name], value, strict=True)
    manifest = found.manifest
    assert (manifest["vocabulary"], manifest["attributes"]) == (WORDS, ATTRIBUTES)
    assert (manifest["num_cxt"], manifest["with_st"], manifest["trunk"]) == (3, 1, "resnet101")
    card = (tmp_path / "out" / "MODEL_CARD.md").read_text()
    assert "w.pth, SHA-256" in card and "w.json, SHA-256" in card


def test_layouts_by_hand():
    """PyTorch's [out, in] to ours, and the LSTM's two weights and two biases to one of each."""
    state = seeded_mattnet.state(1, SMALL)
    found = mattnet.convert(state, None)
    kernel = state["loc_encoder.fc.weight"]
    assert kernel.shape == (6, 15)
    np.testing.assert_array_equal(found["loc_encoder/fc/kernel"], kernel.T)
    scale = state["sub_encoder.fc7_normalizer.weight"]
    np.testing.assert_array_equal(found["sub_encoder/fc7_normalizer/scale"], scale[0])
    for direction, ending in (("forward", "l0"), ("backward", "l0_reverse")):
        parts = {
            part: state[f"rnn_encoder.rnn.{part}_{ending}"]
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        }
        kernel = found[f"rnn_encoder/{direction}/kernel"]
        np.testing.assert_array_equal(kernel[: SMALL.word], parts["weight_ih"].T)
        np.testing.assert_array_equal(kernel[SMALL.word :], parts["weight_hh"].T)
        bias = parts["bias_ih"] + parts["bias_hh"]
        np.testing.assert_array_equal(found[f"rnn_encoder/{direction}/bias"], bias)
    norm = "sub_matching.vis_emb_fc.5"
    for theirs, ours in (
        ("weight", "gamma"),
        ("bias", "beta"),
        ("running_mean", "mean"),
        ("running_var", "variance"),
    ):
        value = found[f"{norm.replace('.', '/')}/{ours}"]
        np.testing.assert_array_equal(value, state[f"{norm}.{theirs}"])


@pytest.mark.parametrize(
    "how",
    [
        {"container": "zip"},
        {"container": "old"},
        {"container": "old", "python2": True, "rebuild": "_rebuild_tensor"},
    ],
)
@pytest.mark.parametrize("wrapped", [False, True])
def test_a_plain_state_dict(how, wrapped, write, ported, tmp_path):
    write()
    state = collections.OrderedDict(seeded_mattnet.state(1, SMALL))
    state["sub_encoder.att_fuse.1.num_batches_tracked"] = np.array(5)
    content = {"model": state, "opt": OPT} if wrapped else state
    torch_writer.write(tmp_path / "w.pth", content, **how)
    ported()
    assert checkpoints.load(tmp_path / "out").manifest["num_cxt"] == 3


def test_options_may_be_in_one_file_alone(write, ported):
    write(opt={"num_cxt": 2, "with_st": 0}, stored={})
    assert "2 things of other categories around a box" in ported()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weight_fc.bias": None}, "missing tensors ['weight_fc.bias'], unexpected tensors []"),
        ({"more.weight": np.zeros(3, np.float32)}, "unexpected tensors ['more.weight']"),
        ({"sub_attn.fc.weight": np.zeros((10, 1), np.float32)}, "'sub_attn.fc.weight' is ([10, 1]"),
        ({"sub_attn.fc.bias": np.zeros(1)}, "'sub_attn.fc.bias' is ([1], 'float64')"),
        ({"rel_matching.lang_emb_fc.5.running_var": None}, "lang_emb_fc.5.running_var"),
        ({"sub_encoder.att_fc.bias": None}, "is no MAttNet: sub_encoder.att_fc.bias is missing"),
        ({"loc_encoder.fc.bias": np.zeros((2, 2), np.float32)}, "loc_encoder.fc.bias is [2, 2]"),
        (
            {"loc_encoder.dif_lfeat_normalizer.weight": np.ones((1, 12), np.float32)},
            "expected ([1, 10]",
        ),
    ],
)
def test_tensors_that_do_not_fit(changes, message, write, ported):
    write(tensors=changes)
    assert message in ported(1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"opt": OPT | {"jemb_dim": 7}}, "says jemb_dim = 7, but the weights were trained with 6"),
        ({"stored": OPT | {"with_st": 0}}, "says with_st = 1, but the weights were trained with 0"),
        ({"opt": OPT | {"fc7_dim": 9}, "stored": {}}, "says fc7_dim = 9; these weights need 8"),
        ({"opt": OPT | {"rnn_type": "gru"}, "stored": {}}, "rnn_type = 'gru'"),
        ({"opt": OPT | {"variable_lengths": 0}, "stored": {}}, "variable_lengths = 0"),
        ({"opt": {"with_st": 1}, "stored": {}}, "num_cxt = None and with_st = 1"),
        ({"opt": OPT | {"num_cxt": 0}, "stored": {}}, "num_cxt = 0"),
        ({"opt": OPT | {"with_st": 2}, "stored": {}}, "with_st = 2"),
        ({"words": [*WORDS, "more"]}, "has 7 words, but the weights were trained with 6"),
        ({"words": WORDS[::-1]}, "the first word is '<EOS>' and not <PAD>"),
        ({"options": {"att_to_ix": {"red": 0}}}, "has 1 attributes"),
        ({"options": {"att_to_ix": None}}, 'it has no "att_to_ix"'),
        ({"options": {"word_to_ix": {"<PAD>": 0, "a": 2}}}, "are not 0 to 1, each once"),
        ({"options": {"word_to_ix": {"<PAD>": 0, "a": 1.0}}}, "no whole numbers"),
        ({"opt": []}, 'it has no "opt"'),
        ({"opt": OPT | {"fc7_dim": "8" * 99}, "stored": {}}, "fc7_dim = a text of 99 characters"),
        ({"opt": OPT | {"num_cxt": [3]}, "stored": {"num_cxt": np.zeros(2)}}, "num_cxt = None"),
        ({"stored": 5}, "has options that are no dict"),
    ],
)
def test_files_that_do_not_belong_together(changes, message, write, ported):
    write(**changes)
    assert message in ported(1)


@pytest.mark.parametrize(
    "text", [b"", b"{", b"[1]", b"\xff\xfe{", b"[" * 100_000, json.dumps({"opt": {}}).encode()]
)
def test_options_that_are_none(text, write, ported, tmp_path):
    write()
    (tmp_path / "w.json").write_bytes(text)
    assert "w.json is no JSON file of a released MAttNet: " in ported(1)


@pytest.mark.parametrize(
    ("name", "admitted"),
    [
        ("os.system", False),
        ("posix.system", False),
        ("builtins.eval", False),
        ("__builtin__.eval", False),
        ("layersx.JointMatching", False),
        ("torch.hub.load", False),
        ("torch.backends.cudnn.rnn.Unserializable", True),
        ("torch.nn.modules.rnn.LSTM", True),
    ],
)
def test_what_a_file_may_name(name, admitted, write, ported, tmp_path):
    """Nothing is run either way: of an admitted class only the state is kept."""
    write()
    called = torch_writer.Call(torch_writer.Global(*name.rsplit(".", 1)), "touch hacked")
    state = seeded_mattnet.state(1, SMALL)
    content = {"model": collections.OrderedDict(state), "opt": OPT, "more": called}
    torch_writer.write(tmp_path / "w.pth", content, "old", python2=True)
    said = ported(0 if admitted else 1)
    assert admitted or f"it names {name}, which is not allowed" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": 5, "opt": OPT}, "is no PyTorch module"),
        ([1, 2], "is no PyTorch module"),
        ({"a": 1}, "the entry 'a' is no named tensor"),
        ({}, "is no MAttNet: rnn_encoder.embedding.weight is missing"),
        ({5: np.zeros(3, np.float32)}, "the entry '5' is no named tensor"),
    ],
)
def test_weights_that_are_none(content, message, write, ported, tmp_path):
    write()
    torch_writer.write(tmp_path / "w.pth", content, "old")
    assert message in ported(1)


def test_damaged_and_missing_weights(write, ported, tmp_path):
    write()
    content = (tmp_path / "w.pth").read_bytes()
    (tmp_path / "w.pth").write_bytes(content[:-100])
    assert "w.pth is no readable file of PyTorch" in ported(1)
    (tmp_path / "w.pth").unlink()
    assert "No such file" in ported(1)


def test_an_existing_folder_is_kept(write, ported, tmp_path):
    write()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine.txt").write_text("mine")
    assert "exists already" in ported(1)
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine.txt"]
