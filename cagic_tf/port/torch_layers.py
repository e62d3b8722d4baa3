"""PyTorch's layers as TensorFlow's: kernels' axes in another order, batch norms folded away."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

EPSILON = 1e-5  # PyTorch's default of a batch norm.
NORM = ("weight", "bias", "running_mean", "running_var")


class Layer(NamedTuple):
    """A convolution that is ported.

    Attributes:
      ours: Its name here; one that ends with "depthwise" sees each channel by itself.
      shape: Of its kernel here, `[h, w, in, out]`, or `[h, w, C, 1]` of a depthwise one.
      theirs: Its name there.
      norm: The name of the batch norm behind it, or "".
      has_bias: Whether it has one of its own.
    """

    ours: str
    shape: tuple[int, ...]
    theirs: str
    norm: str = ""
    has_bias: bool = True

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Name to shape of its tensors there."""
        high, wide, *channels = self.shape
        inside, out = channels if not self._is_depthwise() else (1, channels[0])
        found: dict[str, tuple[int, ...]] = {f"{self.theirs}.weight": (out, inside, high, wide)}
        if self.has_bias:
            found[f"{self.theirs}.bias"] = (out,)
        if self.norm:
            found |= {f"{self.norm}.{part}": (out,) for part in NORM}
        return found

    def convert(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Its kernel and bias here, float32; `state` holds what `shapes` names."""
        kernel = state[f"{self.theirs}.weight"].astype(np.float64)
        bias = np.zeros(len(kernel))
        if self.has_bias:
            bias = state[f"{self.theirs}.bias"].astype(np.float64)
        if self.norm:
            parts = (state[f"{self.norm}.{part}"].astype(np.float64) for part in NORM)
            gamma, beta, mean, variance = parts
            gain = gamma / np.sqrt(variance + EPSILON)
            kernel, bias = kernel * gain[:, None, None, None], (bias - mean) * gain + beta
        kernel = kernel.transpose((2, 3, 0, 1) if self._is_depthwise() else (2, 3, 1, 0))
        return {
            f"{self.ours}/kernel": kernel.astype(np.float32),
            f"{self.ours}/bias": bias.astype(np.float32),
        }

    def _is_depthwise(self) -> bool:
        return self.ours.endswith("depthwise")
