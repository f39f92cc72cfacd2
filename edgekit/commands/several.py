"""Several targets in one command: each once, and one that fails does not lose the others."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgekit.commands.console import out_console
from edgekit.config import targets
from edgekit.errors import EdgeKitError, TargetsFailed
from edgekit.progress import Progress
from edgekit.types import Report


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


def print_reports(reports: Sequence[Report], *, multiple: bool) -> None:
    """Print the report as JSON, or a list of those that there are of several targets."""
    from edgekit.report import to_json

    documents = [to_json(report) for report in reports]
    if multiple or documents:
        print(json.dumps(documents if multiple else documents[0], indent=2))


def side_by_side(
    names: Sequence[str],
    built: Mapping[str, Report],
    failed: Mapping[str, EdgeKitError],
) -> None:
    """Print a line for each target: what was built for it, or that nothing was."""
    from edgekit.report import terminal

    reports = {name: built.get(name) for name in names}
    out_console.print(terminal.side_by_side(reports, set(failed)))
