"""The flags of the commands that crop, and the rows and how files are saved that they ask for."""

import os
import re
from pathlib import Path

from absl import flags

from cagic_tf.batch import gin_names, manifest, photo_rows, row_output
from cagic_tf.beyond import shapes
from cagic_tf.photos import crop_files
from cagic_tf.system import devices, resources

FLAGS = flags.FLAGS

# In the order in which --help shows them; see `command_line`.
GROUPS = {
    "What to crop": "image caption images captions_from manifest aesthetics_only shard",
    "How to crop": "gin_file gin_param aspect_ratio size smallest_side candidates",
    "Where crops go": "output_dir format quality name strip_metadata overwrite retry_errors",
    "What computes": "device threads batch",
}

flags.DEFINE_string("image", None, "The photo to crop. Give --caption with it.")
flags.DEFINE_string("caption", None, "What the crop should show, in plain English.")
flags.DEFINE_string(
    "images",
    None,
    "The photos to crop: a folder, or a pattern in quotes, such as 'photos/*.jpg', or "
    "'photos/**/*.jpg' for the folders below as well. Give --caption or --captions_from with it.",
)
flags.DEFINE_enum(
    "captions_from",
    None,
    ["sidecar", "photo"],
    "Where --images finds a caption for each photo. sidecar: in the text file beside it, photo.txt "
    "or photo.jpg.txt for photo.jpg. photo: the caption in the photo's own IPTC, XMP or "
    "EXIF.",
    case_sensitive=False,
)
flags.DEFINE_string(
    "manifest",
    None,
    "A JSONL or CSV file that lists photos and captions. Without --image, --images and --manifest "
    "the samples that come with the program are cropped.",
)
flags.DEFINE_bool(
    "aesthetics_only",
    False,
    "Crop without captions, by the aesthetic loss (Eq. 5) alone. Captions in a manifest are not "
    "used.",
)
flags.DEFINE_string(
    "shard",
    None,
    "Crop only one of several equal parts of the rows: 1/4 to 4/4 are the parts of four. Each "
    "needs its own --output_dir.",
)

flags.DEFINE_multi_string(
    "gin_file",
    ["fast.gin"],
    "The configuration: a path, or the name of one that comes with the program, such as fast.gin "
    "(the default: about a second a photo), paper.gin (the paper's method: about five minutes a "
    "photo on two cores), paper_quick.gin (half a minute) or ablations/cn.gin. It may be repeated; "
    "later files win. A gin file can run code, so trust where it comes from.",
)
flags.DEFINE_multi_string(
    "gin_param",
    [],
    "One setting in place of the gin file's, such as 'Annealing.restart_count = 5'. It may be "
    "repeated.",
)
flags.DEFINE_string(
    "aspect_ratio",
    None,
    "The crops' width to height, such as 16:9; 'original', the photo's own; or 'free', which the "
    "search chooses. By default it is free with fast.gin, and original with the paper's methods. "
    "Give several with commas between them, such as 1:1,16:9, and each photo is cropped to each.",
)
flags.DEFINE_string(
    "size",
    None,
    "The width and height of the crops' files in pixels, such as 1200x628: crops have that ratio "
    "and are resized. Several are possible, as with --aspect_ratio.",
)
flags.DEFINE_integer(
    "smallest_side",
    0,
    "How many pixels of the photo each side of a crop has at least. By default, 0, any number will "
    "do.",
    0,
)
flags.DEFINE_integer(
    "candidates",
    1,
    "How many of each photo's best distinct crops are written, the best first: 1 (the default) to "
    "100. There may be fewer.",
    1,
    100,
)

