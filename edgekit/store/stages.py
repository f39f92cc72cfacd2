"""Stages of a build: made once for the same inputs, and kept as typed records.

A stage declares by name all that its result depends on, and EdgeKit's own code. Their hash names
its entry, and the entry lists them, so that the reason for running a stage again is the input
that differs from the nearest entry. A record is read back from disk also where it was just made:
what follows is the same in every build.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache, cached_property
from glob import glob
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

import edgekit
from edgekit import plugins
from edgekit.store import holders
from edgekit.store.entries import Outcome, Store, key

T = TypeVar("T")
_INPUTS, _VALUE = "inputs.json", "value.json"
_LONG = 100
"""Characters past which an input is listed by its hash."""


class Record(Protocol[T]):
    """Form of a result in a folder: JSON, arrays or files, and never pickles."""

    def write(self, value: T, folder: Path) -> None:
        """Write the result."""

    def read(self, folder: Path) -> T:
        """The result as it was written."""
        ...


class Display(Protocol):
    """A display that has a line for what was kept."""

    def say(self, line: str) -> None:
        """Show a line."""


class Json(Generic[T]):
    """A result of dataclasses, numbers and texts, in one file of JSON."""

    def __init__(self, kind: Any) -> None:
        self._adapter: TypeAdapter[T] = TypeAdapter(kind)

    def write(self, value: T, folder: Path) -> None:
        """Write the result."""
        plain = to_jsonable_python(value)
        (folder / _VALUE).write_text(json.dumps(plain), encoding="utf-8")

    def read(self, folder: Path) -> T:
        """The result; raises pydantic's `ValidationError` for one of another type."""
        text = (folder / _VALUE).read_text(encoding="utf-8")
        return self._adapter.validate_python(json.loads(text))


@dataclass(frozen=True, kw_only=True)
class Stage(Generic[T]):
    """A step of a build by everything that its result depends on."""

    kind: str
    inputs: Mapping[str, Any]
    """By name: numbers, texts, dataclasses of these; bytes by their hashes."""
    record: Record[T]
    title: str = ""
    """Name of the step on the screen."""
    portable: bool = True
    """False where the result holds for this machine alone."""
    holds: Callable[[T], bool] | None = None
    """True of a kept result that may still be used; `None` is always."""
    words: Callable[[T], str] | None = None
    """Announcement of a kept result; `None` is "kept"."""

    @cached_property
    def listed(self) -> dict[str, str]:
        """The inputs, each a short text of JSON, those inside of others with dotted names."""
        # Last: an input of this name must not take the place of the code.
        return {
            **flat(self.inputs),
            "edgekit": f"{edgekit.__version__} {code_digest()[:12]}",
        }

    @cached_property
    def name(self) -> str:
        """The name of its entry."""
        return key(self.listed)

    def outcome(self, *, kept: bool, seconds: float = 0.0) -> Outcome:
        """The record of what became of it in this process."""
        return Outcome(
            kind=self.kind,
            title=self.title or self.kind,
            inputs=self.listed,
            kept=kept,
            seconds=seconds,
        )


def kept(
    store: Store | None, stage: Stage[T], make: Callable[[], T], progress: Display
) -> T:
    """The result of a stage: that of an earlier build with the same inputs, else `make`'s.

    Without a store it is made.

    Raises what `make` raises, and `OutputError` where the cache cannot be written.
    """
    if store is None:
        return make()
    found = find(store, stage, progress)
    if found is not None:
        return found
    with holders.alone(store.lock_of(stage.kind, stage.name), progress.say):
        found = find(store, stage, progress)  # another build may have made it meanwhile
        if found is not None:
            return found
        began = time.monotonic()
        value = make()
        return keep(store, stage, value, time.monotonic() - began)


def find(store: Store, stage: Stage[T], progress: Display) -> T | None:
    """The kept result of a stage, `None` where there is none."""
    folder = store.find(stage.kind, stage.name)
    if folder is None and stage.portable:
        folder = store.fetch(stage.kind, stage.name)
    if folder is None:
        return None
    value = stage.record.read(folder)
    if stage.holds is not None and not stage.holds(value):
        store.remove(stage.kind, stage.name)
        return None
    store.outcomes.append(stage.outcome(kept=True))
    words = stage.words(value) if stage.words else "kept"
    progress.say(f"{stage.title or stage.kind}: {words}")
    return value


def keep(store: Store, stage: Stage[T], value: T, seconds: float = 0.0) -> T:
    """Keep the result of a stage that was run; the result as the next build will read it."""

    def write(folder: Path) -> None:
        text = json.dumps(stage.listed, indent=1)
        (folder / _INPUTS).write_text(text, encoding="utf-8")
        stage.record.write(value, folder)

    folder = store.keep(stage.kind, stage.name, write)
    if stage.portable:
        store.publish(stage.kind, stage.name)
    store.outcomes.append(stage.outcome(kept=False, seconds=seconds))
    return stage.record.read(folder)


def reason(store: Store, outcome: Outcome) -> str:
    """Why a stage was run, or kept: the inputs that differ from those of the nearest entry."""
    if outcome.kept:
        return "its inputs are unchanged"
    current = outcome.inputs
    others = [each for each in listed(store, outcome.kind) if each != current]
    if not others:
        return "the first one"
    near = min(others, key=lambda each: len(_different(current, each)))
    names = _different(current, near)
    shown = [
        f"{name} {_text(near, name)} -> {_text(current, name)}" for name in names[:3]
    ]
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{', '.join(shown)}{more}"


def listed(store: Store, kind: str) -> list[dict[str, str]]:
    """The inputs of every entry of a kind; unreadable ones are left out."""
    found, place = [], store.root / kind
    # Unlike that of `Path`, this one bears folders that other processes remove meanwhile.
    for name in sorted(glob(f"*/*/{_INPUTS}", root_dir=place)):  # noqa: PTH207
        with suppress(OSError, ValueError):
            found.append(json.loads((place / name).read_text(encoding="utf-8")))
    return found


def _different(one: Mapping[str, str], other: Mapping[str, str]) -> list[str]:
    return [
        name
        for name in dict.fromkeys((*one, *other))
        if one.get(name) != other.get(name)
    ]


def _text(inputs: Mapping[str, str], name: str) -> str:
    return inputs.get(name, "none").strip('"')


def flat(values: Mapping[str, Any]) -> dict[str, str]:
    """Values as short texts of JSON, those inside of others with dotted names."""
    found: dict[str, str] = {}
    for name, value in values.items():
        found.update(_flat(name, to_jsonable_python(value)))
    return found


def _flat(name: str, value: Any) -> dict[str, str]:
    if isinstance(value, dict) and value:
        return {
            key: text
            for inner, each in value.items()
            for key, text in _flat(f"{name}.{inner}", each).items()
        }
    text = json.dumps(value, ensure_ascii=False)
    if len(text) > _LONG:
        text = hashlib.sha256(text.encode()).hexdigest()[:16]
    return {name: text}


def code_digest() -> str:
    """SHA-256 over the modules of EdgeKit and its plugins: other code may make other results."""
    return _digest((Path(edgekit.__file__).parent, *plugins.folders()))


@cache
def _digest(folders: tuple[Path, ...]) -> str:
    digest = hashlib.sha256()
    for folder in folders:
        for file in sorted(folder.rglob("*.py")):
            digest.update(file.relative_to(folder).as_posix().encode())
            digest.update(file.read_bytes())
    return digest.hexdigest()
