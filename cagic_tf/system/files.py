"""Files that a reader never sees half written, and a lock that a dead process does not hold."""

import contextlib
import fcntl
import os
import weakref
from pathlib import Path


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


class Lock:
    """A file that one process holds at a time, from when this is made until `release`.

    The system itself drops it when the process ends, however it ends. It is advisory: it keeps out
    only those who ask for it.
    """

    def __init__(self, path: Path):
        """Takes the lock, or raises BlockingIOError where another holds it."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Else its holder removed it between the two lines above: the name is another file's.
            if os.fstat(descriptor).st_ino != os.stat(path).st_ino:
                raise BlockingIOError(f"{path} was released just now")
        except FileNotFoundError as error:
            os.close(descriptor)
            raise BlockingIOError(f"{path} was released just now") from error
        except BaseException:
            os.close(descriptor)
            raise
        self._release = weakref.finalize(self, _release, path, descriptor)

    def release(self) -> None:
        """Drops the lock; a second time does nothing."""
        self._release()


def _release(path: Path, descriptor: int) -> None:
    with contextlib.suppress(OSError):
        path.unlink()
    os.close(descriptor)
