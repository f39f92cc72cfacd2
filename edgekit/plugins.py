"""Records found by scanning: the sources, tasks, runtimes and package kinds that there are.

A room such as `edgekit.sources` holds one module or folder for each thing of its kind, and that
module's `RECORD` describes it. A folder named in the environment variable `EDGEKIT_PLUGINS`
(several: separated as in PATH) adds to the rooms: it holds `sources/`, `tasks/`, `runtimes/`,
`package/` with modules of the same form. Child processes inherit the variable, and find the same
records under the same names.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from edgekit.errors import UsageError, signal_behind

PLUGINS = "EDGEKIT_PLUGINS"
RECORD = "RECORD"
_HOME = Path(__file__).parent
_Record = TypeVar("_Record")
_SCANNED: dict[str, dict[tuple[object, ...], Mapping[str, Any]]] = {}


@dataclass(frozen=True, kw_only=True)
class Found:
    """A module in a room that may hold a record; `own` where it is EdgeKit's."""

    module: str
    place: Path
    """The folder that it lies in."""
    own: bool


def extend(room: str) -> None:
    """Let the package named `room` find the modules of every plugin folder.

    Call it in the package's `__init__` too, so that other processes can import what they unpickle.
    Raises `UsageError` where `EDGEKIT_PLUGINS` names no folder.
    """
    package = importlib.import_module(room)
    own = [place for place in package.__path__ if _is_own(place)]
    package.__path__ = [*own, *(str(folder) for folder in _folders(room))]


def modules(room: str, *, folders_only: bool = False) -> dict[str, Found]:
    """The modules in the package `room`, own and added, by name; none is imported.

    A name has hyphens where its module has underscores. Modules that begin with an underscore are
    left out, and single files with `folders_only`. Raises `UsageError` for a plugin that has the
    name of another module.
    """
    extend(room)
    found: dict[str, Found] = {}
    for place in importlib.import_module(room).__path__:
        for module in pkgutil.iter_modules([place]):
            if module.name.startswith("_") or (folders_only and not module.ispkg):
                continue
            name = module.name.replace("_", "-")
            if name in found:
                raise UsageError(
                    f"{PLUGINS} adds {Path(place, module.name)}, but {room} has a module "
                    "of that name already. Rename the added one."
                )
            found[name] = Found(
                module=f"{room}.{module.name}",
                place=Path(place),
                own=_is_own(place),
            )
    return dict(sorted(found.items()))


def records(
    room: str, kind: type[_Record], *, folders_only: bool = False
) -> Mapping[str, _Record]:
    """The `RECORD` of every module in the package `room`, by name; modules without are helpers.

    They are looked for once for each value of `EDGEKIT_PLUGINS`. Raises `UsageError` for a plugin
    that cannot be imported or has no record of the type `kind`.
    """
    scans, asked = _scans(), (room, kind, folders_only)
    if asked not in scans:
        found = {
            name: _record(module, kind)
            for name, module in modules(room, folders_only=folders_only).items()
        }
        scans[asked] = {name: one for name, one in found.items() if one is not None}
    return scans[asked]


def record(room: str, name: str, kind: type[_Record]) -> _Record | None:
    """The record of one name, no other module imported; `None` where there is none.

    Raises `UsageError` as `records` does.
    """
    scans, asked = _scans(), (room, kind, name)
    if asked not in scans:
        found = modules(room).get(name)
        record = None if found is None else _record(found, kind)
        if record is None:
            return None
        scans[asked] = {name: record}
    return scans[asked].get(name)


def _scans() -> dict[tuple[object, ...], Mapping[str, Any]]:
    """Results of scans under the present value of the variable; a new value forgets the others."""
    text = os.environ.get(PLUGINS, "")
    if text not in _SCANNED:
        _SCANNED.clear()
        _SCANNED[text] = {}
    return _SCANNED[text]


def folders() -> list[Path]:
    """The plugin folders; raises `UsageError` for one that is not there."""
    places = [
        Path(place).absolute()
        for place in os.environ.get(PLUGINS, "").split(os.pathsep)
        if place
    ]
    for place in places:
        if not place.is_dir():
            raise UsageError(f"{PLUGINS} names the folder {place}, which is not there.")
    return places


def _folders(room: str) -> list[Path]:
    """The folder of this room in each plugin folder that has one."""
    inside, places = Path(*room.split(".")[1:]), folders()
    return [place / inside for place in places if (place / inside).is_dir()]


def _record(found: Found, kind: type[_Record]) -> _Record | None:
    module = importlib.import_module(found.module) if found.own else _added(found)
    record = getattr(module, RECORD, None)
    if isinstance(record, kind) or (record is None and found.own):
        return record
    raise UsageError(
        f"{module.__file__}, which {PLUGINS} adds, has no {RECORD} of the type "
        f"{kind.__module__}.{kind.__name__}. Define one."
    )


def _added(found: Found) -> ModuleType:
    """The module, read again where one of its name came from another folder before."""
    loaded = sys.modules.get(found.module)
    if loaded is not None and not Path(str(loaded.__file__)).is_relative_to(
        found.place
    ):
        for name in [*sys.modules]:
            if f"{name}.".startswith(f"{found.module}."):
                del sys.modules[name]
    try:
        return importlib.import_module(found.module)
    # A plugin is another author's code, which may raise anything.
    except Exception as error:
        if signal_behind(error) is not None:
            raise
        reason = " ".join(str(error).split()) or "no message"
        raise UsageError(
            f"{PLUGINS} adds {found.module}, which cannot be imported "
            f"({type(error).__name__}: {reason})."
        ) from error


def _is_own(place: str) -> bool:
    return Path(place).is_relative_to(_HOME)
