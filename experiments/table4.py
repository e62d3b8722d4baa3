"""Table 4: the method built up piece by piece, the paper's figures beside ours.

    python -m experiments.table4
    python -m experiments.table4 --full --dataset=ROWS.jsonl --output_dir=OUT

Without --full the schedules are short, which shows that everything runs and no more; the table says
so. Writes what `experiments.table1` writes, and goes on where it stopped.
"""

from pathlib import Path

from absl import app, flags

from experiments import comparison, entries

FLAGS = flags.FLAGS
# The rows, bottom row last: name, gin file, what makes its schedule short, and the paper's figure.
SHORT = "Annealing.scale_factor = 0.8"  # 4 scales instead of 45.
ROWS = (
    ("CN", "ablations/cn.gin", "Minimizer.max_iterations = 5", "0.3338 ± 0.0693"),
    ("CN+SA", "ablations/cn_sa.gin", SHORT, "0.3406 ± 0.0584"),
    ("CN+SA+MR", "ablations/cn_sa_mr.gin", SHORT, "0.3562 ± 0.0565"),
    ("CN+SA+MR+MS", "ablations/cn_sa_mr_ms.gin", SHORT, "0.3816 ± 0.0615"),
    ("CAGIC (full)", "paper.gin", SHORT, "0.4160 ± 0.0129"),
)


def define_flags() -> None:
    """Flags of this script."""
    entries.define_flags()
    flags.DEFINE_bool("full", False, "the paper's schedules: minutes a photo instead of seconds")


def main() -> None:
    """Runs what is missing, then writes the table."""
    setup = entries.read_setup()
    chosen = []
    for name, gin_file, short, _ in ROWS:
        loaded = entries.load_cropper(setup, [gin_file], [] if FLAGS.full else [short])
        chosen.append(entries.from_cropper(setup, name, *loaded))
    directory = Path(FLAGS.output_dir or "outputs/table4")
    lines = comparison.run(chosen, setup.rows, directory)
    full = ROWS[-1][0]
    found = comparison.figures(lines, setup, full)
    paper = {name: figure for name, *_, figure in ROWS}
    table = [{"method": name, **row, "the paper's": paper[name]} for name, row in found.items()]
    columns = {"method": "", **comparison.METRICS, comparison.p_column(full): ".2g"}
    notes = comparison.notes(setup, lines)
    notes.append("The paper's: its Table 4, mean IoU ± Std.")
    if not FLAGS.full:
        notes.append(
            f"Short schedules ({SHORT}; for CN {ROWS[0][2]}), so these are not the ablations of "
            "the paper: --full has its schedules."
        )
    comparison.write(directory / "table4", table, columns | {"the paper's": ""}, notes)


if __name__ == "__main__":
    define_flags()
    app.run(comparison.main(main))
