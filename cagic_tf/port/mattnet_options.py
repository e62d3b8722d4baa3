"""MAttNet's options and words: the JSON file beside its weights, and the options in those."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cagic_tf.baselines.mattnet import sizes, text
from cagic_tf.networks import checkpoints
from cagic_tf.system import arguments

PADDING = "<PAD>"  # The word before the first.


class Options(NamedTuple):
    """What the JSON file says.

    Attributes:
      opt: The options that the network was trained with.
      words: The vocabulary in order.
      attributes: The attributes' names in order.
    """

    opt: Mapping[str, Any]
    words: list[str]
    attributes: list[str]


def read(path: Path) -> Options:
    """Reads the JSON file; what it has of the training's history is left out.

    Raises:
      checkpoints.CheckpointError: It is no such file; one line.
      OSError: It cannot be read.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
        if not isinstance(found, dict) or not isinstance(found.get("opt"), dict):
            raise ValueError('it has no "opt" with the options')
        words, attributes = (_in_order(found, key) for key in ("word_to_ix", "att_to_ix"))
        if words[text.PADDING] != PADDING:
            raise ValueError(f"the first word is {words[0]!r} and not {PADDING}")
    except (ValueError, RecursionError) as error:
        raise checkpoints.CheckpointError(
            f"{path} is no JSON file of a released MAttNet: {error}"
        ) from error
    return Options(found["opt"], words, attributes)


def _in_order(found: Mapping[str, Any], key: str) -> list[str]:
    """The names in the order of their numbers."""
    table = found.get(key)
    if not isinstance(table, dict) or not table:
        raise ValueError(f'it has no "{key}" with a number for each name')
    numbers = list(table.values())
    if not all(type(number) is int for number in numbers):
        raise ValueError(f'"{key}" has values that are no whole numbers')
    if sorted(numbers) != list(range(len(table))):
        raise ValueError(f'the numbers in "{key}" are not 0 to {len(table) - 1}, each once')
    return sorted(table, key=table.__getitem__)


def check(
    options: Options, stored: Mapping[str, Any], found: sizes.Sizes, where: Path
) -> dict[str, int]:
    """What a network needs beside its tensors: how many things around a box count, and which.

    Args:
      options: Of the JSON file.
      stored: The options in the weights' file; empty where that has none.
      found: The sizes of the tensors.
      where: The JSON file.

    Returns:
      `num_cxt`, 1 or more, and `with_st`, 0 or 1.

    Raises:
      checkpoints.CheckpointError: Both files, or options and tensors, do not belong together; an
        option is missing, or one that this project does not have.
    """
    needed = {
        "vocab_size": found.words,
        "word_embedding_size": found.embedding,
        "word_vec_size": found.word,
        "rnn_hidden_size": found.units,
        "jemb_dim": found.joint,
        "pool5_dim": found.pool5,
        "fc7_dim": found.fc7,
        "num_atts": found.attributes,
        "rnn_type": "lstm",
        "rnn_num_layers": 1,
        "bidirectional": 1,
        "variable_lengths": 1,
    }
    in_weights, opt = _simple(stored), _simple({**stored, **options.opt})
    for name in (*needed, "num_cxt", "with_st"):
        if name in in_weights and in_weights[name] != opt.get(name):
            raise checkpoints.CheckpointError(
                f"{where} says {name} = {arguments.shown(opt.get(name))}, but the weights were "
                f"trained with {arguments.shown(in_weights[name])}: they do not belong together"
            )
    for name, value in needed.items():
        if opt.get(name, value) != value:
            raise checkpoints.CheckpointError(
                f"{where} says {name} = {arguments.shown(opt[name])}; these weights need {value!r}"
            )
    for names, count, what in (
        (options.words, found.words, "words"),
        (options.attributes, found.attributes, "attributes"),
    ):
        if len(names) != count:
            raise checkpoints.CheckpointError(
                f"{where} has {len(names)} {what}, but the weights were trained with {count}: "
                "they do not belong together"
            )
    slots, same_kind = opt.get("num_cxt"), opt.get("with_st")
    if type(slots) is not int or slots < 1 or same_kind not in (0, 1):
        raise checkpoints.CheckpointError(
            f"{where} has num_cxt = {arguments.shown(slots)} and with_st = "
            f"{arguments.shown(same_kind)}; 1 or more, and 0 or 1 are needed"
        )
    return {"num_cxt": slots, "with_st": int(same_kind)}


def _simple(opt: Mapping[str, Any]) -> dict[str, Any]:
    """Those options that are a text or a number; all that are read are."""
    return {name: value for name, value in opt.items() if isinstance(value, str | int | float)}
