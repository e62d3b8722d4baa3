"""The flags of the commands that crop, and the rows and how files are saved that they ask for."""

from pathlib import Path

from absl import flags

from cagic_tf.batch import manifest, photo_rows
from cagic_tf.beyond import shapes
from cagic_tf.photos import crop_files
from cagic_tf.system import resources

FLAGS = flags.FLAGS

flags.DEFINE_multi_string(
    "gin_file",
    ["paper.gin"],
    "Configuration: a path, or a name under the project's gin/ (paper.gin, fast.gin, "
    "ablations/cn.gin, ...). Repeatable, later ones win. A gin file can import modules: trust it.",
)
flags.DEFINE_multi_string(
    "gin_param", [], "A single binding, such as 'Annealing.restart_count = 5'. Repeatable."
)
flags.DEFINE_string("image", None, "The photo to crop, with --caption.")
flags.DEFINE_string("images", None, "The photos to crop, a quoted pattern such as 'photos/*.jpg'.")
flags.DEFINE_string("caption", None, "What the crop should show.")
flags.DEFINE_enum(
    "captions_from",
    None,
    ["sidecar", "photo"],
    "Each photo's own caption, with --images: photo.txt beside it, or the EXIF ImageDescription or "
    "IPTC caption in it.",
)
flags.DEFINE_bool(
    "aesthetics_only", False, "Crop by the aesthetic loss (Eq. 5) alone, without any captions."
)
flags.DEFINE_string("manifest", None, "JSONL or CSV file of photos and captions.")
flags.DEFINE_string("shard", None, "Only one of n parts of the rows, i/n with i from 1, as 1/4.")
flags.DEFINE_string(
    "output_dir", None, "Where results go; by default outputs/ and the gin file's name."
)
flags.DEFINE_string(
    "aspect_ratio",
    None,
    "Of the crops, width:height such as 16:9; original, the default, is the photo's. Several with "
    "commas between them: each photo is cropped to each, in rows of their own.",
)
flags.DEFINE_string(
    "size",
    None,
    "Of the crops' files in pixels, such as 1200x628: crops of that ratio, resized. Or several.",
)
flags.DEFINE_integer(
    "smallest_side", 0, "Pixels of the photo that no side of a crop falls below.", 0
)
flags.DEFINE_integer(
    "candidates",
    1,
    "How many of each photo's best distinct crops to write, best first; there may be fewer.",
    1,
    100,
)
flags.DEFINE_enum("format", "same", crop_files.CHOICES, "Of the crops; same: as the photo's.")
flags.DEFINE_integer("quality", 95, "Of crops as JPEG, WebP and AVIF.", 1, 100)
flags.DEFINE_string("name", "{id}_crop", "Name of a crop without its ending; {id} is the row's.")
flags.DEFINE_bool(
    "strip_metadata", False, "Leave EXIF and the ICC profile out of crops; colours become sRGB."
)
flags.DEFINE_bool("overwrite", False, "Pictures may replace files that this run did not leave.")
flags.DEFINE_bool("retry_errors", False, "Try again the rows that failed earlier.")
flags.DEFINE_string(
    "device", None, "cpu, gpu or gpu:N; by default the first GPU that there is, else the CPU."
)

flags.DEFINE_integer(
    "threads",
    0,
    "Of the CPU that compute; 0: one a core. Crops from another number have other last digits.",
    0,
)


def save_options() -> crop_files.SaveOptions:
    """How the flags want crops to be written."""
    return crop_files.SaveOptions(FLAGS.name, FLAGS.format, FLAGS.quality, FLAGS.strip_metadata)


def wrong_together() -> str:
    """What is wrong with the flags that say what to crop; "" if nothing is."""
    if sum(value is not None for value in (FLAGS.image, FLAGS.images, FLAGS.manifest)) > 1:
        return "give one of --image, --images and --manifest"
    if FLAGS.aesthetics_only:
        if FLAGS.caption is not None or FLAGS.captions_from is not None:
            return "--aesthetics_only goes without --caption and --captions_from"
    elif FLAGS.images is not None:
        if (FLAGS.caption is None) == (FLAGS.captions_from is None):
            return "--images needs --caption, for all, or --captions_from=sidecar or photo"
    elif FLAGS.captions_from is not None:
        return "--captions_from goes with --images"
    elif (FLAGS.image is None) != (FLAGS.caption is None):
        return "--image and --caption go together: which photo, and what the crop shows"
    return _wrong_shapes()


def _wrong_shapes() -> str:
    """What is wrong with the flags that say which shape crops have; "" if nothing is."""
    if FLAGS.aspect_ratio and FLAGS.size:
        return "give one of --aspect_ratio and --size: a size has its ratio"
    try:
        for shape in _shapes():
            if (shape.size is None) == bool(FLAGS.size):
                return f"{shape.name} is no {'size' if FLAGS.size else 'aspect ratio'}"
    except ValueError as error:
        return str(error)
    return ""


def _shapes() -> tuple[shapes.Shape, ...]:
    """The shapes that each photo is cropped to."""
    return shapes.parse_list(FLAGS.size or FLAGS.aspect_ratio or shapes.ORIGINAL.name)


def search_flags() -> str:
    """The flags, beside gin's, that change a row's crop, for the operative configuration."""
    names = ("smallest_side", "candidates")
    changed = [name for name in names if FLAGS[name].value != FLAGS[name].default]
    return "".join(f"\n# --{name}={FLAGS[name].value}\n" for name in changed)


def rows(directory: Path) -> list[manifest.Row]:
    """The rows that the flags ask for; files in the output folder are none of them.

    Raises:
      manifest.ManifestError: The manifest, pattern or shard cannot be used.
    """
    if FLAGS.image is not None:
        found = manifest.single(FLAGS.image, FLAGS.caption)
    elif FLAGS.images is not None:
        found = photo_rows.from_pattern(FLAGS.images, FLAGS.caption, FLAGS.captions_from, directory)
    else:
        samples = resources.package_path("samples") / "manifest.jsonl"
        source = Path(FLAGS.manifest) if FLAGS.manifest else samples
        found = manifest.read(source, with_captions=not FLAGS.aesthetics_only)
    found = manifest.in_shapes(found, _shapes())
    return manifest.shard(found, FLAGS.shard) if FLAGS.shard else found
