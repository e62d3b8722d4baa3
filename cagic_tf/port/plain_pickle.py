"""Reads a pickle without running anything that is in it.

A pickle is a program: an ordinary `pickle.load` calls whatever function the file names. Here a file
can name only what its reader allows. With nothing allowed it can build what the language has built
in, and no more: dicts, lists, tuples, sets, texts, bytes, bytearrays, numbers, booleans and None.
"""

import pickle
from collections.abc import Callable, Mapping
from typing import IO, Any, ClassVar

# Module and name, as the file has them, to what stands in for them.
Allowed = Mapping[tuple[str, str], Callable[..., Any]]
# Opcode to the method that carries it out.
_OPCODES: dict[int, Any] = dict(pickle._Unpickler.dispatch)
_PIECE = 2**20  # Bytes that are read at a time.


class Unpickler(pickle._Unpickler):
    """An unpickler that resolves the allowed names, and no others.

    It is the one in Python: the one in C takes gigabytes for a file of twenty bytes that numbers
    its objects high.
    """

    # As the base class calls them: what is being built, how it grows, and bytes of the file.
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]

    def __init__(self, file: IO[bytes], allowed: Allowed, *, encoding: str, errors: str) -> None:
        super().__init__(file, encoding=encoding, errors=errors)
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Callable[..., Any]:
        """What stands in for a name; `pickle.UnpicklingError` where it is not allowed."""
        if (module, name) not in self._allowed:
            raise pickle.UnpicklingError(
                f"it names {module}.{name}, which is not allowed, so nothing was run"
            )
        return self._allowed[module, name]

    def load(self) -> Any:
        """Loads one pickle; see the function of this name for what it raises."""
        try:
            return super().load()
        except OSError:
            raise
        except pickle.UnpicklingError as error:
            raise pickle.UnpicklingError(" ".join(str(error).split())) from error
        except Exception as error:  # Damaged pickles raise nearly every kind.
            text = " ".join(f"{type(error).__name__}: {error}".split())
            raise pickle.UnpicklingError(f"it is damaged ({text})") from error

    def load_build(self) -> None:
        """Gives an object its state, but leaves alone what stands in for a name."""
        if callable(self.stack[-2]):
            raise pickle.UnpicklingError("it changes a class or function")
        _OPCODES[pickle.BUILD[0]](self)

    def load_bytearray8(self) -> None:
        """Reads a bytearray piece by piece: bytes that are not there take no memory.

        The base class takes it all at once, and then looks whether the file has so many.
        """
        length = int.from_bytes(self.read(8), "little")
        data = bytearray()
        while len(data) < length:
            piece = self.read(min(length - len(data), _PIECE))
            if not piece:
                raise pickle.UnpicklingError("it has a bytearray that is longer than the file")
            data += piece
        self.append(data)

    def refuse(self) -> None:
        """Stands in for extension codes: names of the running program's, which data never needs."""
        raise pickle.UnpicklingError("it has an extension code")

    dispatch: ClassVar[dict[int, Any]] = {
        **_OPCODES,
        pickle.BUILD[0]: load_build,
        pickle.BYTEARRAY8[0]: load_bytearray8,
        pickle.EXT1[0]: refuse,
        pickle.EXT2[0]: refuse,
        pickle.EXT4[0]: refuse,
    }


def load(
    file: IO[bytes], allowed: Allowed | None = None, *, encoding: str, errors: str = "strict"
) -> Any:
    """Loads one pickle.

    Args:
      file: The file, at the pickle's first byte.
      allowed: The names that the file may use, each with a class or function of ours in its place.
      encoding: Of the texts of Python 2.
      errors: What to do with its texts that are not in `encoding`, as in `bytes.decode`.

    Raises:
      pickle.UnpicklingError: The pickle is damaged or asks for more than is allowed; one line.
      OSError: The file cannot be read.
    """
    return Unpickler(file, allowed or {}, encoding=encoding, errors=errors).load()
