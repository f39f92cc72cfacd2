"""Several targets in one command: each once, and one that fails does not lose the others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgekit.config import targets
from edgekit.errors import EdgeKitError, TargetsFailed
from edgekit.progress import Progress


def once(folder: Path, names: Sequence[str], progress: Progress) -> list[str]:
    """The targets that are named, each once, under whichever of its names came first.

    Raises `TargetError` for a name that no target has.
    """
    found: dict[str, str] = {}
    for name in names:
        target = targets.load(name, folders=[folder / "targets"]).name
        if target in found:
            progress.say(f"{target} is named twice: it is done once")
        found.setdefault(target, name)
    return list(found.values())


@contextmanager
def kept_apart(
    target: str, failed: dict[str, EdgeKitError], progress: Progress, *, of: int
) -> Iterator[None]:
    """Note an error of this target, one of several, so that the next one has its turn."""
    try:
        yield
    except EdgeKitError as error:
        failed[target] = error
        if of > 1:
            progress.say(f"{target} failed: {error}")


def refuse(failed: Mapping[str, EdgeKitError], *, of: int) -> None:
    """Raise what failed: the error itself where it was the only target, else `TargetsFailed`."""
    if not failed:
        return
    if of == 1:
        raise next(iter(failed.values()))
    raise TargetsFailed(failed, of)
