"""Shared parts of commands: two consoles, progress bars, options, figures in words."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer
from rich import progress as bars
from rich.console import Console
from rich.markup import escape

from edgekit import error_pages
from edgekit.errors import EdgeKitError


class _Console(Console):
    """Leaves a reader that has gone to the command line, as any other error."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError


# Addresses hold colons: `container:x:1` does not contain an emoji.
out_console = _Console(emoji=False)
err_console = _Console(stderr=True, emoji=False)

Address = Annotated[
    str,
    typer.Option(
        "--device",
        "-d",
        help="local, container:IMAGE, ssh://USER@HOST[:PORT] or adb://SERIAL.",
    ),
]
Folder = Annotated[
    Path,
    typer.Option(
        "--project", "-p", help="Folder with an edgekit.toml.", show_default="here"
    ),
]
Json = Annotated[
    bool, typer.Option("--json", help="Print the result as JSON on stdout.")
]
Pickle = Annotated[
    bool,
    typer.Option("--allow-pickle", help="Read pickled weights. They can run any code."),
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        help="A value in place of edgekit.toml's: recipe.distill.epochs=5, data.test=more. "
        "Repeatable.",
        show_default="none",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]
Verbose = Annotated[
    int,
    typer.Option(
        "--verbose",
        "-v",
        count=True,
        help="Print the figures of each stage and the log's place; -vv prints the log.",
        show_default=False,
    ),
]
PROGRESS = logging.getLogger("edgekit.progress")
"""Lines and stages of the screen, for the log."""


class _Step:
    """A bar, and for each update a line in the log and, with -v, on the screen."""

    def __init__(
        self, bar: bars.Progress, task: bars.TaskID, note: Callable[[str, bool], None]
    ) -> None:
        self._bar, self._task, self._note = bar, task, note
        self._last = ""

    def update(self, done: int, total: int, note: str = "") -> None:
        self._bar.update(self._task, completed=done, total=total, note=note)
        line = f"{self._bar.tasks[0].description}: {done} of {total} {note}".rstrip()
        PROGRESS.debug("%s", line)
        self._note(line, note not in ("", self._last))
        self._last = note


class Bars:
    """Bars on a terminal, a line for each stage elsewhere."""

    stage: ClassVar[str] = "start"
    """The stage under way in this process, or the last one, for a crash report."""

    def __init__(self, console: Console, *, silent: bool, verbose: int = 0) -> None:
        self._console = console
        self._silent = silent
        self._verbose = verbose

    def say(self, line: str) -> None:
        """Print a line, unless the bars are silent."""
        PROGRESS.info("%s", line)
        if not self._silent:
            self._console.print(
                line, style="dim", highlight=False, soft_wrap=True, markup=False
            )

    @contextmanager
    def step(self, title: str) -> Iterator[_Step]:
        """Draw a progress bar with `title` while the block lasts."""
        columns = (
            bars.SpinnerColumn(finished_text="[green]\N{HEAVY CHECK MARK}[/]"),
            bars.TextColumn("{task.description}", markup=False),
            bars.BarColumn(bar_width=24),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
            bars.TextColumn("{task.fields[note]}", style="dim", markup=False),
        )
        bar = bars.Progress(*columns, console=self._console, disable=self._silent)
        Bars.stage = title
        PROGRESS.info("%s ...", title)
        began = time.monotonic()
        with bar:
            task = bar.add_task(title, total=None, note="")
            yield _Step(bar, task, self._noted)
            total = bar.tasks[0].total or 1
            bar.update(task, total=total, completed=total)
        Bars.stage = f"after {title}"
        PROGRESS.info("%s: %.1f s", title, time.monotonic() - began)

    def _noted(self, line: str, is_new: bool) -> None:
        """Print the line of an update: with -v where its note is new, with -vv always."""
        if not self._silent and self._verbose > (0 if is_new else 1):
            self._console.print(line, style="dim", highlight=False, markup=False)


def print_error(error: EdgeKitError) -> None:
    """Print an error in one line, with the id of its page."""
    line = f"{error} [{error_pages.of(type(error)).id}]"
    with suppress(OSError):  # a closed screen must not hide the exit code
        err_console.print(f"[bold red]Error:[/] {escape(line)}", soft_wrap=True)


def plain(value: Any) -> Any:
    """The value as JSON types."""
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value)


def ms(value: float | None) -> str:
    """Milliseconds in words; `None` is "too few samples"."""
    return "too few samples" if value is None else f"{value:.4g} ms"


def figure(value: float | None, unit: str) -> str:
    """A number with its unit in words; `None` is "not measured"."""
    return "not measured" if value is None else f"{value:.4g} {unit}"
