"""The objective of `paper.gin` in PyTorch, as its users would write it, for the benchmark.

The same checkpoints, the same values and the same gradients as `cagic_tf.method.objective`, for one
photo and Eq. 1's picture of it. The fast ways of PyTorch on a CPU are taken: channels last, biases
within the convolutions, activations in place, no gradient of what is frozen, no work that is the
same for every word within the loop over words. Needs torch, of the extra `port`.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F

from cagic_tf.networks import vfn
from cagic_tf.networks.checkpoints import Checkpoint
from cagic_tf.networks.trunks import lite0

START = 0  # Index of `<start>`, the word before the first.
# What a pixel is once it is normalised: (255 * value - 127) / 128.
GAIN, ZERO = 255 / 128, 127 / 255


def to_torch(checkpoint: Checkpoint, dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """A checkpoint's tensors, frozen."""
    return {
        name: torch.from_numpy(np.array(value)).to(dtype)
        for name, value in checkpoint.tensors.items()
    }


def _halving() -> set[str]:
    """Names of the depthwise convolutions with a stride of two."""
    strides = enumerate(stride for _, stride, _, _ in lite0.blocks())
    return {f"block{index:02d}/depthwise" for index, stride in strides if stride == 2}


class Trunk:
    """Lite0 with its batch norms folded: crops `[N, 3, 224, 224]` to features `[N, 49, 1280]`."""

    def __init__(self, tensors: Mapping[str, torch.Tensor]):
        """Takes the tensors of a "lite0" checkpoint."""
        self._kernels, self._biases = {}, {}
        for name in {key.rpartition("/")[0] for key in tensors}:
            order = (2, 3, 0, 1) if name.endswith("depthwise") else (3, 2, 0, 1)
            kernel, bias = tensors[f"{name}/kernel"].permute(order), tensors[f"{name}/bias"]
            if name == "stem":  # Normalises too.
                bias = bias - kernel.sum((1, 2, 3)) * GAIN * ZERO
                kernel = kernel * GAIN
            elif (
                name in _halving()
            ):  # TensorFlow pads less on the left and above. So does a 0 there.
                kernel = F.pad(kernel, (1, 0, 1, 0))
            self._kernels[name] = kernel.contiguous(memory_format=torch.channels_last)
            self._biases[name] = bias

    def __call__(self, crops: torch.Tensor) -> torch.Tensor:
        """Computes the annotation vectors of RGB in [0, 1], channels last for speed."""
        # A pixel that is normalised to 0 stands where TensorFlow pads: right and below.
        x = F.pad(crops, (0, 1, 0, 1), value=ZERO)
        x = F.conv2d(x, self._kernels["stem"], self._biases["stem"], stride=2)
        x = F.relu6(x, inplace=True)
        for index, (size, stride, expansion, channels) in enumerate(lite0.blocks()):
            name, block_input = f"block{index:02d}", x
            if expansion != 1:
                x = F.relu6(self._convolve(x, f"{name}/expand"), inplace=True)
            x = self._depthwise(x, f"{name}/depthwise", size, stride)
            x = self._convolve(x, f"{name}/project")
            if stride == 1 and block_input.shape[1] == channels:
                x += block_input
        x = F.relu6(self._convolve(x, "head"), inplace=True)
        return x.permute(0, 2, 3, 1).flatten(1, 2)

    def _convolve(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.conv2d(x, self._kernels[name], self._biases[name])

    def _depthwise(self, x: torch.Tensor, name: str, size: int, stride: int) -> torch.Tensor:
        kernel, bias = self._kernels[name], self._biases[name]
        x = F.conv2d(x, kernel, bias, stride, size // 2, groups=x.shape[1])
        return F.relu6(x, inplace=True)


class Captioner:
    """DeepRNN's Show, Attend and Tell with two-layer heads: word distributions of Eq. 4."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], end: int, max_words: int):
        """Takes the tensors of a "sat" checkpoint, the end word, and the longest caption."""
        self._weights, self._end, self._max_words = tensors, end, max_words
        # The LSTM and the output layer are linear in context, word and output: one product each.
        lstm, head = tensors["lstm/lstm_cell/kernel"], tensors["decode/fc_1/kernel"]
        words, units = tensors["word_embedding/weights"], lstm.shape[1] // 4
        context = lstm.shape[0] - words.shape[1] - units
        gates = lstm.split([context, words.shape[1], units])
        from_output, from_context, from_word = head.split([units, context, words.shape[1]])
        self._by_context = torch.cat([gates[0], from_context], 1)
        self._by_output = torch.cat([gates[2], from_output], 1)
        bias = torch.cat([tensors["lstm/lstm_cell/bias"], tensors["decode/fc_1/bias"]])
        self._by_word = words @ torch.cat([gates[1], from_word], 1) + bias
        self._sizes = [4 * units, head.shape[1]]

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """The mean distribution `[N, V]` of each picture's greedy caption, without its end word."""
        keys = torch.tanh(self._dense(features, "attend/fc_1a"))
        # What the LSTM adds to the scores is the same for all places, so no softmax sees it.
        alpha = torch.softmax(keys @ self._weights["attend/fc_2/kernel"], 1)
        seen = (alpha.transpose(1, 2) @ features)[:, 0] @ self._by_context
        mean = features.mean(1)
        memory, output = (self._head(mean, f"initialize/fc_{head}") for head in ("a", "b"))
        sizes = self._sizes
        recalled = output @ self._by_output[:, : sizes[0]]
        words = torch.full([len(features)], START)
        ended = torch.zeros_like(words, dtype=torch.bool)
        hidden, counted = [], []
        while len(hidden) < self._max_words and not ended.all():
            gates, sums = (self._by_word[words] + seen).split(sizes, 1)
            i, j, f, o = (gates + recalled).chunk(4, 1)
            memory = torch.sigmoid(f + 1) * memory + torch.sigmoid(i) * torch.tanh(j)
            output = torch.sigmoid(o) * torch.tanh(memory)
            recalled, own = (output @ self._by_output).split(sizes, 1)
            hidden.append(torch.tanh(sums + own))
            with torch.no_grad():
                words = self._dense(hidden[-1], "decode/fc_2").argmax(1)
            ended = ended | (words == self._end)
            counted.append(~ended)
        counted[0] = torch.ones_like(ended)  # So that the mean exists.
        probabilities = torch.softmax(self._dense(torch.stack(hidden, 1), "decode/fc_2"), 2)
        weights = torch.stack(counted, 1).to(features.dtype)
        weights = weights / weights.sum(1, keepdim=True)
        return (weights[:, None] @ probabilities)[:, 0]

    def _head(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return self._dense(torch.tanh(self._dense(x, f"{name}1")), f"{name}2")

    def _dense(self, x: torch.Tensor, name: str) -> torch.Tensor:
        return F.linear(x, self._weights[f"{name}/kernel"].T, self._weights[f"{name}/bias"])


class Scorer:
    """The View Finding Network's head: features `[N, 49, 1280]` to scores `[N]`."""

    def __init__(self, tensors: Mapping[str, torch.Tensor], bins: Sequence[int]):
        """Takes the tensors of a "vfn" checkpoint and its bins a side, level by level."""
        self._hidden, self._bias = tensors["ranker/fc6w"], tensors["ranker/fc6b"]
        self._last = tensors["ranker/W"]
        self._pool = torch.from_numpy(vfn.bin_weights(7, bins)).to(self._last.dtype)

    def __call__(self, features: torch.Tensor) -> torch.Tensor:
        """Higher is better."""
        pooled = (self._pool @ features).flatten(1)
        return (torch.relu(pooled @ self._hidden + self._bias) @ self._last)[:, 0]


class Objective:
    """Eq. 3 of crops of one photo.

    Attributes:
      trunk: The trunk.
    """

    def __init__(
        self,
        trunk: Checkpoint,
        captioner: Checkpoint,
        scorer: Checkpoint,
        picture: np.ndarray,
        target: np.ndarray,
        aesthetic_weight: float,
        max_words: int,
        dtype: torch.dtype = torch.float32,
    ):
        """Takes the checkpoints of `paper.gin`, the photo and the settings.

        Args:
          trunk: A "lite0" checkpoint.
          captioner: A "sat" checkpoint with DeepRNN's attention and two layers a head.
          scorer: A "vfn" checkpoint that pools means.
          picture: `[2 H + 1, 2 W + 1, 3]`, see `sampling.pyramid_mean`.
          target: `[V]`, the mean of the user's one-hot words.
          aesthetic_weight: lambda of Eq. 3.
          max_words: The longest caption, end word included.
          dtype: torch.float32, or torch.float64 to check gradients.
        """
        end = captioner.manifest["vocabulary"].index(".")
        self.trunk = Trunk(to_torch(trunk, dtype))
        self._captioner = Captioner(to_torch(captioner, dtype), end, max_words)
        self._scorer = Scorer(to_torch(scorer, dtype), scorer.manifest["bins"])
        self._picture = torch.from_numpy(np.array(picture)).to(dtype).permute(2, 0, 1)[None]
        self._target = torch.from_numpy(np.array(target)).to(dtype)
        self._aesthetic_weight = aesthetic_weight

    def sample(self, theta: torch.Tensor) -> torch.Tensor:
        """Eq. 1's crops `[N, 3, 224, 224]` of `theta`, `[N, 3]` rows `(x, y, s)`."""
        x, y, scale = theta[:, :, None].unbind(1)
        zero = torch.zeros_like(scale)
        rows = torch.stack([torch.cat([scale, zero, x], 1), torch.cat([zero, scale, y], 1)], 1)
        grid = F.affine_grid(rows, [len(theta), 3, 224, 224], align_corners=False)
        picture = self._picture.expand(len(theta), -1, -1, -1)
        crops = F.grid_sample(picture, grid, padding_mode="border", align_corners=True)
        return crops.contiguous(memory_format=torch.channels_last)

    def __call__(self, theta: torch.Tensor) -> torch.Tensor:
        """L_total `[N]` of the crops `theta`, `[N, 3]` rows `(x, y, s)`."""
        features = self.trunk(self.sample(theta))
        distribution = self._captioner(features)
        tiny = torch.finfo(distribution.dtype).tiny
        caption = -(self._target * distribution.clamp(min=tiny).log()).sum(1)  # Eq. 4
        return caption - self._aesthetic_weight * self._scorer(features)  # Eq. 5, Eq. 3
