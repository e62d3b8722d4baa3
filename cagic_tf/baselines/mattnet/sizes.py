"""How large a MAttNet is, and which tensors it then has."""

from collections.abc import Mapping
from typing import Any, NamedTuple

NUMBERS = 5  # A box's place, and a neighbour's.


class Sizes(NamedTuple):
    """A network's sizes; the released ones' beside them.

    Attributes:
      words: Of the vocabulary.
      embedding: Of a word, 512.
      word: Of what the LSTM reads and phrases are made of, 512.
      units: Of the LSTM in one direction, 512.
      joint: In which boxes and phrases are compared, 512.
      pool5: Channels of the detector's trunk, 1024.
      fc7: Channels one block further, 2048.
      attributes: How many there are, 50.
      alike: How many of its own kind a box knows of, 5.
    """

    words: int
    embedding: int
    word: int
    units: int
    joint: int
    pool5: int
    fc7: int
    attributes: int
    alike: int


def shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Name to shape of each tensor of a "mattnet" checkpoint.

    Names are the released ones with "/" for "."; see `layers.Layers` and `language` for what a
    layer's parts are.
    """
    found: dict[str, tuple[int, ...]] = {"rnn_encoder/embedding": (sizes.words, sizes.embedding)}

    def dense(name: str, inputs: int, outputs: int) -> None:
        found[f"{name}/kernel"] = (inputs, outputs)
        found[f"{name}/bias"] = (outputs,)

    def batch_norm(name: str) -> None:
        found.update({f"{name}/{part}": (sizes.joint,) for part in BATCH_NORM})

    def normalize(name: str, channels: int) -> None:
        found[f"{name}_normalizer/scale"] = (channels,)

    dense("rnn_encoder/mlp/0", sizes.embedding, sizes.word)
    for direction in ("forward", "backward"):
        dense(f"rnn_encoder/{direction}", sizes.word + sizes.units, 4 * sizes.units)
    dense("weight_fc", 2 * sizes.units, 3)
    for module in ("sub", "loc", "rel"):
        dense(f"{module}_attn/fc", 2 * sizes.units, 1)

    normalize("sub_encoder/pool5", sizes.pool5)
    normalize("sub_encoder/fc7", sizes.fc7)
    normalize("sub_encoder/att", sizes.joint)
    normalize("sub_encoder/phrase", sizes.word)
    dense("sub_encoder/att_fuse/0", sizes.pool5 + sizes.fc7, sizes.joint)
    batch_norm("sub_encoder/att_fuse/1")
    dense("sub_encoder/att_fc", sizes.joint, sizes.attributes)
    dense("sub_encoder/attn_fuse/0", sizes.fc7 + sizes.joint + sizes.word, sizes.joint)
    dense("sub_encoder/attn_fuse/2", sizes.joint, 1)

    normalize("loc_encoder/lfeat", NUMBERS)
    normalize("loc_encoder/dif_lfeat", NUMBERS * sizes.alike)
    dense("loc_encoder/fc", NUMBERS * (1 + sizes.alike), sizes.joint)

    normalize("rel_encoder/vis_feat", sizes.fc7)
    normalize("rel_encoder/lfeat", NUMBERS)
    dense("rel_encoder/fc", sizes.fc7 + NUMBERS, sizes.joint)

    seen = {"sub": sizes.fc7 + sizes.joint, "loc": sizes.joint, "rel": sizes.joint}
    for module, channels in seen.items():
        for tower, inputs in (("vis_emb_fc", channels), ("lang_emb_fc", sizes.word)):
            name = f"{module}_matching/{tower}"
            dense(f"{name}/0", inputs, sizes.joint)
            batch_norm(f"{name}/1")
            dense(f"{name}/4", sizes.joint, sizes.joint)
            batch_norm(f"{name}/5")
    return found


BATCH_NORM = ("gamma", "beta", "mean", "variance")


def find(tensors: Mapping[str, Any]) -> Sizes:
    """The sizes that a checkpoint's tensors have.

    Raises:
      LookupError: A tensor that tells one is missing, or has another rank.
    """
    words, embedding = tensors["rnn_encoder/embedding"].shape
    joined, gates = tensors["rnn_encoder/forward/kernel"].shape
    return Sizes(
        words,
        embedding,
        joined - gates // 4,
        gates // 4,
        tensors["loc_encoder/fc/bias"].shape[0],
        tensors["sub_encoder/pool5_normalizer/scale"].shape[0],
        tensors["sub_encoder/fc7_normalizer/scale"].shape[0],
        tensors["sub_encoder/att_fc/bias"].shape[0],
        tensors["loc_encoder/dif_lfeat_normalizer/scale"].shape[0] // NUMBERS,
    )
