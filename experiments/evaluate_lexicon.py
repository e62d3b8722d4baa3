"""What the lexicon adds: the captioner alone, the lexicon alone, both, on the same rows.

    python -m experiments.evaluate_lexicon --manifest=COCO=OBJECTS.jsonl \\
        --manifest=mosaics=MOSAICS/manifest.jsonl --work_dir=BOXES --output=RESULTS/lexicon

`experiments.datasets coco_objects` and `experiments.mosaics` write the manifests. The methods take
turns on each row, so that their seconds compare. BOXES keeps what is done: the same command goes
on. A row that a method refuses (it knows no word of it) counts as a miss with IoU 0.
"""

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from absl import app, flags
from tqdm import tqdm

from cagic_tf import config, pipeline
from cagic_tf.batch import manifest
from cagic_tf.photos import reading
from cagic_tf.system import files
from experiments.tables import metrics

FLAGS = flags.FLAGS
CAPTIONER, LEXICON, BOTH = METHODS = "captioner alone", "lexicon alone", "both"
NO_CROP = (-1, -1, 0, 0)  # Lies outside every photo.


def define_flags() -> None:
    """Flags of this script."""
    flags.DEFINE_multi_string("manifest", None, "NAME=PATH of rows with ground truth; repeatable")
    flags.DEFINE_multi_string("method", METHODS, "what to compare; repeatable")
    flags.DEFINE_string("gin_file", "fast.gin", "the search; it has to have the lexicon")
    flags.DEFINE_string("work_dir", None, "where the boxes are kept")
    flags.DEFINE_string("output", None, "where to write, without ending")
    flags.mark_flags_as_required(["manifest", "work_dir", "output"])


def load_cropper(method: str, gin_file: str) -> pipeline.Cropper:
    """The cropper of a method."""
    if method == CAPTIONER:
        return config.load_cropper(gin_file, bindings=["Networks.lexicon = None"])
    cropper = config.load_cropper(gin_file)
    if method == LEXICON:
        read = cropper.loss.problem
        cropper.loss.problem = lambda photo, target, *others: read(photo, 0 * target, *others)
    return cropper


def crop_rows(rows: Sequence[manifest.Row], gin_file: str, methods: Sequence[str], path: Path):
    """Crops every row by every method into a file of lines, going on where it stopped."""
    done = {(entry["id"], entry["method"]) for entry in read_lines(path)}
    waiting = [(row, method) for row in rows for method in methods if (row.id, method) not in done]
    if not waiting:
        return
    croppers = {method: load_cropper(method, gin_file) for method in methods}
    for cropper in croppers.values():  # So that no row's seconds have the tracing in them.
        cropper.crop(rows[0].path, "a dog")
    with open(path, "a", encoding="utf-8") as file:
        for row, method in tqdm(waiting, desc=path.stem):
            entry = {"id": row.id, "method": method, "box": None}
            try:
                result = croppers[method].crop(row.path, row.caption)
                entry |= {"box": result.box, "seconds": result.seconds, "scale": result.scale}
                entry |= {"nouns": list(result.matched_words["lexicon"])}
            except (ValueError, reading.ImageError) as error:
                entry["error"] = str(error)
            file.write(json.dumps(entry) + "\n")
            file.flush()
            os.fsync(file.fileno())


def read_lines(path: Path) -> list[dict]:
    """The whole lines of a file that may have been cut off, or may not be there."""
    if not path.exists():
        return []
    whole = path.read_bytes().rpartition(b"\n")[0]
    if whole:
        files.write_atomically(path, whole + b"\n")
    return [json.loads(line) for line in whole.splitlines()]


def compare_methods(rows: Sequence[manifest.Row], lines: Sequence[dict]) -> dict[str, dict]:
    """Figures of each method and its differences from the captioner alone."""
    sizes = {row.id: reading.upright_size(row.path) for row in rows}
    measured, report = {}, {}
    for method in dict.fromkeys(line["method"] for line in lines):
        of_method = {line["id"]: line for line in lines if line["method"] == method}
        boxes = {name: line["box"] or NO_CROP for name, line in of_method.items()}
        found = measured[method] = metrics.measure(boxes, rows, sizes)
        cropped = [line for line in of_method.values() if line["box"]]
        report[method] = {
            "rows": len(found.ids),
            "refused": len(of_method) - len(cropped),
            "mean IoU": float(found.iou.mean()),
            "IoU interval": metrics.mean_interval(found.iou, found.photos),
            "hit rate": float(found.hit.mean()),
            "hit interval": metrics.mean_interval(found.hit, found.photos),
            "mean scale": float(np.mean([line["scale"] for line in cropped])),
            "median seconds": float(np.median([line["seconds"] for line in cropped])),
        }
        if method != CAPTIONER and CAPTIONER in measured:
            report[method] |= differences(found, measured[CAPTIONER])
    return report


def differences(found: metrics.Measured, base: metrics.Measured) -> dict[str, dict]:
    """A method less the captioner alone, in IoU and in hits, with the paired test."""
    hits = [dataclasses.replace(each, iou=each.hit) for each in (found, base)]
    return {
        "IoU, difference": dataclasses.asdict(metrics.compare(found, base)),
        "hit rate, difference": dataclasses.asdict(metrics.compare(*hits)),
    }


def table(report: dict[str, dict[str, dict]]) -> str:
    """The report as Markdown."""
    lines = []
    for name, methods in report.items():
        lines += [f"**{name}**", "", "| method | rows | refused | mean IoU | hit rate |"]
        lines[-1] += " IoU - captioner's | hits - captioner's | mean scale | median seconds |"
        lines.append("|---" * 9 + "|")
        for method, figures in methods.items():
            cells = [str(figures[key]) for key in ("rows", "refused")]
            for key, interval in (("mean IoU", "IoU interval"), ("hit rate", "hit interval")):
                cells.append(f"{figures[key]:.3f} {_interval(figures[interval])}")
            for key in ("IoU, difference", "hit rate, difference"):
                part = figures.get(key)
                text = part and f"{part['difference']:+.3f} {_interval(part['interval'])}"
                cells.append(f"{text}, p = {part['p']:.2g}" if part else "")
            cells += [f"{figures[key]:.3g}" for key in ("mean scale", "median seconds")]
            lines.append(f"| {method} | {' | '.join(cells)} |")
        lines.append("")
    return "\n".join(lines)


def _interval(ends: Sequence[float] | None) -> str:
    return f"[{ends[0]:.3f}, {ends[1]:.3f}]" if ends else ""


def main(_) -> None:
    work = Path(FLAGS.work_dir)
    work.mkdir(parents=True, exist_ok=True)
    report = {}
    for given in FLAGS.manifest:
        name, _, path = given.partition("=")
        rows = manifest.read(Path(path))
        boxes = work / f"{manifest.safe_name(name)}.jsonl"
        crop_rows(rows, FLAGS.gin_file, FLAGS.method, boxes)
        report[name] = compare_methods(rows, read_lines(boxes))
    output = Path(FLAGS.output)
    output.parent.mkdir(parents=True, exist_ok=True)
    data = json.dumps(report, indent=1).encode() + b"\n"
    files.write_atomically(output.with_suffix(".json"), data)
    text = table(report) + (
        "Rows that a method refuses count as misses with IoU 0. In brackets 95 % bootstrap "
        "intervals over photos; p of the paired permutation test.\n"
    )
    files.write_atomically(output.with_suffix(".md"), text.encode())
    print(text)


if __name__ == "__main__":
    define_flags()
    app.run(main)
