"""Show, Attend and Tell's decoder in NumPy, written out for one picture, with random weights."""

import numpy as np

L, D, H, A, E, P = 4, 6, 5, 3, 4, 7  # Places, features, LSTM, attention, embedding, heads.
WORDS = ["<start>", "a", "dog", "on", "the", "grass", "man's", "."]
V, END = len(WORDS), 7


def random_weights(layers, seed=0, end_bias=0.0):
    """Names and shapes of DeepRNN's `image_captioning`, for one or two layers a head.

    "xu" has two, but Xu et al.'s attention, and a layer that shortens annotation vectors first.
    """
    if layers == "xu":
        weights = random_weights(2, seed, end_bias)
        rng = np.random.default_rng(seed + 1)
        for old, new in (("1a", "features"), ("1b", "memory"), ("2", "score")):
            weights[f"attend/{new}/kernel"] = weights.pop(f"attend/fc_{old}/kernel")
        weights["attend/features/bias"] = weights.pop("attend/fc_1a/bias")
        del weights["attend/fc_1b/bias"]
        weights["project/kernel"] = rng.normal(0, 0.8, (D, D))
        weights["project/bias"] = rng.normal(0, 0.8, D)
        return weights
    shapes = {
        "word_embedding/weights": (V, E),
        "lstm/lstm_cell/kernel": (D + E + H, 4 * H),
        "lstm/lstm_cell/bias": (4 * H,),
    }
    if layers == 1:
        sizes = {"initialize/fc_a": (D, H), "initialize/fc_b": (D, H)}
        sizes["decode/fc"] = (H + D + E, V)
        shapes |= {"attend/fc_a/kernel": (D, 1), "attend/fc_b/kernel": (H, L)}
    else:
        sizes = {
            "initialize/fc_a1": (D, P),
            "initialize/fc_a2": (P, H),
            "initialize/fc_b1": (D, P),
            "initialize/fc_b2": (P, H),
            "attend/fc_1a": (D, A),
            "attend/fc_1b": (H, A),
            "decode/fc_1": (H + D + E, P),
            "decode/fc_2": (P, V),
        }
        shapes["attend/fc_2/kernel"] = (A, 1)
    for name, (rows, columns) in sizes.items():
        shapes |= {f"{name}/kernel": (rows, columns), f"{name}/bias": (columns,)}
    rng = np.random.default_rng(seed)
    weights = {name: rng.normal(0, 0.8, shape) for name, shape in shapes.items()}
    weights["decode/fc/bias" if layers == 1 else "decode/fc_2/bias"][END] += end_bias
    return weights


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x):
    return np.exp(x - x.max()) / np.exp(x - x.max()).sum()


class Reference:
    """DeepRNN's decoder for one picture, written out in NumPy."""

    def __init__(self, weights, layers):
        self.w, self.layers = weights, layers

    def dense(self, name, x):
        return x @ self.w[f"{name}/kernel"] + self.w.get(f"{name}/bias", 0)

    def project(self, features):
        return np.maximum(self.dense("project", features), 0) if self.layers == "xu" else features

    def initialize(self, features):
        mean = features.mean(0)
        if self.layers == 1:
            return self.dense("initialize/fc_a", mean), self.dense("initialize/fc_b", mean)
        memory = self.dense("initialize/fc_a2", np.tanh(self.dense("initialize/fc_a1", mean)))
        return memory, self.dense("initialize/fc_b2", np.tanh(self.dense("initialize/fc_b1", mean)))

    def alpha(self, features, output):
        if self.layers == 1:
            picture = self.dense("attend/fc_a", features)[:, 0]
            return softmax(picture + self.dense("attend/fc_b", output))
        if self.layers == "xu":
            memory = self.dense("attend/memory", output)
            hidden = np.tanh(self.dense("attend/features", features) + memory)
            return softmax(self.dense("attend/score", hidden)[:, 0])
        scores = [
            self.dense(
                "attend/fc_2",
                np.tanh(self.dense("attend/fc_1a", place))
                + np.tanh(self.dense("attend/fc_1b", output)),
            )[0]
            for place in features
        ]
        return softmax(np.array(scores))

    def step(self, features, word, memory, output):
        context = sum(
            weight * place
            for weight, place in zip(self.alpha(features, output), features, strict=True)
        )
        embedding = self.w["word_embedding/weights"][word]
        gates = self.dense("lstm/lstm_cell", np.concatenate([context, embedding, output]))
        i, j, f, o = gates.reshape(4, H)
        memory = memory * sigmoid(f + 1.0) + sigmoid(i) * np.tanh(j)
        output = np.tanh(memory) * sigmoid(o)
        expanded = np.concatenate([output, context, embedding])
        if self.layers == 1:
            return self.dense("decode/fc", expanded), memory, output
        hidden = np.tanh(self.dense("decode/fc_1", expanded))
        return self.dense("decode/fc_2", hidden), memory, output

    def greedy(self, features, steps):
        features = self.project(features)
        memory, output = self.initialize(features)
        word, words, probabilities = 0, [], []
        for _ in range(steps):
            logits, memory, output = self.step(features, word, memory, output)
            word = int(np.argmax(logits))
            words.append(word)
            probabilities.append(softmax(logits))
        return np.array(words), np.array(probabilities)

    def read(self, features, words):
        features = self.project(features)
        memory, output = self.initialize(features)
        logs = []
        for before, word in zip([0, *words], words, strict=False):
            logits, memory, output = self.step(features, before, memory, output)
            logs.append(np.log(softmax(logits)[word]))
        return np.array(logs)


def pictures(count, seed=1):
    return np.random.default_rng(seed).normal(size=(count, L, D))
