"""Sizes of a Show, Attend and Tell decoder, and the shapes of its tensors."""

from typing import NamedTuple

# Dense layers of DeepRNN's; the last two are Xu et al.'s attention.
WITHOUT_BIAS = ("attend/fc_a", "attend/fc_b", "attend/fc_2", "attend/memory", "attend/score")


class Sizes(NamedTuple):
    """Sizes of a decoder. A head whose hidden size is None has one layer, else two.

    Attributes:
      words: Words of the vocabulary, V.
      positions: Annotation vectors of a picture, L.
      features: Length of an annotation vector, D.
      embedding: Length of a word's embedding.
      memory: Units of the LSTM, H.
      initialize: Hidden units of each of the two heads that begin the LSTM.
      attend: Hidden units of the attention network.
      decode: Hidden units of the output layer.
      project: Length to which a layer shortens annotation vectors first; None: there is none.
      looks_around: Whether the attention is Xu et al.'s, which sees the LSTM, or DeepRNN's.
    """

    words: int
    positions: int
    features: int
    embedding: int = 512
    memory: int = 512
    initialize: int | None = 512
    attend: int | None = 512
    decode: int | None = 1024
    project: int | None = None
    looks_around: bool = False


def shapes(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Name to shape of every tensor of a decoder; the sizes' defaults are DeepRNN's."""
    dense: dict[str, tuple[int, ...]] = {}
    if sizes.project is not None:
        dense["project"] = (sizes.features, sizes.project)
        sizes = sizes._replace(features=sizes.project)
    joined = sizes.features + sizes.embedding + sizes.memory
    for head in ("a", "b"):
        name, ends = f"initialize/fc_{head}", (sizes.features, sizes.memory)
        dense |= _head_shapes(name, f"{name}1", f"{name}2", *ends, sizes.initialize)
    if sizes.looks_around:
        dense["attend/features"] = (sizes.features, sizes.attend or 1)
        dense["attend/memory"] = (sizes.memory, sizes.attend or 1)
        dense["attend/score"] = (sizes.attend or 1, 1)
    elif sizes.attend is None:
        dense["attend/fc_a"] = (sizes.features, 1)
        dense["attend/fc_b"] = (sizes.memory, sizes.positions)
    else:
        dense["attend/fc_1a"] = (sizes.features, sizes.attend)
        dense["attend/fc_1b"] = (sizes.memory, sizes.attend)
        dense["attend/fc_2"] = (sizes.attend, 1)
    dense["lstm/lstm_cell"] = (joined, 4 * sizes.memory)
    dense |= _head_shapes(
        "decode/fc", "decode/fc_1", "decode/fc_2", joined, sizes.words, sizes.decode
    )
    found: dict[str, tuple[int, ...]] = {"word_embedding/weights": (sizes.words, sizes.embedding)}
    for name, shape in dense.items():
        found[f"{name}/kernel"] = shape
        if name not in WITHOUT_BIAS:
            found[f"{name}/bias"] = shape[1:]
    return found


def _head_shapes(
    only: str, first: str, second: str, inputs: int, outputs: int, hidden: int | None
) -> dict[str, tuple[int, ...]]:
    if hidden is None:
        return {only: (inputs, outputs)}
    return {first: (inputs, hidden), second: (hidden, outputs)}
