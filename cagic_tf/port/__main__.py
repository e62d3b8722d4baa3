"""Released weights to this project's format: `python -m cagic_tf.port ORIGIN ... --output=DIR`."""

import argparse
import sys
from pathlib import Path

from cagic_tf.networks import checkpoints
from cagic_tf.system import provenance, startup

DESCRIPTION = """
Turns weights that others have released into checkpoints that this project can use. Name where they
come from, give their files, and say where the new checkpoint shall be. Nothing that a file holds is
run, and a port that fails leaves nothing behind. "python -m cagic_tf.port ORIGIN --help" says what
each of them needs.
"""
ORIGINS = {
    "deeprnn": "Ports the captioner Show, Attend and Tell of DeepRNN's image_captioning.",
    "vfn": "Ports the aesthetic scorer of Chen et al., the View Finding Network.",
    "mattnet": "Ports Yu et al.'s MAttNet, which finds the thing that a phrase means.",
    "mattnet_detector": "Ports the Mask R-CNN that finds MAttNet's things, without its masks.",
    "keras_vgg16": "Ports the VGG16 of keras.applications; its classifier is left out.",
    "gaic": "Ports GAIC, the cropper of Zeng et al. that chooses from a grid of crops.",
    "lite0": "Ports EfficientNet-Lite0, which the embedded networks stand on.",
    "lexicon": "Ports Lite0's classifier and, from WordNet, the nouns that its classes stand for.",
    "synonyms": "Makes the table of WordNet's words that others are read as.",
    "a2rl": "Ports the cropper A2-RL of Li et al., one of Table 1's other systems.",
    "vpn": "Ports the cropper View Proposal Net of Wei et al., another of them.",
}
PTH = "The network's .pth file. Without it, the one in the installed package is taken."


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line: which origin, its files, and where to write."""
    parser = argparse.ArgumentParser(prog="python -m cagic_tf.port", description=DESCRIPTION)
    commands = parser.add_subparsers(dest="origin", metavar="ORIGIN", required=True)
    origins = {
        name: commands.add_parser(name, help=text, description=text)
        for name, text in ORIGINS.items()
    }

    def add_file(origin: str, option: str, text: str, required: bool = True) -> None:
        origins[origin].add_argument(option, type=Path, required=required, help=text)

    add_file("deeprnn", "--weights", "The .npy file with the weights, such as 289999.npy.")
    add_file("deeprnn", "--vocabulary", "The vocabulary.csv that belongs to these weights.")
    add_file("vfn", "--weights", "A TensorFlow 1 checkpoint, or a folder that holds just one.")
    origins["vfn"].add_argument(
        "--pooling",
        choices=("spp-max", "spp-avg"),
        help="How the network pools. It is needed only where the file's name does not say so.",
    )
    add_file("mattnet", "--weights", "The .pth file, such as mrcn_cmr_with_st.pth.")
    add_file("mattnet", "--options", "The .json file of the same name, with words and options.")
    file = "res101_mask_rcnn_iter_1250000.pth"
    add_file("mattnet_detector", "--weights", f"The .pth file, such as {file}.")
    add_file("keras_vgg16", "--weights", "The .h5 file, as Keras downloads or saves it.")
    add_file("gaic", "--weights", "The .pth file of any of its trunks.")
    add_file("lite0", "--weights", PTH, required=False)
    add_file("lexicon", "--weights", PTH, required=False)
    files = "index.noun, data.noun and noun.exc"
    add_file("lexicon", "--wordnet", f"A folder of WordNet 3.0 with the files {files}.")
    files = "index.noun, data.noun, noun.exc, index.verb, data.verb, verb.exc and cntlist.rev"
    add_file("synonyms", "--wordnet", f"A folder of WordNet 3.0 with the files {files}.")
    add_file("lexicon", "--synsets", "A text file with ImageNet's 1,000 synsets, one a line.")
    add_file("a2rl", "--weights", "The pickle with the weights, vfn_rl.pkl.")
    add_file("vpn", "--weights", "A TensorFlow 1 checkpoint, or a folder that holds just one.")
    for name in origins:
        add_file(name, "--output", "The folder to make. It must not be there yet, or be empty.")
    return parser.parse_args(arguments)


def run(options: argparse.Namespace, shown: str) -> list[str]:
    """Runs one port; returns what it found and made, a line each."""
    startup.quiet()
    from cagic_tf.port import (
        a2rl,
        deeprnn,
        gaic,
        keras_vgg16,
        lite0,
        mattnet,
        mattnet_detector,
        vfn,
        vpn,
    )

    record = (options.output, shown, provenance.commit())
    match options.origin:
        case "deeprnn":
            return deeprnn.port(options.weights, options.vocabulary, *record)
        case "vfn":
            return vfn.port(options.weights, options.pooling, *record)
        case "a2rl":
            return a2rl.port(options.weights, *record)
        case "vpn":
            return vpn.port(options.weights, *record)
        case "mattnet":
            return mattnet.port(options.weights, options.options, *record)
        case "mattnet_detector":
            return mattnet_detector.port(options.weights, *record)
        case "keras_vgg16":
            return keras_vgg16.port(options.weights, *record)
        case "gaic":
            return gaic.port(options.weights, *record)
        case "lite0":
            return lite0.port(options.weights, *record)
        case "lexicon":
            from cagic_tf.port import lexicon  # Needs nltk, which the ports above do not.

            return lexicon.port(options.weights, options.wordnet, options.synsets, *record)
        case _:
            from cagic_tf.port import synonyms

            return synonyms.port(options.wordnet, *record)


def main(arguments: list[str] | None = None) -> int:
    """Runs one port; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        lines = run(parse(arguments), "python -m cagic_tf.port " + " ".join(arguments))
    except ModuleNotFoundError as error:
        install = "install them with pip install 'cagic_tf[port]'"
        print(f"error: this port needs extra packages; {install} ({error})", file=sys.stderr)
        return 1
    except (checkpoints.CheckpointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
