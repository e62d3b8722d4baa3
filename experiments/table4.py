"""Table 4: the method built up piece by piece, the paper's figures beside ours.

    python -m experiments.table4
    python -m experiments.table4 --full --dataset=ROWS.jsonl --output_dir=OUT

Without --full the schedules are short, which shows that everything runs and no more; the table says
so. Writes what `experiments.table1` writes, and goes on where it stopped.
"""

from pathlib import Path
from typing import NamedTuple

from absl import app, flags

from experiments import command
from experiments.tables import comparison, method_runs, networks, repeats, table_files

FLAGS = flags.FLAGS
THEIRS = "the paper's"
# What makes a schedule short.
FEWER_ITERATIONS = "Minimizer.max_iterations = 3"  # Instead of all until it converges.
FEWER_SCALES = "Annealing.scale_factor = 0.8"  # 4 scales instead of 45.
FEWER_RESTARTS = "Annealing.restart_count = 4"  # Instead of 10.


class Row(NamedTuple):
    """A row of the table: its name, its gin file, the paper's figure, and its short schedule."""

    name: str
    gin_file: str
    paper: str
    short: tuple[str, ...]


ROWS = (
    Row("CN", "ablations/cn.gin", "0.3338 ± 0.0693", (FEWER_ITERATIONS,)),
    Row("CN+SA", "ablations/cn_sa.gin", "0.3406 ± 0.0584", (FEWER_ITERATIONS, FEWER_SCALES)),
    Row(
        "CN+SA+MR",
        "ablations/cn_sa_mr.gin",
        "0.3562 ± 0.0565",
        (FEWER_ITERATIONS, FEWER_SCALES, FEWER_RESTARTS),
    ),
    Row(
        *("CN+SA+MR+MS", "ablations/cn_sa_mr_ms.gin", "0.3816 ± 0.0615"),
        (FEWER_ITERATIONS, FEWER_SCALES, FEWER_RESTARTS),
    ),
    Row(
        "CAGIC (full)",
        "paper.gin",
        "0.4160 ± 0.0129",
        (FEWER_ITERATIONS, FEWER_SCALES, FEWER_RESTARTS),
    ),
)


def define_flags() -> None:
    """Flags of this script."""
    method_runs.define_flags()
    flags.DEFINE_bool(
        "full", False, "Use the paper's schedules, which take minutes a photo instead of seconds."
    )
    repeats.define_flag()


def main() -> None:
    """Runs what is missing, then writes the table."""
    setup, shared, methods = repeats.read_setup(), networks.SharedNetworks(), []
    for row in ROWS:
        cropper = shared.load_cropper(row.gin_file, bindings=[] if FLAGS.full else row.short)
        methods.append(method_runs.from_cropper(row.name, cropper))
    directory = Path(FLAGS.output_dir or "outputs/table4")
    records = comparison.run(methods, setup.rows, directory)
    full = ROWS[-1].name
    frame, measured = comparison.figures(records, setup, full)
    frame[repeats.COLUMN] = [repeats.means(measured[row.name]) for row in ROWS]
    frame[THEIRS] = [row.paper for row in ROWS]
    used = comparison.checkpoints_of(methods, records)
    notes = [*comparison.notes(setup, records, used), *repeats.note()]
    notes.append("The paper's: its Table 4, mean IoU ± Std.")
    if not FLAGS.full:
        notes.append(
            f"Short schedules, the same for all rows ({FEWER_ITERATIONS}, {FEWER_SCALES}, "
            f"{FEWER_RESTARTS}), so these are not the paper's ablations: --full has its schedules."
        )
    table_files.write(
        directory,
        frame,
        {
            "method": "",
            **comparison.METRICS,
            comparison.p_column(full): ".2g",
            repeats.COLUMN: "",
            THEIRS: "",
        },
        notes,
        networks.merged(used),
        comparison.files_of(methods, directory),
    )


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))
