"""A page to try it in a browser.

    python -m cagic_tf.demo
    python -m cagic_tf.demo --host=0.0.0.0 --port=8080

The first is for you alone; with the second, others in your network reach it, too. It needs the
extra `demo`: pip install 'cagic_tf[demo]'. Everything works without the internet.
"""

import importlib.util
import sys

from absl import flags

from cagic_tf.batch import command_line
from cagic_tf.demo import serving
from cagic_tf.demo.croppers import Croppers
from cagic_tf.system import devices, startup

FLAGS = flags.FLAGS
flags.DEFINE_string(
    "host",
    "127.0.0.1",
    "Name or address that the page listens on. By default only this machine reaches it; 0.0.0.0 is "
    "for all that reach this machine.",
)
flags.DEFINE_integer("port", 7860, "The page's port; 0 takes one that is free.", 0, 65535)
devices.define_flags()
_GROUPS = {"Where it listens": "host port", "What computes": "device threads"}


def main(arguments: list[str]) -> int:
    """Runs the command; returns the exit status."""
    if arguments[1:]:
        return _fail(f"{arguments[1]!r} is not understood; photos are given on the page")
    if message := devices.name_problem(FLAGS.device):
        return _fail(message)
    if importlib.util.find_spec("gradio") is None:
        return _fail("the page needs Gradio: pip install 'cagic_tf[demo]'")
    print("Loading the networks.", flush=True)
    startup.quiet()
    from cagic_tf.networks import checkpoints

    try:
        devices.prepare(FLAGS.device, FLAGS.threads)
        croppers = Croppers()
        croppers.warm_up()
        serving.serve(croppers, FLAGS.host, FLAGS.port)
    except (checkpoints.CheckpointError, devices.DeviceError, serving.ServingError) as error:
        return _fail(str(error))
    return 0


def _fail(message: str) -> int:
    print(f"error: {message}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    command_line.run(main, __doc__ or "", _GROUPS)
