"""Reads a pickle without running anything that is in it.

A pickle is a program: an ordinary `pickle.load` calls whatever function the file names. Here a file
can name only what its reader allows. With nothing allowed it can build what the language has built
in, and no more: dicts, lists, tuples, sets, texts, bytes, numbers, booleans and None.
"""

import pickle
from collections.abc import Callable, Mapping
from typing import IO, Any, ClassVar

# Module and name, as the file has them, to what stands in for them.
Allowed = Mapping[tuple[str, str], Callable[..., Any]]
# Opcode to the method that carries it out.
_OPCODES: dict[int, Any] = dict(pickle._Unpickler.dispatch)


class Unpickler(pickle._Unpickler):
    """An unpickler that resolves the allowed names, and no others.

    It is the one in Python: the one in C takes gigabytes for a file of twenty bytes that numbers
    its objects high.
    """

    stack: list[Any]  # What is being built, as the base class calls it.

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

    def refuse(self) -> None:
        """Stands in for what plain data never needs.

        Extension codes are names of the running program's; a bytearray's memory is taken before it
        is known whether the file has so many bytes.
        """
        raise pickle.UnpicklingError("it has a bytearray or an extension code")

    dispatch: ClassVar[dict[int, Any]] = {
        **_OPCODES,
        pickle.BUILD[0]: load_build,
        pickle.BYTEARRAY8[0]: refuse,
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
