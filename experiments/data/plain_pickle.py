"""Reads a pickle that holds only plain data, and runs nothing that is in it.

A pickle is a program: an ordinary `pickle.load` calls whatever function the file names. Here every
name is refused, and without names a pickle can only build what the language has built in: dicts,
lists, tuples, sets, texts, bytes, numbers, booleans and None.
"""

import pickle
from pathlib import Path
from typing import Any

from experiments.data.annotations import DataError


class _PlainUnpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"it names {module}.{name}")


def load(path: Path) -> Any:
    """Loads plain data; texts of Python 2 are read as UTF-8.

    Raises:
      DataError: The file is missing, no pickle, or names any class or function.
    """
    try:
        with open(path, "rb") as file:
            return _PlainUnpickler(file, encoding="utf-8", errors="replace").load()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from error
    except Exception as error:  # Damaged pickles raise many kinds.
        text = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"{path} is no pickle of plain data: {text}") from error
