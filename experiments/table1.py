"""Table 1: mean IoU of CAGIC and other methods, the paper's figures beside ours.

    python -m experiments.table1
    python -m experiments.table1 --dataset=ROWS.jsonl --methods=whole,grad_cam,paper.gin \\
        --predictions=MAttNet=boxes.jsonl --output_dir=OUT

Writes OUT/METHOD/results.jsonl, as `cagic_tf.run` does, then OUT/table1.md and OUT/table1.csv. The
same command goes on where it stopped. The first gin file is CAGIC, with which the rest is compared.
"""

from pathlib import Path

from absl import app, flags

from experiments.tables import comparison, entries

FLAGS = flags.FLAGS
DEFAULT = ["whole", "centre", "random", "prior", "grad_cam", "grad_cam_mask", "vfn"]
DEFAULT += ["grad_cam+vfn", "grid", "fast.gin"]
# Table 1 of the paper: "Mean ± Std." of the IoU.
PAPER = {
    "Original": "0.2869 ± 0.0280",
    "A2-RL": "0.2975 ± 0.0238",
    "VPN": "0.3151 ± 0.0233",
    "Anchor": "0.3325 ± 0.0236",
    "GradCAM+A2-RL": "0.3465 ± 0.0108",
    "GradCAM+Anchor": "0.3554 ± 0.0199",
    "GradCAM+VPN": "0.3561 ± 0.0126",
    "GradCAM": "0.3597 ± 0.2017",
    "MAttNet": "0.3851 ± 0.2607",
    "CAGIC": "0.4160 ± 0.0129",
}
# Our names of its methods; the whole method stands for CAGIC, the ablations are Table 4's.
OURS = {"whole": "Original", "grad_cam": "GradCAM", "grad_cam_mask": "GradCAM"}
OURS |= {"paper.gin": "CAGIC", "fast.gin": "CAGIC", "original.gin": "CAGIC"}
OURS |= {name.lower(): name for name in PAPER} | {"gaic": "Anchor"}


def define_flags() -> None:
    """Flags of this script."""
    entries.define_flags()
    flags.DEFINE_list(
        "methods",
        DEFAULT,
        f"methods in the table's order: {', '.join([*entries.METHODS, entries.GRID])}, gin files",
    )
    flags.DEFINE_multi_string(
        "predictions",
        [],
        "NAME=FILE, boxes of another method as JSONL {id, box: [x, y, w, h]}; repeatable",
    )


def main() -> None:
    """Runs what is missing, then writes the table."""
    setup = entries.read_setup()
    chosen = entries.from_names(setup, FLAGS.methods, FLAGS.predictions)
    directory = Path(FLAGS.output_dir or "outputs/table1")
    lines = comparison.run(chosen, setup.rows, directory)
    cagic = next((name for name in FLAGS.methods if name.endswith(".gin")), None)
    found = comparison.figures(lines, setup, cagic)
    columns = {"method": "", **comparison.METRICS}
    if cagic:
        columns[comparison.p_column(cagic)] = ".2g"
    table = [
        {"method": name, **row, "the paper's": paper_cell(name)} for name, row in found.items()
    ]
    table += rows_not_run(found)
    notes = comparison.notes(setup, lines)
    notes.append("The paper's: its Table 1, mean IoU ± Std.; rows without figures were not run.")
    if "fast.gin" in found:
        notes.append("fast.gin searches the paper's objective with a laptop's budget.")
    comparison.write(directory / "table1", table, columns | {"the paper's": ""}, notes)


def paper_cell(name: str) -> str | None:
    """The paper's method of that name and its figure, None where it has none."""
    theirs = OURS.get(name.lower())
    return theirs and f"{theirs} {PAPER[theirs]}"


def rows_not_run(found) -> list[dict]:
    """Rows of the paper's table for which the names in `found` have none."""
    run = {OURS.get(name.lower()) for name in found}
    return [{"method": name, "the paper's": paper_cell(name)} for name in PAPER if name not in run]


if __name__ == "__main__":
    define_flags()
    app.run(comparison.main(main))
