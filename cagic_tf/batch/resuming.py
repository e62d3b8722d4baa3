"""Whether a run may go on in an earlier run's folder: rows of two settings are never mixed."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from cagic_tf.batch import records

CONFIG, PROVENANCE = "operative_config.gin", "provenance.json"
_RESUMED, _BEFORE = "resumed_by", "rows_before"
_BINDING = re.compile(r"([\w./]+) = (.*)")
_FLAG = re.compile(r"# (--\w+)=(.*)")
_LONGEST = 60  # Characters of a value in a message.


def difference(
    directory: Path,
    done: Mapping[str, records.Record],
    config: str,
    provenance: Mapping[str, Any] | None,
) -> str:
    """What keeps a run from going on in a folder with rows; "" if nothing does.

    The operative configuration, the checkpoints, the program's version and its number of threads
    have to be those of the rows. A folder without `provenance.json` is of a program that did not
    write one yet: its rows say which checkpoints they are from, and of the configuration those
    bindings count that both have, since names come and go with versions.

    Args:
      directory: The output folder.
      done: Its rows.
      config: The operative configuration of now.
      provenance: What makes the results of now, see `provenance.record`; None: unknown, then only
        the configuration counts.

    Returns:
      One line: the name of the first that differs, its old value and its new one.

    Raises:
      OSError, ValueError: A file of the folder cannot be read.
    """
    saved = directory / CONFIG
    old_config = saved.read_text(encoding="utf-8") if saved.exists() else config
    old = read(directory)
    if provenance is not None and old is None:
        for record in done.values():
            if found := _first("checkpoint", record.checkpoints, provenance.get("checkpoints")):
                return found
        return _first("configuration", *_shared(bindings(old_config), bindings(config)))
    if provenance is not None and old is not None:
        for kind in ("version", "thread count"):
            if found := _first(kind, _facts(old)[kind], _facts(provenance)[kind]):
                return found
    # Before checkpoints: which ones they are, it says by name.
    if found := _first("configuration", bindings(old_config), bindings(config)):
        return found
    if provenance is not None and old is not None:
        facts = _facts(old)["checkpoint"], _facts(provenance)["checkpoint"]
        if found := _first("checkpoint", *facts):
            return found
    return "" if old_config == config else _other_lines(old_config, config, saved)


def read(directory: Path) -> dict[str, Any] | None:
    """The `provenance.json` of a folder; None where there is none.

    Raises:
      OSError, ValueError: It cannot be read.
    """
    path = directory / PROVENANCE
    if not path.exists():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} is no JSON object: {error}") from error
    if not isinstance(found, dict) or not all(
        isinstance(found.get(key, {}), dict) for key in ("versions", "checkpoints")
    ):
        raise ValueError(f"{path} does not say what made the rows")
    return found


def merged(
    old: Mapping[str, Any] | None, provenance: Mapping[str, Any], rows: int
) -> dict[str, Any]:
    """What `provenance.json` says once this run goes on.

    Args:
      old: What it says now; None where there is none.
      provenance: Of this run.
      rows: How many rows the folder has already.

    Returns:
      The run that made the first rows, as it described itself. Beside that, "resumed_by" has the
      runs that went on and differ from it and from each other, such as by command or machine; and
      "rows_before" counts the rows that a run left before it, without a word of its own.
    """
    if not rows or old is None:
        return {**provenance, **({_BEFORE: rows} if rows else {})}
    first = {key: value for key, value in old.items() if key not in (_RESUMED, _BEFORE)}
    runs = [first, *old.get(_RESUMED, ())]
    if provenance in runs:
        return dict(old)
    return {**old, _RESUMED: [*old.get(_RESUMED, ()), dict(provenance)]}


def bindings(config: str) -> dict[str, str]:
    """The bindings of an operative configuration, "Name.parameter" to its value's text.

    Flags that change crops are in it as comments, "# --candidates=4"; they count as bindings.
    """
    found: dict[str, str] = {}
    name = ""
    for line in config.splitlines():
        if match := _BINDING.fullmatch(line) or _FLAG.fullmatch(line):
            name, found[match[1]] = match[1], match[2].removesuffix("\\").strip()
        elif name and line.startswith(" "):  # A long value goes on.
            found[name] = f"{found[name]} {line.strip()}".strip()
        else:
            name = ""
    return found


def _shared(
    old: Mapping[str, str], new: Mapping[str, str]
) -> tuple[dict[str, str], dict[str, str]]:
    """Both without bindings that only one has; a flag that is missing has its default."""
    both = {name for name in {*old, *new} if (name in old and name in new) or name.startswith("--")}
    return (
        {name: value for name, value in old.items() if name in both},
        {name: value for name, value in new.items() if name in both},
    )


def _other_lines(old: str, new: str, saved: Path) -> str:
    """What differs where no binding does, such as what a method says of itself in a comment."""
    lines = [[_line(line) for line in text.splitlines()] for text in (old, new)]
    was = next((line for line in lines[0] if line not in lines[1]), None)
    now = next((line for line in lines[1] if line not in lines[0]), None)
    had = [f"it had {_shown(was, now)!r}"] if was else []
    has = [f"it has {_shown(now, was)!r} now"] if now else []
    return f"of another configuration, see {saved}: {' and '.join(had + has) or 'lines moved'}"


def _facts(provenance: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    return {
        "version": {"cagic_tf": provenance.get("versions", {}).get("cagic_tf")},
        "thread count": {"threads": provenance.get("threads")},
        "checkpoint": provenance.get("checkpoints", {}),
    }


def _first(kind: str, old: Mapping[str, Any] | None, new: Mapping[str, Any] | None) -> str:
    """What the first name says whose values differ; "" if none does. None as a whole: unknown."""
    if old is None or new is None:
        return ""
    for name in _names(old, new):
        if old.get(name) != new.get(name):
            was, now = _shown(old.get(name), new.get(name)), _shown(new.get(name), old.get(name))
            return f"of another {kind}: {name} was {was} and is {now} now"
    return ""


def _names(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    """First those that both have: one that is missing follows from another, such as a search."""
    yield from (name for name in old if name in new)
    yield from (name for name in old if name not in new)
    yield from (name for name in new if name not in old)


def _shown(value: Any, other: Any) -> str:
    """A value for a message; of a long one the part where it begins to differ from another."""
    text, beside = ("not given" if each is None else _line(each) for each in (value, other))
    if re.fullmatch("[0-9a-f]{64}", text):  # A SHA-256.
        return text[:12]
    if len(text) <= _LONGEST:
        return text
    start = max(0, len(os.path.commonprefix([text, beside])) - _LONGEST // 2)
    end = start + _LONGEST
    return ("..." if start else "") + text[start:end] + ("..." if end < len(text) else "")


def _line(value: Any) -> str:
    return " ".join(str(value).split())
