"""Who has the page open: each visit's photo and files, and how its work is stopped.

A photo is kept until its page takes another, is closed, or the program ends; then it is gone.
"""

import secrets
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote

ADDRESS = "gradio_api/file="  # Where Gradio serves files from, relative to the page.


class Visit:
    """One open page.

    Attributes:
      photo: The photo that it has chosen, or None.
      view: Address of that photo as the page shows it, upright and not too large.
    """

    def __init__(self, private: Path, shown: Path):
        """Takes the folder of what nobody may load, and that of what the page may."""
        self._private, self._shown = private, shown
        self._results: Path | None = None
        self._stopping = threading.Event()
        self.photo: Path | None = None
        self.view = ""

    def take(self, source: Path) -> Path:
        """Copies a photo to here, under its own name, in the place of the one before."""
        self.close()
        folder = self._private / secrets.token_urlsafe(16)
        folder.mkdir(parents=True)
        self.photo = Path(shutil.copyfile(source, folder / source.name))
        return self.photo

    def show_photo(self, name: str, content: bytes) -> None:
        """Has the page show the photo by this file."""
        folder = self._write({name: content})
        self.view = _address(folder / name)

    def show(self, contents: Mapping[str, bytes]) -> dict[str, str]:
        """Writes files that the page may load, in the place of those before.

        Args:
          contents: The name of each file to what is in it.

        Returns:
          The name of each file to its address.
        """
        before, self._results = self._results, self._write(contents)
        if before:
            shutil.rmtree(before, ignore_errors=True)
        return {name: _address(self._results / name) for name in contents}

    def begin(self) -> threading.Event:
        """A work begins, and the one before is stopped; what is returned is set to stop it."""
        self.stop()
        self._stopping = threading.Event()
        return self._stopping

    def stop(self) -> None:
        """Stops the work that goes on, if there is one."""
        self._stopping.set()

    def close(self) -> None:
        """Stops the work and removes the photo and all files."""
        self.stop()
        for folder in (self._private, self._shown):
            shutil.rmtree(folder, ignore_errors=True)
        self.photo, self.view, self._results = None, "", None

    def _write(self, contents: Mapping[str, bytes]) -> Path:
        folder = self._shown / secrets.token_urlsafe(16)  # An address that nobody else can guess.
        folder.mkdir(parents=True)
        for name, content in contents.items():
            (folder / name).write_bytes(content)
        return folder


class Visits:
    """All open pages, each by the name that Gradio gives it."""

    def __init__(self, root: Path):
        """Takes a folder, which is to be removed when the program ends."""
        self._private, self.shown = root / "photos", root / "shown"
        self.shown.mkdir(parents=True)
        self._open: dict[str, Visit] = {}
        self._lock = threading.Lock()

    def of(self, name: str) -> Visit:
        """The visit of that name, a new one if there is none yet."""
        with self._lock:
            if name not in self._open:
                own = secrets.token_urlsafe(16)
                self._open[name] = Visit(self._private / own, self.shown / own)
            return self._open[name]

    def close(self, name: str) -> None:
        """Ends the visit of that name, if there is one."""
        with self._lock:
            visit = self._open.pop(name, None)
        if visit:
            visit.close()


def _address(path: Path) -> str:
    return ADDRESS + quote(path.as_posix())
