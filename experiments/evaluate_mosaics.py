"""IoU and hit rate on mosaics: results of `cagic_tf.run` beside crops that look at nothing.

    python -m experiments.evaluate_mosaics --manifest=MOSAICS/manifest.jsonl \\
        --results=fast.gin=OUT_FAST --results=paper.gin=OUT_PAPER --output=RESULTS/mosaics

A hit is a crop whose centre lies in the caption's tile. Writes OUTPUT.json and OUTPUT.md.
"""

import json
from pathlib import Path

import numpy as np
from absl import app, flags
from PIL import Image

from cagic_tf import files, geometry, manifest, outputs

FLAGS = flags.FLAGS
Box = tuple[float, float, float, float]


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_string("manifest", None, "manifest written by experiments.mosaics")
    flags.DEFINE_multi_string("results", [], "NAME=DIR of a cagic_tf.run on that manifest")
    flags.DEFINE_string("output", None, "where to write, without ending")
    flags.DEFINE_integer("seed", 0, "seed of the random crops")
    flags.mark_flags_as_required(["manifest", "output"])


def baseline_boxes(rows: list[manifest.Row], seed: int) -> dict[str, dict[str, Box]]:
    """Boxes that ignore photo and caption, by method and row id."""
    boxes = {"whole picture": {}, "centre crop, scale 0.5": {}, "random crop, scale 0.36-0.68": {}}
    rng = np.random.default_rng(seed)
    for row in rows:
        with Image.open(row.path) as photo:
            size = photo.size
        scale = rng.uniform(0.36, 0.68)
        center = rng.uniform(-1, 1, 2) * (1 - scale)
        crops = (((0, 0), 1.0), ((0, 0), 0.5), (center, scale))
        for found, (where, side) in zip(boxes.values(), crops, strict=True):
            found[row.id] = geometry.pixel_box(where, side, *size)
    return boxes


def read_results(directory: Path) -> tuple[dict[str, Box], dict]:
    """Boxes by row id, and what else is worth a column."""
    lines = (directory / outputs.RESULTS).read_text(encoding="utf-8").splitlines()
    good = [line for line in map(json.loads, lines) if line["status"] == "ok"]
    means = {
        "seconds a photo": float(np.mean([line["seconds"] for line in good])),
        "evaluations a photo": float(np.mean([line["evaluations"] for line in good])),
        "mean scale": float(np.mean([line["scale"] for line in good])),
    }
    return {line["id"]: line["box"] for line in good}, means | {
        "checkpoints": good[0]["checkpoints"]
    }


def measure(boxes: dict[str, Box], rows: dict[str, manifest.Row]) -> dict[str, float]:
    """Mean IoU, its standard deviation over the photos, and the hit rate."""
    overlaps = [geometry.iou(box, rows[name].crops[0]) for name, box in boxes.items()]
    hits = [geometry.contains_center(box, rows[name].crops[0]) for name, box in boxes.items()]
    return {
        "photos": len(overlaps),
        "mean IoU": float(np.mean(overlaps)),
        "std IoU": float(np.std(overlaps)),
        "hit rate": float(np.mean(hits)),
    }


def table(report: dict[str, dict]) -> str:
    """The report as Markdown."""
    columns = ("photos", "mean IoU", "std IoU", "hit rate", "mean scale")
    columns += ("evaluations a photo", "seconds a photo")
    lines = [f"| method | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, figures in report.items():
        cells = ["" if c not in figures else f"{figures[c]:.3g}" for c in columns]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def main(_) -> None:
    rows = {row.id: row for row in manifest.read(Path(FLAGS.manifest))}
    baselines = baseline_boxes(list(rows.values()), FLAGS.seed)
    report = {name: measure(boxes, rows) for name, boxes in baselines.items()}
    for entry in FLAGS.results:
        name, _, directory = entry.partition("=")
        boxes, means = read_results(Path(directory))
        report[name] = measure(boxes, rows) | means
        if len(boxes) < len(rows):  # The same photos for the comparison.
            for baseline, found in baselines.items():
                chosen = {row: found[row] for row in boxes}
                report[f"{baseline} (the photos of {name})"] = measure(chosen, rows)
    output = Path(FLAGS.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(report, indent=1).encode() + b"\n"
    files.write_atomically(output.with_suffix(".json"), data)
    used = [figures["checkpoints"] for figures in report.values() if "checkpoints" in figures]
    names = ", ".join(f"{name} {sha[:12]}" for name, sha in (used or [{}])[0].items())
    text = (
        table(report) + f"\nCheckpoints (SHA-256): {names}. Not the paper's networks or images.\n"
    )
    files.write_atomically(output.with_suffix(".md"), text.encode())
    print(text)


if __name__ == "__main__":
    define_flags()
    app.run(main)
