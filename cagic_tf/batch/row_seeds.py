"""The seed of each row's restarts: another for each row, the same in whatever order rows run."""

import hashlib


def row_seed(base: int, row_id: str) -> int:
    """A seed in [0, 2^31) of a run's seed and a row's id.

    With one seed for all, every photo's restarts would begin with the same noise, and its chance
    would not average out over a data set.

    Args:
      base: The run's seed, `Cropper.seed`.
      row_id: The row's id, so that going on, shards and workers change nothing.
    """
    digest = hashlib.sha256(f"{base} {row_id}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