flags.DEFINE_string(
    "output_dir",
    None,
    "The folder for crops and results. By default it is outputs/ and the gin file's name. The same "
    "command with the same folder goes on where an earlier one stopped.",
)
flags.DEFINE_enum(
    "format",
    "same",
    [*crop_files.CHOICES, "jpg"],
    f"The format of the crops' files: {', '.join(crop_files.CHOICES)}; jpg is jpeg. By default, "
    "same, it is the photo's own.",
    case_sensitive=False,
)
flags.DEFINE_integer(
    "quality", 95, "The quality of crops as JPEG, WebP or AVIF: 1 to 100, by default 95.", 1, 100
)
flags.DEFINE_string(
    "name",
    "{id}_crop",
    "The name of a crop's file without its ending. By default it is '{id}_crop', where {id} stands "
    "for the row's id.",
)
flags.DEFINE_bool(
    "strip_metadata",
    False,
    "Leave metadata (with the place and time) and the colour profile out of crops; colours become "
    "sRGB. By default crops keep them.",
)
flags.DEFINE_bool(
    "overwrite",
    False,
    "Let crops replace files of the same name that this command did not write. By default such a "
    "row is an error.",
)
flags.DEFINE_bool(
    "retry_errors",
    False,
    "Try the rows again that failed earlier. By default they keep their error.",
)
devices.define_flags()
flags.DEFINE_integer(
    "batch",
    0,
    "How many photos go through a GPU at a time, at most. By default, 0, as many as are known to "
    "fit. On a CPU photos are cropped one after the other, which is as fast.",
    0,
    10_000,
)


def save_options() -> crop_files.SaveOptions:
    """How the flags want crops to be written."""
    kind = FLAGS.format.lower().replace("jpg", "jpeg")
    return crop_files.SaveOptions(FLAGS.name, kind, FLAGS.quality, FLAGS.strip_metadata)


def problem() -> str:
    """What is wrong with the flags, as a sentence for people; "" if nothing is."""
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
        return (
            "--image and --caption go together: which photo, and what the crop shows, as in "
            'cagic photo.jpg "a dog on the grass"; or give --aesthetics_only'
        )
    return (
        _shape_problem()
        or row_output.name_problem(FLAGS.name)
        or devices.name_problem(FLAGS.device)
        or gin_names.problem(FLAGS.gin_file, FLAGS.gin_param)
        or _shard_problem()
        or _photo_problem()
        or _folder_problem()
    )


def _photo_problem() -> str:
    if FLAGS.image is None or os.path.exists(os.path.expanduser(FLAGS.image)):
        return ""
    return f"no photo at {FLAGS.image}"


def _folder_problem() -> str:
    folder = FLAGS.output_dir
    if folder is None or not os.path.isfile(os.path.expanduser(folder)):
        return ""
    return f"--output_dir={folder} is a file; a folder, new or of an earlier run, is needed"


def _shard_problem() -> str:
    try:
        manifest.shard([], FLAGS.shard or "1/1")
    except manifest.ManifestError as error:
        return str(error)
    return ""


def _shape_problem() -> str:
    if FLAGS.aspect_ratio and FLAGS.size:
        return "give one of --aspect_ratio and --size: a size has its ratio"
    try:
        for shape in _shapes():
            if (shape.size is None) == bool(FLAGS.size):
                needed = "size in pixels, such as 1200x628" if FLAGS.size else "ratio, such as 16:9"
                return f"{shape.name} is no {needed}"
    except ValueError as error:
        return str(error)
    return ""


def _shapes() -> tuple[shapes.Shape, ...]:
    """The shapes that are asked for, if any; a ratio may be written as 16x9 and 16/9, too."""
    if not (FLAGS.size or FLAGS.aspect_ratio):
        return ()
    given = "".join((FLAGS.size or FLAGS.aspect_ratio).split())
    return shapes.parse_list(given if FLAGS.size else re.sub(r"(?<=\d)[xX×/](?=\d)", ":", given))


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
    caption = None if FLAGS.caption is None else manifest.printable(FLAGS.caption)
    if FLAGS.image is not None:
        found = manifest.single(FLAGS.image, caption)
    elif FLAGS.images is not None:
        found = photo_rows.from_pattern(
            FLAGS.images, caption, FLAGS.captions_from, directory, say=print
        )
    else:
        samples = resources.package_path("samples") / "manifest.jsonl"
        source = Path(FLAGS.manifest) if FLAGS.manifest else samples
        found = manifest.read(source, with_captions=not FLAGS.aesthetics_only)
    if wanted := _shapes():
        found = manifest.in_shapes(found, wanted)
    return manifest.shard(found, FLAGS.shard) if FLAGS.shard else found
