"""Files of several pictures: which one is the photo, and how many others there are."""

from typing import Any

from PIL import Image

_SUBFILE_TYPE = 254
_REDUCED, _MASK = 1, 4  # Bits of that tag.
_MOST_PAGES = 100  # So that opening a photo does not take for ever.


def choose(image: Image.Image) -> None:
    """Seeks the photo in a file that Pillow has opened: the first picture, but for a thumbnail.

    The first page of a TIFF is one where the file says so, or where another page is the same
    picture in at least twice the size. Then it is the largest such page.
    """
    if image.format != "TIFF" or not getattr(image, "is_animated", False):
        return
    pages = _pages(image)
    best = 0
    if pages and pages[0]:
        first, kind = pages[0]
        others = {
            at: size
            for at, (size, other) in list(pages.items())[1:]
            if not other & (_REDUCED | _MASK)
            and (kind & _REDUCED or (_is_same_shape(first, size) and size[0] >= 2 * first[0]))
        }
        best = max(others, key=lambda at: others[at][0] * others[at][1], default=0)
    image.seek(best)


def note(image: Image.Image) -> str:
    """That only one of the file's pictures is cropped, in a few words; "" where there is one.

    Smaller versions of the photo, masks and previews are not counted.
    """
    if not getattr(image, "is_animated", False) or image.format == "HEIF":
        return ""
    if image.format not in ("TIFF", "MPO"):
        count, place = int(getattr(image, "n_frames", 1)), image.tell()
    else:
        chosen = image.tell()
        pages = _pages(image)
        image.seek(chosen)
        size = image.size
        counted = [
            at
            for at, (other, kind) in pages.items()
            if at == chosen
            or (not kind & (_REDUCED | _MASK) and not _is_smaller_version(other, size))
        ]
        count, place = len(pages) if len(counted) > 1 else 1, chosen
    return f"only picture {place + 1} of the {count} in the file was cropped" if count > 1 else ""


def _pages(image: Any) -> dict[int, tuple[tuple[int, int], int]]:
    """Size and kind of each page that can be read, by its place; the picture is sought."""
    found = {}
    for at in range(_MOST_PAGES):
        try:
            image.seek(at)
            kind = getattr(image, "tag_v2", {}).get(_SUBFILE_TYPE, 0)
            found[at] = image.size, kind if isinstance(kind, int) else 0
        except EOFError:
            break
        except Exception:  # Of many kinds where a page is damaged or of no known kind.
            if at + 1 >= (getattr(image, "_n_frames", None) or at + 2):
                break
    return found


def _is_same_shape(small: tuple[int, int], large: tuple[int, int]) -> bool:
    """Whether two sizes have the same ratio, as far as whole pixels of the smaller one say it."""
    return abs(large[0] * small[1] / large[1] - small[0]) <= 1 + small[0] / 50


def _is_smaller_version(size: tuple[int, int], of: tuple[int, int]) -> bool:
    return 2 * size[0] <= of[0] and _is_same_shape(size, of)
