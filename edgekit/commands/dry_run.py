"""`edgekit build --dry-run`: the stages that are kept, and the first work that would be done."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from edgekit.commands.console import Bars, plain
from edgekit.errors import EdgeKitError
from edgekit.progress import Step
from edgekit.store import Store
from edgekit.types import Budget

LOOKS = (
    "Load the network",
    "Read the data",
    "Evaluate the network",
    "Check what the device can run",
    "Evaluate the artifacts",
)
"""Steps of seconds on which it depends whether a stage was kept: they are done."""
LATER = "planning, cutting, training, exports, measurements and the bundle follow"


class WorkBegins(EdgeKitError):
    """The first step that is more than a look."""

    def __init__(self, title: str) -> None:
        super().__init__(title)
        self.title = title


class Looking(Bars):
    """Draws looks alone, and raises `WorkBegins` where work begins."""

    def __init__(self, console: Console, *, silent: bool, verbose: int = 0) -> None:
        super().__init__(console, silent=silent or not verbose, verbose=verbose)

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:  # type: ignore[override]
        """A look; raises `WorkBegins` for anything else."""
        if title not in LOOKS:
            raise WorkBegins(title)
        with super().step(title) as step:
            yield step


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """The work of a build that was not started."""

    target: str
    out: Path
    budget: Mapping[str, float]
    kept: tuple[str, ...]
    """Stages whose results of earlier builds are used, in order."""
    begins: str | None
    """The first stage that would be run; `None` where the last bundle would be copied."""


def found(
    target: str, out: Path, budget: Budget, store: Store, begins: WorkBegins | None
) -> DryRun:
    """The work of a build, after a look that ended with `begins`."""
    return DryRun(
        target=target,
        out=out,
        budget=budget.limits(),
        kept=tuple(dict.fromkeys(one.title for one in store.outcomes if one.kept)),
        begins=begins.title if begins else None,
    )


def show(run: DryRun, console: Console) -> None:
    """Print it."""
    limits = ", ".join(f"{name} = {limit:g}" for name, limit in run.budget.items())
    console.print(
        f"Would build for {run.target} into {escape(str(run.out))}/; budget: {limits or 'none'}",
        highlight=False,
    )
    for title in run.kept:
        console.print(f"  [green]kept[/]  {escape(title)}", highlight=False)
    if run.begins is None:
        console.print("Nothing would be run: the last bundle is copied")
        return
    console.print(f"  run   {escape(run.begins)}", highlight=False)
    console.print(f"By its result, {LATER}", style="dim")


def as_json(runs: list[DryRun]) -> str:
    """The result for a program; of one target its own."""
    return json.dumps(plain(runs[0] if len(runs) == 1 else runs), indent=2)
