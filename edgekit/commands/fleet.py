"""Builds on a cluster: one table of their progress, and what became of each."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Annotated, cast

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from edgekit.commands.console import Bars, err_console
from edgekit.config import targets
from edgekit.errors import UsageError
from edgekit.pipeline.fleet.records import ENGINES, EngineName, TaskState
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Progress

if TYPE_CHECKING:
    from edgekit.api.fleet import BuildResult

ALL = "all"
Listed = Annotated[
    str | None,
    typer.Option(
        "--targets",
        help="Several devices at once: a,b,c, or `all` that `edgekit targets` lists.",
        show_default="none",
    ),
]
Engine = Annotated[
    str,
    typer.Option(
        "--engine",
        help="local: one target after another. ray, slurm: beside each other, on a cluster.",
    ),
]
Cluster = Annotated[
    str | None,
    typer.Option(
        "--address",
        help="Cluster of Ray, as HOST:PORT or auto, with EDGEKIT_SHARED_CACHE set.",
        show_default="one of this machine alone",
    ),
]
Devices = Annotated[
    Path | None,
    typer.Option(
        "--devices",
        help="A devices.toml: each target is measured on a device of the file for it.",
        show_default="none",
    ),
]
Cpus = Annotated[
    float, typer.Option("--cpus", help="Processors of each build on a cluster.")
]
Gpus = Annotated[float, typer.Option("--gpus", help="GPUs of each build on a cluster.")]
_STYLES = {"running": "bold", "done": "green", "failed": "bold red", "waiting": "dim"}


@dataclass(frozen=True, kw_only=True)
class FleetOptions:
    """Where several builds run, as the command line gives it."""

    engine: str
    address: str | None
    devices: Path | None
    cpus: float
    gpus: float

    def check(self, others: Mapping[str, bool]) -> None:
        """Raise `UsageError` for options that exclude each other; `others` are given or not."""
        if self.engine not in ENGINES:
            raise UsageError(
                f"--engine {self.engine} is not an engine. Write {', '.join(ENGINES[:-1])} or "
                f"{ENGINES[-1]}."
            )
        given = {"--address": self.address is not None}
        if self.engine == "local":
            given |= {"--cpus": self.cpus != 1, "--gpus": self.gpus != 0}
        for name in (name for name, is_given in given.items() if is_given):
            if self.engine != "ray":
                raise UsageError(
                    f"{name} is for builds on a cluster: add --engine ray."
                )
        if self.engine == "local" and self.devices is None:
            return
        ours = "--devices" if self.engine == "local" else f"--engine {self.engine}"
        for name in (name for name, is_given in others.items() if is_given):
            raise UsageError(f"{ours} and {name} exclude each other. Leave one out.")


def named(folder: Path, each: Sequence[str], listed: str | None) -> list[str]:
    """The targets of `--target` and `--targets`, where `all` is every one that there is.

    Raises `UsageError` where none is named.
    """
    words = [word.strip() for word in (listed or "").split(",") if word.strip()]
    if ALL in words:
        words = [one.name for one in targets.known([folder / "targets"])]
    found = [*each, *words]
    if not found:
        raise UsageError(
            "No target is named. Write --target raspberrypi, or --targets all; edgekit targets "
            "lists them."
        )
    return found


def build(
    requests: Mapping[str, BuildRequest],
    places: Mapping[str, Path],
    options: FleetOptions,
    shown: Bars,
    *,
    live: bool,
) -> list[BuildResult]:
    """Build every request into its place, and show the progress of all."""
    from edgekit.api.fleet import build_many

    # Builds in this process have bars of their own.
    own_bars = options.engine == "local"
    with FleetTable(err_console, shown, live=live and not own_bars) as watch:
        return build_many(
            requests,
            out=places,
            engine=cast(EngineName, options.engine),
            address=options.address,
            devices=options.devices,
            cpus=options.cpus,
            gpus=options.gpus,
            progress=shown,
            watch=watch,
        )


class FleetTable:
    """One table of all builds on a terminal; elsewhere a line for each change."""

    def __init__(self, console: Console, progress: Progress, *, live: bool) -> None:
        self._progress = progress
        self._shown: dict[str, str] = {}
        self._live: Live | None = None
        if console.is_terminal and live:
            self._live = Live(console=console, auto_refresh=False)

    def __enter__(self) -> FleetTable:
        if self._live is not None:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is not None:
            self._live.stop()

    def __call__(self, states: Sequence[TaskState]) -> None:
        """Show where the builds stand."""
        if self._live is not None:
            self._live.update(table(states), refresh=True)
            return
        for state in states:
            line = f"{state.task.name}: {_phase(state)}{_where(state, ' on ')}"
            line += (
                f" ({state.lost})" if state.phase == "waiting" and state.lost else ""
            )
            if self._shown.get(state.task.name) != line:
                self._shown[state.task.name] = line
                self._progress.say(line)


def table(states: Sequence[TaskState]) -> Table:
    """A line for each build: its phase, where it runs, and its step."""
    made = Table("Build", "", "Where", "Step", "min", box=SIMPLE_HEAD, pad_edge=False)
    made.columns[-1].justify = "right"
    for state in states:
        made.add_row(
            Text(state.task.name),
            Text(_phase(state), style=_STYLES[state.phase]),
            Text(_where(state)),
            Text(_step(state), overflow="ellipsis", no_wrap=True),
            _minutes(state),
        )
    return made


def _phase(state: TaskState) -> str:
    again = f", attempt {state.number}" if state.number > 1 else ""
    over = state.done is not None and state.done.missed
    return f"{'over budget' if over else state.phase}{again}"


def _where(state: TaskState, before: str = "") -> str:
    if not state.attempts:
        return ""
    last = state.attempts[-1]
    device = "" if last.device == "local" else f", {last.device}"
    return f"{before}{last.machine}{device}"


def _step(state: TaskState) -> str:
    if state.done is not None and state.done.failure is not None:
        return state.done.failure.message
    if state.phase == "waiting" and state.lost:
        return f"{state.stage}; {state.lost}"
    return state.stage


def _minutes(state: TaskState) -> str:
    """Minutes of the last attempt; nothing where none has started."""
    if not state.attempts:
        return ""
    last = state.attempts[-1]
    return f"{((last.ended or time.time()) - last.began) / 60:.1f}"
