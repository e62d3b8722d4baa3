"""Grey pictures of more than 8 bits at their own brightness: as 16 bits whose white is 65535.

Pillow hands out the numbers of a file and not what is white in it: 12 bits end at 4095, 32 bits are
signed whatever the file says, and white may be 0.
"""

import numpy as np
from PIL import Image

_BITS, _IS_WHITE_ZERO, _LARGEST, _FORMAT, _LARGEST_SIGNED = 258, 262, 281, 339, 341
_SIGNED = (2,)
_LEAST_SHARE = 16  # A picture that uses less than this part of 32 bits says no white.


class DepthError(ValueError):
    """What is black and white in a picture is not known; the message is one line."""


def settled(image: Image.Image) -> Image.Image:
    """A loaded picture whose numbers are brightnesses; of 8 bits, itself.

    Args:
      image: A picture that has been loaded.

    Returns:
      The picture; of a grey one of more bits than 8 one of mode "I;16", 0 black and 65535 white.

    Raises:
      DepthError: It has negative numbers, or 32 bits of which too few are used to know the white.
    """
    bits, largest = _tag(image, _BITS, 0), _tag(image, _LARGEST, 0)
    signed_largest = _tag(image, _LARGEST_SIGNED, 0)
    is_signed = getattr(image, "tag_v2", {}).get(_FORMAT) in (_SIGNED, _SIGNED[0])
    if image.mode == "L" and is_signed and bits == 8:
        return _from_numbers(image, np.asarray(image).view(np.int8), 127)
    if not image.mode.startswith("I"):
        if bits == 16 and 0 < largest < 2**15 and _is_of_bits(largest):
            raise DepthError(f"its colours have 16 bits and end at {largest}; save it with 8 bits")
        return image
    values = np.asarray(image)
    if values.dtype != np.int32:
        whole = 2**bits - 1 if 8 < bits < 16 else 65535
    elif image.format == "TIFF" and bits == 32 and not is_signed:
        values, whole = values.view(np.uint32), 2**32 - 1
    elif image.format == "PNG":  # Of 16 bits, in older versions of Pillow.
        whole = 65535
    else:
        whole = 2**15 - 1 if bits == 16 else 2**31 - 1
    return _from_numbers(image, values, _white(values, whole, (signed_largest, largest)))


def _is_of_bits(largest: int) -> bool:
    """Whether it is all of some bits, such as 4095; TIFF has other values as mere statistics."""
    return largest & (largest + 1) == 0


def _white(values: np.ndarray, whole: int, said: tuple[int, ...]) -> int:
    """What is white: what the file says, else all bits, but 32 of them are often used for fewer."""
    largest = int(values.max())
    for white in said:
        if max(largest, 1) <= white <= whole and _is_of_bits(white):
            return white
    if whole <= 65535:
        return whole
    if largest <= 65535:
        return 255 if largest <= 255 else 65535
    if largest < whole // _LEAST_SHARE:
        raise DepthError(f"its 32 bits end at {largest}, so its white is not known; use 16 bits")
    return whole


def _from_numbers(image: Image.Image, values: np.ndarray, white: int) -> Image.Image:
    if np.issubdtype(values.dtype, np.signedinteger) and values.min() < 0:
        raise DepthError("it has negative numbers, so its black is not known; save it without")
    is_white_zero = image.mode == "I;16" and _tag(image, _IS_WHITE_ZERO, 1) == 0
    if white == 65535 and not is_white_zero:
        if image.mode == "I;16":
            return image
        made = values.astype(np.uint16)
    else:  # In floats of 64 bits, of which a row at a time is there.
        made = np.empty(values.shape, np.uint16)
        for row, numbers in zip(made, values, strict=True):
            row[:] = np.round(numbers * (65535 / white))
    found = Image.fromarray(65535 - made if is_white_zero else made)
    found.info = dict(image.info)
    found.format = image.format
    return found


def _tag(image: Image.Image, number: int, default: int) -> int:
    """A TIFF's tag that is a whole number, or the first of several."""
    value = getattr(image, "tag_v2", {}).get(number)
    value = value[0] if isinstance(value, tuple) and value else value
    return value if isinstance(value, int) else default
