"""The search that a figure of a single photo shows: its flags, and how it is run."""

from typing import NamedTuple

from absl import flags
from tqdm import tqdm

from cagic_tf import config, pipeline
from cagic_tf.system import devices, resources
from experiments.errors import ExperimentError
from experiments.figures import panels

FLAGS = flags.FLAGS
SAMPLE, SAMPLE_CAPTION = "workers.jpg", "a woman in a blue shirt"
SHORT = "Annealing.scale_factor = 0.9"  # 8 scales instead of 45: seconds instead of minutes.


class Searched(NamedTuple):
    """A finished search.

    Attributes:
      cropper: What searched.
      caption: What the crop should show.
      result: The crop, with the search's path.
    """

    cropper: pipeline.Cropper
    caption: str
    result: pipeline.CropResult


def define_flags() -> None:
    """Flags of every figure of one search."""
    panels.define_output_flag()
    flags.DEFINE_string(
        "image", None, "The photo, together with --caption. By default it is a sample."
    )
    flags.DEFINE_string("caption", None, "What the crop should show, together with --image.")
    flags.DEFINE_multi_string(
        "gin_file",
        None,
        f"The configuration, as in cagic_tf.run. By default it is paper.gin with {SHORT!r}.",
    )
    flags.DEFINE_multi_string(
        "gin_param", [], "A single setting, as in cagic_tf.run. It may be repeated."
    )
    devices.define_flags()


def run() -> Searched:
    """Sets TensorFlow up and runs the search that the flags describe.

    Raises:
      ExperimentError: --image or --caption is missing, or the caption cannot be used.
      devices.DeviceError, config.ConfigError, checkpoints.CheckpointError, reading.ImageError: See
        there.
    """
    if (FLAGS.image is None) != (FLAGS.caption is None):
        raise ExperimentError("--image and --caption go together; with neither, a sample")
    image = FLAGS.image or resources.package_path("samples") / SAMPLE
    caption = SAMPLE_CAPTION if FLAGS.caption is None else FLAGS.caption
    devices.prepare(FLAGS.device, FLAGS.threads)
    short = [] if FLAGS.gin_file else [SHORT]
    cropper = config.load_cropper(
        *(FLAGS.gin_file or ["paper.gin"]), bindings=[*short, *FLAGS.gin_param]
    )
    with tqdm(desc="search", unit="scale", disable=None) as bar:

        def progress(done: int, total: int, loss: float) -> None:
            bar.total = total
            bar.update(done - bar.n)

        try:
            # What is drawn are centres and scales of one shape.
            result = cropper.crop(image, caption, progress=progress, shape="original")
        except ValueError as error:
            raise ExperimentError(f"--caption is {caption!r}: {error}") from error
    return Searched(cropper, caption, result)
