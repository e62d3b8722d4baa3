"""`python -m cagic_tf.port lite0 --output=DIR`: released weights to this project's format."""

import argparse
import subprocess
import sys
from pathlib import Path

from cagic_tf import checkpoints
from cagic_tf.port import lite0


def current_commit() -> str:
    """The commit of this source tree, or "unknown" outside a git checkout."""
    here = Path(__file__).parent
    done = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=here, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


def main(arguments: list[str] | None = None) -> int:
    """Runs one port; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m cagic_tf.port", description=__doc__)
    commands = parser.add_subparsers(dest="origin", required=True)
    command = commands.add_parser("lite0", help=lite0.__doc__)
    command.add_argument("--weights", type=Path, help="the .pth; default: the package's own")
    command.add_argument("--output", type=Path, required=True, help="folder to write")
    options = parser.parse_args(arguments)
    shown = "python -m cagic_tf.port " + " ".join(arguments or sys.argv[1:])
    try:
        manifest = lite0.port(options.weights, options.output, shown, current_commit())
    except (checkpoints.CheckpointError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"{options.output}: {len(manifest['tensors'])} tensors, SHA-256 {manifest['sha256']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
