"""Start Python processes with EdgeKit's own modules and without the user's folder.

Python puts the current folder (`-m`, `-c`) or the script's first on `sys.path`. A `random.py` or
`pydantic.py` there would be run by every library that imports the real one.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_ROOT = str(Path(__file__).parents[1])


def python(*arguments: str) -> list[str]:
    """The command that runs this Python, the current folder left out of its `sys.path`."""
    return [sys.executable, "-P", *arguments]


def environment(**more: str) -> dict[str, str]:
    """The environment for `python`, which finds modules where they are found here."""
    return {
        **os.environ,
        "PYTHONSAFEPATH": "1",
        "PYTHONPATH": os.pathsep.join(_search()),
        **more,
    }


def foreign_environment() -> dict[str, str]:
    """The same for a Python that needs nothing of ours, only what `PYTHONPATH` names in full."""
    named = os.pathsep.join(_named())
    return {**os.environ, "PYTHONSAFEPATH": "1", "PYTHONPATH": named}


@contextmanager
def inherited() -> Iterator[None]:
    """The environment of this process with `environment` over it, for programs that start
    Pythons themselves."""
    before = dict(os.environ)
    os.environ.update(environment())
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def make_room() -> None:
    """Give the system what this process has freed: glibc keeps a gigabyte after a training.

    Other C libraries have no such call and are left alone.
    """
    with suppress(AttributeError, OSError, TypeError):
        ctypes.CDLL(None).malloc_trim(0)


def _search() -> list[str]:
    unasked = _unasked() - set(_named())
    found = [e for e in sys.path if Path(e).is_absolute() and e not in unasked]
    return found if _ROOT in found else [*found, _ROOT]  # last: it shadows nothing


def _named() -> list[str]:
    """The folders in `PYTHONPATH`; an empty or relative one means another in every folder."""
    entries = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    return [entry for entry in entries if Path(entry).is_absolute()]


def _unasked() -> set[str]:
    """The current folder and the script's, as Python writes them."""
    folders = {"", str(Path.cwd())}
    script = getattr(sys.modules.get("__main__"), "__file__", None)
    if script:
        folders |= {str(Path(script).parent), str(Path(script).resolve().parent)}
    return folders
