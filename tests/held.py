"""What objects hold on to, whatever else is in the process."""

import gc
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

_LEADS_ELSEWHERE = (types.ModuleType, type, types.FrameType)


def reachable(*roots: Any) -> Iterator[Any]:
    """Each object that these refer to, directly or not; modules, classes and globals left out."""
    seen, waiting = set(), list(roots)
    while waiting:
        item = waiting.pop()
        if id(item) in seen or isinstance(item, _LEADS_ELSEWHERE):
            continue
        seen.add(id(item))
        yield item
        if isinstance(item, types.FunctionType):  # Its referents have the module's globals.
            waiting += [item.__closure__, item.__defaults__, item.__kwdefaults__, item.__dict__]
        elif isinstance(item, np.ndarray):
            waiting.append(item.base)
        else:
            waiting += gc.get_referents(item)


def size(*roots: Any) -> int:
    """Bytes of all that is reachable."""
    gc.collect()
    return sum(sys.getsizeof(item) for item in reachable(*roots))


def alive(kind: type) -> int:
    """How many instances of a class the process has, once garbage is collected."""
    gc.collect()
    return sum(type(item) is kind for item in gc.get_objects())
