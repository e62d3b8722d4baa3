"""How files that are written name the photos that they are about."""

import os
from pathlib import Path


def relative(photo: Path, folder: Path) -> str:
    """A photo's path from a folder, where the system has such a path; else its whole path.

    Args:
      photo: The photo.
      folder: The folder of the file that names it; it need not be there yet.
    """
    try:
        return Path(os.path.relpath(photo.absolute(), folder.resolve())).as_posix()
    except ValueError:  # Another drive.
        return photo.absolute().as_posix()
