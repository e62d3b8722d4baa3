"""One annealing as an animated GIF, a frame a scale.

    python -m experiments.figures.animation
    python -m experiments.figures.animation --gin_file=paper.gin \\
        --image=photo.jpg --caption="a dog on the grass"

White: the restarts, each a line from where it begins to the dot where it ends. Orange: their mean
and its crop. The last frame has the crop that is returned in green.

Only lines and text change, and all frames share one palette, so the file stays small.
"""

import io
import textwrap
from pathlib import Path

import matplotlib
import numpy as np
from absl import app
from PIL import Image, ImageDraw, ImageFont

from cagic_tf import pipeline
from cagic_tf.method import geometry
from cagic_tf.method.search import Step
from experiments import command
from experiments.figures import one_search, panels, restarts

LONGER_SIDE = 360  # Pixels of the photo in the frames.
FRAME, LAST_FRAME = 200, 3000  # Milliseconds.
PHOTO_COLOURS = 128  # Of the palette's 256.
COLOURS = {
    "white": (255, 255, 255),
    "black": (0, 0, 0),
    "orange": (255, 165, 0),
    "green": (60, 230, 60),
}
INDEX = {name: PHOTO_COLOURS + at for at, name in enumerate(COLOURS)}  # Behind the photo's.
LETTER, LINE, MARGIN = 8, 18, 6  # Pixels: width of a letter, height of a line, around the text.

define_flags = one_search.define_flags


def main() -> None:
    """Searches and writes the animation."""
    output = panels.output_path("animation.gif", (".gif",))
    searched = one_search.run()
    data = encode(frames(searched.result, searched.caption))
    panels.write(output, data, searched.result.checkpoints, searched.cropper.configuration)


def frames(result: pipeline.CropResult, caption: str) -> list[Image.Image]:
    """A palette picture for each step of a search, with the scale and the mean's loss below."""
    photo = small_photo(result.photo)
    lines = textwrap.wrap(f"“{caption}”", max(photo.width // LETTER, 8))
    height = photo.height + LINE * (len(lines) + 1) + 2 * MARGIN
    ground = Image.new("P", (photo.width, height), INDEX["black"])
    ground.putpalette(photo.palette)
    ground.paste(photo)
    write(ground, photo.height, lines)
    found = []
    for step in result.path.steps:
        frame = photo.copy()
        draw_step(frame, step)
        text = f"scale {step.scale:.3f}   loss of the mean {float(step.losses[0]):.3f}"
        if step is result.path.steps[-1]:
            draw_crop(frame, result.center, result.scale, "green")
            text = f"returned: scale {result.scale:.3f}   loss {result.loss['total']:.3f}"
        whole = ground.copy()
        whole.paste(frame)
        write(whole, photo.height + LINE * len(lines), [text])
        found.append(whole)
    return found


def small_photo(pixels: np.ndarray) -> Image.Image:
    """A photo `[H, W, 3]` resized to `LONGER_SIDE`, with the marks in its palette."""
    photo = Image.fromarray(pixels)
    factor = LONGER_SIDE / max(photo.size)
    size = [max(1, round(side * factor)) for side in photo.size]
    photo = photo.resize(size, Image.Resampling.LANCZOS)
    photo = photo.quantize(PHOTO_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    unused = [0] * 3 * PHOTO_COLOURS
    marks = [value for colour in COLOURS.values() for value in colour]
    photo.putpalette((photo.getpalette() + unused)[: 3 * PHOTO_COLOURS] + marks)
    return photo


def draw_step(frame: Image.Image, step: Step) -> None:
    """Draws the restarts, their mean and its crop on a photo of `small_photo`."""
    draw = ImageDraw.Draw(frame)
    draw_crop(frame, step.center, step.scale, "orange")
    for start, end in zip(step.starts, step.ends, strict=True):
        begin, dot = (tuple(restarts.on_photo(point, frame.size)) for point in (start, end))
        draw.line([begin, dot], INDEX["black"], 4)
        draw.line([begin, dot], INDEX["white"], 2)
        draw.circle(dot, 4, INDEX["white"], INDEX["black"])
    draw.circle(
        tuple(restarts.on_photo(step.center, frame.size)), 7, INDEX["orange"], INDEX["black"]
    )


def draw_crop(frame: Image.Image, center, scale: float, colour: str) -> None:
    """Draws the outline of a crop, black outside of its colour."""
    x, y, w, h = geometry.pixel_box(center, scale, *frame.size)
    draw = ImageDraw.Draw(frame)
    draw.rectangle([x, y, x + w - 1, y + h - 1], outline=INDEX["black"], width=5)
    draw.rectangle([x + 1, y + 1, x + w - 2, y + h - 2], outline=INDEX[colour], width=3)


def write(picture: Image.Image, top: int, lines: list[str]) -> None:
    """Writes lines of white text from `top` pixels downwards."""
    draw = ImageDraw.Draw(picture)
    draw.fontmode = "1"  # Smooth letters would need colours that the palette lacks.
    font = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    letters = ImageFont.truetype(str(font), 13)
    for number, line in enumerate(lines):
        draw.text((MARGIN, top + MARGIN + LINE * number), line, INDEX["white"], letters)


def encode(pictures: list[Image.Image]) -> bytes:
    """A GIF that repeats for ever."""
    buffer = io.BytesIO()
    times = [FRAME] * (len(pictures) - 1) + [LAST_FRAME]
    # Pillow would make one frame of two equal ones: each has its own scale in it, so none are.
    pictures[0].save(
        buffer,
        format="GIF",
        save_all=True,
        append_images=pictures[1:],
        duration=times,
        loop=0,
        optimize=True,  # What stays the same from frame to frame is left out.
    )
    return buffer.getvalue()


if __name__ == "__main__":
    define_flags()
    app.run(command.main(main))
