"""`edgekit.lock`, beside `edgekit.toml`: the decisions of the last build for each target."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import to_jsonable_python

from edgekit import scratch
from edgekit.errors import LockError
from edgekit.types.build_lock import LOCK_SCHEMA, BuildLock

FILE = "edgekit.lock"
_LOCK: TypeAdapter[BuildLock] = TypeAdapter(BuildLock)
_AGAIN = "Build without --locked to write a new one."


def read(folder: Path, target: str) -> BuildLock:
    """The lock of a target; raises `LockError` where there is none that can be read."""
    file = folder / FILE
    if not file.is_file():
        raise LockError(f"No {file}. {_AGAIN}")
    found = _targets(file)
    if target not in found:
        listed = ", ".join(found) or "no target"
        raise LockError(f"{file} has {listed}, and not {target}. {_AGAIN}")
    try:
        return _LOCK.validate_python(_expanded(found[target]))
    except (ValidationError, ValueError, KeyError, TypeError, AttributeError) as error:
        first = str(error).splitlines()[0]
        raise LockError(
            f"{file} cannot be read for {target}: {first}. {_AGAIN}"
        ) from error


def write(folder: Path, target: str, lock: BuildLock) -> None:
    """Write the lock of a target in the place of its last; others stay. Raises `OSError`."""
    file = folder / FILE
    try:
        others = _targets(file) if file.is_file() else {}
    except LockError:  # what nobody can read is replaced
        others = {}
    targets = {**others, target: _compact(to_jsonable_python(lock))}
    content = {"schema": LOCK_SCHEMA, "targets": dict(sorted(targets.items()))}
    scratch.write(file, (json.dumps(content, indent=1) + "\n").encode())


def _targets(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["schema"] != LOCK_SCHEMA:
            raise LockError(
                f"{file} has schema {content['schema']}; this EdgeKit reads {LOCK_SCHEMA}. "
                f"{_AGAIN}"
            )
        return dict(content["targets"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LockError(
            f"{file} cannot be read ({type(error).__name__}: {error}). {_AGAIN}"
        ) from error


def _compact(lock: dict[str, Any]) -> dict[str, Any]:
    """The lock with the units of each plan as ranges, a line for each group."""
    for cut in lock["cuts"]:
        kept: Mapping[str, list[int]] = cut["plan"]["kept"]
        cut["plan"]["kept"] = {name: ranges(units) for name, units in kept.items()}
    return lock


def _expanded(lock: dict[str, Any]) -> dict[str, Any]:
    for cut in lock["cuts"]:
        kept: Mapping[str, str] = cut["plan"]["kept"]
        cut["plan"]["kept"] = {name: units_of(text) for name, text in kept.items()}
    return lock


def ranges(units: list[int]) -> str:
    """Sorted numbers as text: `0-3,7`."""
    parts: list[list[int]] = []
    for unit in units:
        if parts and parts[-1][1] == unit - 1:
            parts[-1][1] = unit
        else:
            parts.append([unit, unit])
    return ",".join(f"{a}" if a == b else f"{a}-{b}" for a, b in parts)


def units_of(text: str) -> list[int]:
    """The numbers of `ranges`; raises `ValueError` for another text."""
    found: list[int] = []
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found += range(int(first), int(last or first) + 1)
    return found
