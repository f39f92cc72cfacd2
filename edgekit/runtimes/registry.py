"""The runtimes there are: every folder beside this file, and in the folders of `EDGEKIT_RUNTIMES`.

A folder `<name>/` holds `__init__.py` with the record `RUNTIME`, the parts that the runtime has,
and, outside of EdgeKit, `agent.py`: what runs on the device.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from edgekit.agent.runtimes import FOLDERS, folders
from edgekit.errors import UsageError
from edgekit.runtimes.record import Runtime, package_of
from edgekit.types import RuntimeName

_HERE = Path(__file__).parent


def known() -> Mapping[RuntimeName, Runtime]:
    """Every runtime by its name, in the order of names.

    Raises `UsageError` where a folder holds no record, or two folders have one name.
    """
    return _scanned(os.environ.get(FOLDERS, ""))


def get(name: RuntimeName) -> Runtime:
    """The runtime of that name; raises `UsageError`, which lists the names there are."""
    found = known().get(name)
    if found is None:
        raise UsageError(f"No runtime '{name}'. Known: {', '.join(known())}.")
    return found


def readers(name: RuntimeName) -> tuple[RuntimeName, ...]:
    """The runtimes that run the files of `name`, itself first."""
    wanted = get(name).format
    others = [one.name for one in known().values() if one.format == wanted]
    return tuple(dict.fromkeys((name, *others)))


@cache
def _scanned(_: str) -> Mapping[RuntimeName, Runtime]:
    """By the variable's text, so that a change of it is a new scan."""
    package = importlib.import_module(__package__)
    places = [str(_HERE), *(str(one) for one in folders())]
    package.__path__[:] = places
    importlib.invalidate_caches()
    found: dict[RuntimeName, Runtime] = {}
    for place in places:
        for module in pkgutil.iter_modules([place]):
            if not module.ispkg:
                continue
            record = _record(module.name, place)
            found[record.name] = record
    return dict(sorted(found.items()))


def _record(folder: str, place: str) -> Runtime:
    module = importlib.import_module(f"{__package__}.{folder}")
    if Path(str(module.__file__)).parents[1] != Path(place):
        raise UsageError(
            f"{place}/{folder} has the name of the runtime in {module.__file__}. "
            f"Give it another, or take its folder out of {FOLDERS}."
        )
    record = getattr(module, "RUNTIME", None)
    if not isinstance(record, Runtime) or package_of(record.name) != module.__name__:
        raise UsageError(
            f"{module.__file__} has no RUNTIME, a Runtime whose name is the folder's "
            f"(with - for _). Add it, or take the folder out of {FOLDERS}."
        )
    return record
