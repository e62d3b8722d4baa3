"""Pixels of any kind to 8-bit sRGB: ICC profiles, alpha, palettes, CMYK, 16 bits. Pillow only."""

import io

import numpy as np
from PIL import Image, ImageCms

_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}  # ICC colour space to Pillow's mode.
_SPACES = {"1": "L", "LA": "L", "La": "L", "I;16": "L", "P": "RGB", "PA": "RGB", "RGBA": "RGB"}
_UNSEEN = 2  # Of 255: what comes of rounding, and of profiles that say sRGB in other words.


def has_alpha(image: Image.Image) -> bool:
    """Whether some pixel may be transparent."""
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def space(mode: str) -> str:
    """The colours of a Pillow mode, without alpha and palette: "L", "RGB", "CMYK" or itself."""
    return _SPACES.get(mode, mode)


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """A picture without its alpha, palette or 16 bits, and the alpha.

    Args:
      image: Of any mode but "F", "I" and those of 16 bits that `depths.settled` does not give.

    Returns:
      The picture as "1", "L", "RGB", "CMYK" or another mode without alpha, in its own colours;
      and the alpha as "L", or None.
    """
    if image.mode == "I;16":  # convert("RGB") would clip it.
        values, hidden = np.asarray(image), image.info.get("transparency")
        opaque = Image.fromarray((values >> 8).astype(np.uint8))
        if not isinstance(hidden, int):
            return opaque, None
        return opaque, Image.fromarray(np.where(values == hidden, 0, 255).astype(np.uint8))
    if image.mode == "La":  # Which becomes nothing else.
        image = image.convert("LA")
    alpha = image.convert("RGBA").getchannel("A") if has_alpha(image) else None
    if image.mode == "LA":
        image = image.convert("L")
    elif alpha is not None or image.mode in ("P", "PA"):
        grey = image.mode in ("1", "L")
        image = image.convert("L" if grey else "RGB")
    image.info.pop("transparency", None)
    return image, alpha


def on_white(image: Image.Image, alpha: Image.Image | None) -> Image.Image:
    """A picture of `split_alpha` laid on white."""
    if alpha is None:
        return image
    if image.mode not in ("L", "RGB"):
        image = image.convert("RGB")
    white = Image.new(image.mode, image.size, "white")
    white.paste(image, mask=alpha)
    return white


class ToSrgb:
    """Turns pictures of `split_alpha` into "RGB" in sRGB, by the ICC profile that they came with.

    Without a profile, with a damaged one, or with one of another kind of colours than the
    picture's, colours are taken as sRGB already.

    Attributes:
      space: Which colours the profile is for: "L", "RGB" or "CMYK"; "" where there is none.
      needed: Whether it makes other colours of them than sRGB, whatever it is called.
    """

    def __init__(self, profile: bytes | None):
        """Reads the profile, `Image.info["icc_profile"]`."""
        self.space, self._transform = "", None
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
            mode = _MODES[source.profile.xcolor_space.strip()]
            srgb = ImageCms.createProfile("sRGB")
            transform = ImageCms.buildTransform(source, srgb, mode, "RGB")
        except (ImageCms.PyCMSError, KeyError, OSError, TypeError, ValueError):
            return
        self.space = mode
        if _changes(transform, mode):  # Else colours would come back rounded.
            self._transform = transform

    @property
    def needed(self) -> bool:
        """Whether there is a profile, of other colours than sRGB."""
        return self._transform is not None

    def __call__(self, image: Image.Image) -> Image.Image:
        """The picture as "RGB"; of its own size."""
        if self.space == "RGB" and image.mode in ("1", "L"):
            image = image.convert("RGB")
        if image.mode == "LAB":  # Colours of their own, which no profile describes.
            return _applied(image, _lab_to_srgb())
        if self._transform is None or self.space != image.mode:
            return image.convert("RGB")
        return _applied(image, self._transform)


def _changes(transform: ImageCms.ImageCmsTransform, mode: str) -> bool:
    """Whether colours that are spread over all are seen as others."""
    if mode == "CMYK":
        return True
    steps = np.arange(0, 256, 15 if mode == "RGB" else 1, dtype=np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), -1) if mode == "RGB" else steps
    image = Image.fromarray(colours.reshape(1, -1, 3) if mode == "RGB" else colours[None])
    after = np.asarray(_applied(image, transform)).astype(int)
    return bool(np.abs(after - np.asarray(image.convert("RGB"))).max() > _UNSEEN)


def _lab_to_srgb() -> ImageCms.ImageCmsTransform:
    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.buildTransform(lab, srgb, "LAB", "RGB")


def _applied(image: Image.Image, transform: ImageCms.ImageCmsTransform) -> Image.Image:
    converted = ImageCms.applyTransform(image, transform)
    assert converted is not None  # There is none only in place.
    return converted
