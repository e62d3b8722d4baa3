"""Pixels of any kind to 8-bit sRGB: ICC profiles, alpha, palettes, CMYK, 16 bits. Pillow only."""

import io

import numpy as np
from PIL import Image, ImageCms

_MODES = {"GRAY": "L", "RGB": "RGB", "CMYK": "CMYK"}  # ICC colour space to Pillow's mode.


def has_alpha(image: Image.Image) -> bool:
    """Whether some pixel may be transparent."""
    return image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info


def split_alpha(image: Image.Image) -> tuple[Image.Image, Image.Image | None]:
    """A picture without its alpha, palette or 16 bits, and the alpha.

    Args:
      image: Of any mode but "F".

    Returns:
      The picture as "1", "L", "RGB", "CMYK" or another mode without alpha, in its own colours;
      and the alpha as "L", or None.
    """
    if image.mode.startswith("I"):  # 16 and 32-bit grey; convert("RGB") would clip it.
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray(np.clip(values >> 8, 0, 255).astype(np.uint8)), None
    alpha = image.convert("RGBA").getchannel("A") if has_alpha(image) else None
    if image.mode in ("LA", "La"):
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
      needed: Whether there is a profile, of other colours than sRGB.
    """

    def __init__(self, profile: bytes | None):
        """Reads the profile, `Image.info["icc_profile"]`."""
        self._mode = self._transform = None
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile or b""))
            mode = _MODES.get(source.profile.xcolor_space.strip())
            named = source.profile.profile_description or ""
            if mode and "sRGB" not in named:  # Through itself, sRGB would come back rounded.
                srgb = ImageCms.createProfile("sRGB")
                self._transform = ImageCms.buildTransform(source, srgb, mode, "RGB")
                self._mode = mode
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
        self.needed = self._transform is not None

    def __call__(self, image: Image.Image) -> Image.Image:
        """The picture as "RGB"; of its own size."""
        if self.needed and self._mode == "RGB" and image.mode in ("1", "L"):
            image = image.convert("RGB")
        if self._transform is None or self._mode != image.mode:
            return image.convert("RGB")
        converted = ImageCms.applyTransform(image, self._transform)
        assert converted is not None  # There is none only in place.
        return converted
