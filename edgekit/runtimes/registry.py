"""The runtimes there are: the folders beside this file, and those that plugin folders add.

A folder `<name>/` holds `__init__.py` with the `RECORD`, the parts that the runtime has, and,
in a plugin folder, `agent.py`: what runs on the device.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from edgekit import plugins
from edgekit.errors import UsageError
from edgekit.runtimes.record import HEAD, Runtime
from edgekit.suggestions import suggest
from edgekit.types import RuntimeName


def known() -> Mapping[RuntimeName, Runtime]:
    """Every runtime by its name, in the order of names.

    Raises `UsageError` where an added folder holds no record, or one of another name.
    """
    found = plugins.records(f"{__package__}", Runtime, folders_only=True)
    for name, one in found.items():
        if one.name != name:
            raise UsageError(
                f"The folder of the runtime '{name}' has a record of '{one.name}'. "
                "Give both one name (- in a name is _ in a folder's)."
            )
    return found


def get(name: RuntimeName) -> Runtime:
    """The runtime of that name; raises `UsageError`, which lists the names there are."""
    found = known().get(name)
    if found is None:
        hint = suggest(name, known())
        raise UsageError(f"No runtime '{name}'.{hint} Known: {', '.join(known())}.")
    return found


def formats() -> tuple[Runtime, ...]:
    """The runtimes that have a format of their own."""
    return tuple(one for one in known().values() if one.files_of is None)


def readers(name: RuntimeName) -> tuple[RuntimeName, ...]:
    """The runtimes that run the files of `name`, itself first."""
    requested = get(name).format
    others = [one.name for one in known().values() if one.format == requested]
    return tuple(dict.fromkeys((name, *others)))


def measured(names: Iterable[RuntimeName]) -> tuple[RuntimeName, ...]:
    """Those of `names` whose files are run, judged and timed."""
    return tuple(name for name in names if not get(name).export_only)


def converted(names: Iterable[RuntimeName]) -> tuple[RuntimeName, ...]:
    """Those of `names` whose files are converted and never run."""
    return tuple(name for name in names if get(name).export_only)


def refuse_converted(name: RuntimeName) -> None:
    """Raise `UsageError` where the files of a runtime are converted and never run."""
    runtime = get(name)
    if runtime.export_only:
        raise UsageError(
            f"{runtime.title} files are converted and not run: EdgeKit has no figure of "
            "them. Name a file of another runtime."
        )


def on(arch: str) -> tuple[RuntimeName, ...]:
    """The runtimes that have wheels for an architecture, the preferred one first."""
    there = [one for one in known().values() if arch in one.machines]
    return tuple(one.name for one in sorted(there, key=lambda one: one.machines[arch]))


def recognized(path: Path) -> Runtime | None:
    """The runtime whose format the content of a file is; `None` where it is of none.

    Where several take it for theirs, the one whose suffix the name has. Raises `OSError` for a
    file that cannot be read.
    """
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(HEAD)
    found = [one for one in formats() if one.recognizes(head)]
    return next(
        (o for o in found if path.suffix == o.suffix), found[0] if found else None
    )


def described() -> str:
    """The formats by their suffixes, for a sentence: "a .tflite, .onnx or .xml file"."""
    *others, last = (one.suffix for one in formats())
    return f"a {', '.join(others)} or {last} file"


def of_file(path: Path) -> Runtime | None:
    """The runtime of an artifact: by its content, or, where that is damaged, by its suffix."""
    named = next((one for one in formats() if one.suffix == path.suffix), None)
    return recognized(path) or named
