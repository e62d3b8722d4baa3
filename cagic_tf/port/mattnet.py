"""MAttNet as Yu et al. released it: a PyTorch file and a JSON file with its words.

https://github.com/lichengunc/MAttNet; `refcoco_unc.zip` and its sisters hold `mrcn_cmr_with_st.pth`
and `mrcn_cmr_with_st.json`. The first is a pickle of the whole network and its options.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cagic_tf.baselines.mattnet import mattnet, sizes
from cagic_tf.networks import checkpoints
from cagic_tf.port import mattnet_options, output, source, torch_files

TRUNK = "resnet101"
# Classes of which a whole network's pickle is made: PyTorch's, and MAttNet's own in its `lib`.
MODULES = r"(torch\.nn|torch\.backends\.cudnn|(lib\.)?(layers|models?)|__main__)\.[\w.]+"
# Our name of a layer's part to the released one.
_PARTS = {
    "kernel": "weight",
    "bias": "bias",
    "scale": "weight",
    "gamma": "weight",
    "beta": "bias",
    "mean": "running_mean",
    "variance": "running_var",
}
_DIRECTIONS = {"forward": "", "backward": "_reverse"}
# PyTorch 0.4 and later keep this beside each batch norm.
_COUNTER = "num_batches_tracked"


def released(name: str, shape: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    """Name to shape of the released tensors that one of ours is made of.

    Args:
      name: Of ours, as in `sizes.shapes`.
      shape: Of ours.
    """
    module, _, part = name.rpartition("/")
    theirs = module.replace("/", ".")
    direction = module.removeprefix("rnn_encoder/")
    if direction in _DIRECTIONS:
        ending = f"l0{_DIRECTIONS[direction]}"
        if part == "bias":
            return {f"rnn_encoder.rnn.bias_{which}_{ending}": shape for which in ("ih", "hh")}
        inputs, gates = shape
        widths = {"ih": inputs - gates // 4, "hh": gates // 4}
        return {
            f"rnn_encoder.rnn.weight_{which}_{ending}": (gates, width)
            for which, width in widths.items()
        }
    if part == "embedding":
        return {"rnn_encoder.embedding.weight": shape}
    if part == "scale":
        return {f"{theirs}.weight": (1, *shape)}
    return {f"{theirs}.{_PARTS[part]}": shape[::-1]}


def join(name: str, parts: list[np.ndarray]) -> np.ndarray:
    """One of our tensors from the released ones that `released` names, in that order."""
    last = name.rpartition("/")[2]
    if last == "kernel":
        return np.concatenate([part.T for part in parts])
    if last == "scale":
        return parts[0][0]
    return sum(parts[1:], parts[0])  # The LSTM has two biases, which are always added.


def find_sizes(state: Mapping[str, np.ndarray], where: Path) -> sizes.Sizes:
    """The network's sizes, from the tensors that tell them.

    Raises:
      checkpoints.CheckpointError: Such a tensor is missing, or has another rank.
    """
    told = {
        "rnn_encoder.embedding.weight": 2,
        "rnn_encoder.rnn.weight_ih_l0": 2,
        "loc_encoder.fc.bias": 1,
        "sub_encoder.pool5_normalizer.weight": 2,
        "sub_encoder.fc7_normalizer.weight": 2,
        "sub_encoder.att_fc.bias": 1,
        "loc_encoder.dif_lfeat_normalizer.weight": 2,
    }
    found = []
    for name, rank in told.items():
        shape = state[name].shape if name in state else None
        if shape is None or len(shape) != rank or 0 in shape:
            has = "is missing" if shape is None else f"is {list(shape)}"
            raise checkpoints.CheckpointError(f"{where} is no MAttNet: {name} {has}")
        found.append(shape)
    (words, embedding), (gates, word), (joint,), (_, pool5), (_, fc7), (count,), (_, near) = found
    alike = near // sizes.NUMBERS
    return sizes.Sizes(words, embedding, word, gates // 4, joint, pool5, fc7, count, alike)


def convert(state: Mapping[str, np.ndarray], where: Path) -> dict[str, np.ndarray]:
    """The tensors of a "mattnet" checkpoint from a released state, float32.

    Raises:
      checkpoints.CheckpointError: A tensor is missing, left over or of another shape.
    """
    state = {name: value for name, value in state.items() if not name.endswith(_COUNTER)}
    shapes = sizes.shapes(find_sizes(state, where))
    theirs = {name: released(name, shape) for name, shape in shapes.items()}
    expected = {name: shape for parts in theirs.values() for name, shape in parts.items()}
    source.check(state, expected, where)
    return {name: join(name, [state[part] for part in parts]) for name, parts in theirs.items()}


def read(path: Path) -> tuple[dict[str, np.ndarray], Mapping[str, Any]]:
    """A weights file's state and its options.

    It may be as released, with the whole network and its options, or a plain state_dict, alone or
    with options beside it.

    Raises:
      checkpoints.CheckpointError: The file is no such file, or names what no network needs.
      OSError: It cannot be read.
    """
    found = torch_files.read(path, modules=MODULES)
    options: Any = {}
    if isinstance(found, dict) and "model" in found:
        found, options = found["model"], found.get("opt") or {}
    if not isinstance(found, dict):
        found = torch_files.state_dict(found)
    if not isinstance(options, dict):
        raise checkpoints.CheckpointError(f"{path} has options that are no dict")
    for name, value in found.items():
        if not (isinstance(name, str) and isinstance(value, np.ndarray)):
            raise checkpoints.CheckpointError(
                f"{path} holds no MAttNet: the entry {str(name)[:80]!r} is no named tensor"
            )
    return found, options


def port(
    weights_file: Path, options_file: Path, folder: Path, command: str, commit: str
) -> list[str]:
    """Writes the network to `folder`.

    Args:
      weights_file: The released `.pth`; see `read`.
      options_file: The `.json` that belongs to it.
      folder: Where to write; must not be there yet.
      command: The command, for the manifest.
      commit: The commit, for the manifest.

    Returns:
      What was found and made, a line each.

    Raises:
      checkpoints.CheckpointError: A file is not what it should be; a tensor is missing, left over
        or of another shape; the files do not belong together; `folder` exists.
      OSError: A file cannot be read or written.
    """
    options = mattnet_options.read(options_file)
    state, stored = read(weights_file)
    tensors = convert(state, weights_file)
    found = sizes.find(tensors)
    around = mattnet_options.check(options, stored, found, options_file)
    files = (weights_file, options_file)
    digests = "; ".join(f"{path.name}, SHA-256 {source.sha256(path)}" for path in files)
    kinds = "any category" if around["with_st"] else "other categories"
    facts = [
        f"LSTM {found.units} in both directions, {found.words} words, "
        f"{found.attributes} attributes",
        f"boxes and phrases are compared in {found.joint} dimensions",
        f"{around['num_cxt']} things of {kinds} around a box, and {found.alike} of its own",
        f"needs a detector with {found.pool5} and {found.fc7} channels on 7 x 7 cells of each box",
    ]
    if isinstance(options.opt.get("dataset"), str):
        facts.append(f"trained on {options.opt['dataset']}, split {options.opt.get('splitBy')}")
    extra = {
        "trunk": TRUNK,
        "vocabulary": options.words,
        "attributes": options.attributes,
        **around,
    }
    with output.new_folder(folder) as made:
        manifest = output.save(
            made,
            mattnet.KIND,
            tensors,
            facts,
            source=f"Yu et al., MAttNet, {digests}",
            command=command,
            commit=commit,
            extra=extra,
        )
    return [*facts, output.describe(folder, manifest)]
