"""Crops a photo by one of Table 1's other systems: `python -m cagic_tf.baselines SYSTEM PHOTO`."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from cagic_tf.system import files, startup

DESCRIPTION = """
Crops a photo as one of the four networks does that the paper compares itself with. The best crop
and the next distinct ones are written, with their boxes and scores. The weights are this project's
small stand-ins; --released takes the authors' own, which "python -m cagic_tf.port" makes of the
files that they released.
"""
EXAMPLE = """
  python -m cagic_tf.baselines vpn photo.jpg
  python -m cagic_tf.baselines mattnet photo.jpg "a woman in a blue shirt"
  python -m cagic_tf.baselines a2rl photo.jpg --released --seed=7
"""


def parse(arguments: list[str]) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m cagic_tf.baselines",
        description=DESCRIPTION,
        epilog=f"examples:{EXAMPLE}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("system", choices=("a2rl", "vpn", "gaic", "mattnet"), help="Which one.")
    parser.add_argument("photo", type=Path, help="The photo's file.")
    parser.add_argument("phrase", nargs="?", default="", help="What MAttNet shall find.")
    parser.add_argument(
        "--released", action="store_true", help="The authors' own weights, in original-SYSTEM."
    )
    parser.add_argument("--checkpoint", type=Path, help="A folder with other weights.")
    parser.add_argument(
        "--detections",
        type=Path,
        help="What there is in the photo, for MAttNet: a file in COCO's results format. By default "
        "it has a detector.",
    )
    parser.add_argument(
        "--count", type=int, default=3, help="How many distinct crops to write, by default 3."
    )
    parser.add_argument(
        "--output_dir", type=Path, help="The folder for crops. By default outputs/ and the system."
    )
    parser.add_argument("--seed", type=int, help="Of A2-RL's actions, by default 0.")
    parser.add_argument("--most_steps", type=int, help="A2-RL's limit of actions, by default 50.")
    parser.add_argument(
        "--greedy", action="store_true", help="A2-RL takes its likeliest action, not a drawn one."
    )
    options = parser.parse_args(arguments)
    if (options.system == "mattnet") != bool(options.phrase):
        parser.error("mattnet needs a phrase, as in: mattnet photo.jpg 'a dog'; others take none")
    if options.released and options.checkpoint:
        parser.error("both --released and --checkpoint name the weights; leave one out")
    if options.detections and options.system != "mattnet":
        parser.error("--detections are mattnet's")
    if options.count < 1:
        parser.error(f"--count is {options.count}; 1 or more is needed")
    given = (options.seed is not None, options.most_steps is not None, options.greedy)
    if options.system != "a2rl" and any(given):
        parser.error("--seed, --most_steps and --greedy are a2rl's")
    return options


def run(options: argparse.Namespace) -> list[str]:
    """Crops the photo; returns what was made, a line each."""
    startup.quiet()
    from cagic_tf.baselines import systems
    from cagic_tf.photos import crop_files, reading
    from cagic_tf.system import devices

    devices.prepare()
    system = systems.load(
        options.system,
        options.checkpoint,
        _episodes(options),
        options.released,
        options.detections,
    )
    photo = reading.read(options.photo)
    height, width, _ = photo.shape
    found = systems.distinct(system.boxes(photo, options.phrase, options.photo), options.count)
    boxes = [systems.pixels(each.box, width, height) for each in found]
    folder = options.output_dir or Path("outputs") / options.system
    folder.mkdir(parents=True, exist_ok=True)
    name, ending = f"{options.photo.stem}_{options.system}", crop_files.ending(options.photo)
    lines, crops = [], []
    for number, (box, each) in enumerate(zip(boxes, found, strict=True), 1):
        path = folder / f"{name}_{number}{ending}"
        if path.exists() and path.samefile(options.photo):
            raise ValueError(f"the crop would replace its own photo {path}; give --output_dir")
        files.write_atomically(path, crop_files.cut(options.photo, box))
        crops.append({"file": path.name, "box": list(box), "score": each.score})
        lines.append(f"{path}: {' x '.join(map(str, box[2:]))} pixels, score {each.score:.4g}")
    record: dict[str, Any] = {"photo": options.photo.name, "system": options.system}
    record |= {"phrase": options.phrase, "settings": system.settings, "crops": crops}
    record |= {"checkpoints": system.checkpoints}
    files.write_atomically(folder / f"{name}.json", (json.dumps(record, indent=1) + "\n").encode())
    return lines or [f"{options.system} has no crop for a photo of {width} x {height} pixels"]


def _episodes(options: argparse.Namespace) -> Any:
    from cagic_tf.baselines.a2rl.episodes import Episodes

    given = {"seed": options.seed, "most_steps": options.most_steps}
    given = {name: value for name, value in given.items() if value is not None}
    return Episodes(**given, greedy=options.greedy)


def main(arguments: list[str] | None = None) -> int:
    """Crops the photo; returns the exit status."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    startup.quiet()
    from cagic_tf.baselines.mattnet.detector import results_file
    from cagic_tf.networks import checkpoints
    from cagic_tf.photos import reading

    mistakes = (checkpoints.CheckpointError, reading.ImageError, results_file.ResultsFileError)
    try:
        lines = run(options)
    except (*mistakes, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(lines))
    return 0


if __name__ == "__main__":
    sys.exit(main())
