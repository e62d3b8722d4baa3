"""What the commands of `experiments` share: how they end when what the user gave is wrong."""

import sys
from collections.abc import Callable, Sequence

from cagic_tf import config
from cagic_tf.batch import manifest, output_folder, records
from cagic_tf.networks import checkpoints
from cagic_tf.photos import reading
from cagic_tf.system import devices
from experiments.errors import ExperimentError

ERRORS = (
    ExperimentError,
    manifest.ManifestError,
    records.RecordError,
    config.ConfigError,
    checkpoints.CheckpointError,
    output_folder.OutputError,
    reading.ImageError,
    devices.DeviceError,
    OSError,  # A file that is not there, a full disk.
)


def main(work: Callable[[], None]) -> Callable[[Sequence[str]], None]:
    """What `app.run` takes: `work`, with an exit status of 1 and one line for a user's mistake."""

    def run(arguments: Sequence[str]) -> None:
        if len(arguments) > 1:
            sys.exit(f"error: unexpected arguments {arguments[1:]}; flags are --name=value")
        try:
            work()
        except ERRORS as error:
            sys.exit(f"error: {error}")

    return run
