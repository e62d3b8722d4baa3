"""What A2-RL's agent does to its window, which it counts in twentieths of the photo."""

from typing import NamedTuple

TWENTIETHS = 20
SMALLEST = 4  # Twentieths: a window that is as narrow or as low ends the episode.


class Window(NamedTuple):
    """A window in twentieths of the photo's width and height, ends not included."""

    left: int
    top: int
    right: int
    bottom: int


WHOLE = Window(0, 0, TWENTIETHS, TWENTIETHS)
# What each action adds to left, top, right and bottom, by the number that the network has for it.
ACTIONS = (
    (1, 1, -1, -1),  # Smaller about the centre.
    (0, 0, -1, -1),  # Smaller, the top left corner stays.
    (1, 0, 0, -1),  # The top right one.
    (0, 1, -1, 0),  # The bottom left one.
    (1, 1, 0, 0),  # The bottom right one.
    (1, 0, 1, 0),  # To the right.
    (-1, 0, -1, 0),  # To the left.
    (0, -1, 0, -1),  # Up.
    (0, 1, 0, 1),  # Down.
    (0, 1, 0, -1),  # Less high.
    (1, 0, -1, 0),  # Less wide.
    (0, -1, 0, 1),  # Higher.
    (-1, 0, 1, 0),  # Wider.
    (0, 0, 0, 0),  # Stop.
)
STOP = 13


def act(window: Window, action: int) -> Window:
    """The window after an action, 0 to 13.

    Each of the four numbers is kept within 0..20 on its own, as in the authors' code: a move
    against the photo's border makes the window smaller.

    >>> act(Window(0, 5, 15, 20), 6)
    Window(left=0, top=5, right=14, bottom=20)
    """
    moved = (edge + change for edge, change in zip(window, ACTIONS[action], strict=True))
    return Window(*(min(max(edge, 0), TWENTIETHS) for edge in moved))


def ends(window: Window, action: int) -> bool:
    """Whether the episode ends with an action that led to this window, which is then its result."""
    width, height = window.right - window.left, window.bottom - window.top
    return action == STOP or width <= SMALLEST or height <= SMALLEST


def pixels(window: Window, width: int, height: int) -> tuple[int, int, int, int]:
    """The window in a photo's pixels, `(left, top, right, bottom)`, ends not included.

    Truncated in the authors' order, which gives one pixel less than exact arithmetic at some sizes,
    such as 14 twentieths of 90. Only where nothing would be left of a tiny photo, and their code
    fails, the window keeps one pixel.
    """
    left, top, right, bottom = (
        int(edge / TWENTIETHS * side)
        for edge, side in zip(window, (width, height) * 2, strict=True)
    )
    return left, top, max(right, left + 1), max(bottom, top + 1)
