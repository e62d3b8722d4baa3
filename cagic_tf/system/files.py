"""Files that a reader never sees half written, and a lock that a dead process does not hold."""

import contextlib
import os
from pathlib import Path

import filelock


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file so that a reader sees the old content or the new, never a part."""
    temporary = path.with_name(path.name + ".partial")
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def append_whole(path: Path, data: bytes) -> None:
    """Appends to a file, to the disk; where that fails the file is as long as before."""
    with open(path, "ab", buffering=0) as file:
        end = file.seek(0, os.SEEK_END)
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except BaseException:
            file.truncate(end)
            raise


def _sync_folder(folder: Path) -> None:
    """Has the names of a folder's files on the disk, where the system can do that: not Windows."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


class Lock:
    """A file that one process holds at a time, from when this is made until `release`.

    The system itself drops it when the process ends, however it ends. It is advisory: it keeps out
    only those who ask for it.
    """

    def __init__(self, path: Path):
        """Takes the lock.

        Raises:
          BlockingIOError: Another holds it.
          OSError: The file cannot be made.
        """
        self._path = path
        self._lock = filelock.FileLock(path, thread_local=False)  # Any thread may release it.
        try:
            self._lock.acquire(blocking=False)
        except filelock.Timeout as error:
            raise BlockingIOError(f"another process holds {path}") from error

    def release(self) -> None:
        """Drops the lock and removes its file; a second time does nothing."""
        if self._lock.is_locked:
            # While it is held: who has opened the file sees that it is gone, and makes its own.
            with contextlib.suppress(OSError):  # Windows removes it afterwards.
                self._path.unlink()
            self._lock.release()
