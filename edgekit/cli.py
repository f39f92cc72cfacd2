"""The command line: reads arguments, calls one function, prints what it returns."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich import progress as bars
from rich.console import Console
from rich.markup import escape
from rich.table import Table

import edgekit
from edgekit import project, targets
from edgekit.errors import EXIT_CODES, BudgetMissed, EdgeKitError, UsageError

_EPILOG = "Exit codes: " + "; ".join(f"{c} {t}" for c, t in EXIT_CODES.items()) + "."

app = typer.Typer(
    name="edgekit",
    help="Prune, distil, export and prove neural networks for the device they will run on.",
    epilog=_EPILOG,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
target_app = typer.Typer(help="List the devices EdgeKit knows, or explain one.")
app.add_typer(target_app, name="targets")

# Typer carries a click of its own, and names only this branch of its errors.
_ClickError: type[Any] = typer.BadParameter.mro()[2]
_out = Console()
_err = Console(stderr=True)

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
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.")]


def main() -> None:
    """Entry point: every error on purpose becomes one line and its exit code."""
    # Threads that wait by spinning made training eight times slower on a busy machine. Read
    # when torch is loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except EdgeKitError as error:
        _err.print(f"[bold red]Error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(error.exit_code)
    except _ClickError as error:
        error.show()
        sys.exit(UsageError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        _err.print("Interrupted; nothing half-written was left.")
        sys.exit(130)


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print EdgeKit's version.")
    ] = False,
) -> None:
    if version:
        _out.print(edgekit.__version__)
        raise typer.Exit


@app.command(epilog=_EPILOG)
def build(
    target: Annotated[
        str,
        typer.Option(
            "--target", "-t", help="Device to build for: see `edgekit targets`."
        ),
    ],
    folder: Folder = Path(),
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="Where the bundle goes.", show_default="build/TARGET"
        ),
    ] = None,
    allow_pickle: Pickle = False,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Prune, distil, export, measure and package a trained network for a device.

    Reads edgekit.toml in the project's folder; without one, here, it builds the embedded
    example: handwritten digits. The bundle holds the model, every candidate, the student as
    .pt2, a manifest and a report.

        edgekit build --target raspberrypi
    """
    from edgekit.build import build as run
    from edgekit.report import summary, to_json

    shown = _Progress(_err, silent=quiet)
    job = _job(folder, target, shown, allow_pickle)
    place = out or Path("build") / target
    missed: BudgetMissed | None = None
    try:
        report = run(job, place)
    except BudgetMissed as error:
        missed, report = error, error.report  # type: ignore[assignment]
    if as_json:
        print(json.dumps(to_json(report), indent=2))
    elif not quiet:
        summary(report, _out)
        _out.print(f"Bundle: {place}/  (open {place}/report.html)", highlight=False)
    if missed:
        raise missed


@app.command(epilog=_EPILOG)
def init(
    folder: Annotated[Path, typer.Argument(help="Folder of the project.")] = Path(),
    force: Annotated[
        bool, typer.Option("--force", help="Replace an edgekit.toml.")
    ] = False,
) -> None:
    """Write a commented edgekit.toml, filled in with what can be found in the folder."""
    from edgekit.scaffold import write

    file, found = write(folder, force=force)
    for line in found:
        _out.print(f"  {line}", highlight=False)
    _out.print(f"Wrote {file}. Read it, then: edgekit build --target raspberrypi")


@target_app.callback(invoke_without_command=True)
def _targets(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand:
        return
    found = targets.known([Path("targets")])
    if as_json:
        print(json.dumps([_plain(target) for target in found], indent=2))
        return
    table = Table(box=None)
    table.add_column("target", no_wrap=True)
    for heading in ("runtimes", "device"):
        table.add_column(heading)
    for target in found:
        names = "\n  also ".join((target.name, *target.aliases))
        table.add_row(names, ", ".join(target.runtimes), target.description)
    _out.print(table)


@target_app.command("show")
def targets_show(
    name: Annotated[str, typer.Argument(help="A target's name or alias.")],
    as_json: Json = False,
) -> None:
    """Explain one target: runtimes, precisions, core, memory, power and where that is from."""
    target = targets.load(name, folders=[Path("targets")])
    if as_json:
        print(json.dumps(_plain(target), indent=2))
        return
    table = Table(box=None, show_header=False)
    for key, value in _plain(target).items():
        table.add_row(key, escape(_text(value)))
    _out.print(table)


@app.command(epilog=_EPILOG)
def bench(
    artifact: Annotated[Path, typer.Argument(help="A .tflite, .onnx or .xml file.")],
    runtime: Annotated[
        str | None, typer.Option(help="Runtime, where the file's kind leaves a choice.")
    ] = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of one inference.")] = 1,
    tier: Annotated[str, typer.Option(help="quick, default or report.")] = "quick",
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Measure an artefact on its runtime, in fresh processes on this machine."""
    from edgekit.bench.artifact import artifact_at
    from edgekit.bench.protocol import measure
    from edgekit.devices.local import LocalDevice

    one = artifact_at(artifact, runtime)
    with _Progress(_err, silent=quiet).step(f"Measure {artifact.name}") as step:
        found = measure(
            [one], LocalDevice(), tier=tier, threads=threads, on_launch=step.update
        )
    measured = found[one.name]
    if as_json:
        print(json.dumps(_plain(measured), indent=2))
        return
    table = Table(box=None, show_header=False)
    latency = measured.latency
    for label, value in (
        ("runtime", f"{measured.runtime} {measured.runtime_version}"),
        (
            "device",
            f"{measured.device} ({measured.source}), {measured.threads} thread(s)",
        ),
        ("samples", f"{latency.samples} in {latency.launches} launches"),
        *((f"p{p}", _ms(getattr(latency, f"p{p}_ms"))) for p in (50, 90, 95, 99)),
        ("load", _ms(measured.load_ms)),
        ("first inference", _ms(measured.first_ms)),
        ("peak memory", _figure(measured.peak_memory_mb, "MB")),
        ("size", _figure(measured.size_mb, "MB")),
        (
            "energy",
            _figure(measured.energy.gross_mj, "mJ") + _because(measured.energy.reason),
        ),
        *([("invalid", measured.invalid)] if measured.invalid else []),
    ):
        table.add_row(label, escape(value))
    if not quiet:
        _out.print(table)


@app.command(epilog=_EPILOG)
def inspect(
    source: Annotated[
        str | None,
        typer.Argument(
            help="model.py:function or a .pt2.", show_default="edgekit.toml's"
        ),
    ] = None,
    shapes: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            "-i",
            help="Input shape without the batch: 3,224,224, or 128:int64. Repeatable.",
            show_default="edgekit.toml's",
        ),
    ] = None,
    weights: Annotated[
        Path | None, typer.Option(help="Weights of the network.", show_default="none")
    ] = None,
    folder: Folder = Path(),
    allow_pickle: Pickle = False,
    as_json: Json = False,
) -> None:
    """Show what of a network can be pruned, what it carries, and what stands in the way.

    edgekit inspect model.py:build --input 3,224,224
    """
    from edgekit import inspection

    found = inspection.inspect(
        source,
        inputs=shapes or (),
        weights=weights,
        folder=folder,
        allow_pickle=allow_pickle,
    )
    if as_json:
        print(json.dumps(_plain(found), indent=2))
    else:
        inspection.show(found, _out)


@app.command()
def doctor(as_json: Json = False) -> None:
    """Say what is installed, what is missing, and the command that mends it."""
    from edgekit.doctor import examine

    findings = examine()
    if as_json:
        print(json.dumps([_plain(finding) for finding in findings], indent=2))
    else:
        table = Table(box=None, show_header=False)
        for finding in findings:
            mark = "[green]ok[/]" if finding.ok else "[yellow]--[/]"
            fix = f"[bold]{escape(finding.fix)}[/]" if finding.fix else ""
            table.add_row(mark, finding.name, escape(finding.found), fix)
        _out.print(table)


def _job(folder: Path, target: str, shown: _Progress, allow_pickle: bool) -> Any:
    from edgekit.devices.local import LocalDevice
    from edgekit.job import Job
    from edgekit.store import Store

    here = folder / project.FILE
    if here.is_file():
        one = project.load(folder)
    elif folder == Path():
        one = project.example()
        shown.say(
            f"No {project.FILE} here: building the embedded example, handwritten digits"
        )
    else:
        raise UsageError(f"No {here}. Write one: edgekit init {folder}")
    found = targets.load(target, folders=[one.targets_folder])
    return Job(
        project=one.for_target(found),
        target=found,
        device=LocalDevice(source="device" if found.cpu == "host" else "host"),
        store=Store(),
        progress=shown,
        allow_pickle=allow_pickle,
    )


class _Step:
    def __init__(self, bar: bars.Progress, task: bars.TaskID) -> None:
        self._bar, self._task = bar, task

    def update(self, done: int, total: int, note: str = "") -> None:
        self._bar.update(self._task, completed=done, total=total, note=escape(note))


class _Progress:
    """Bars on a terminal, a line for each stage elsewhere."""

    def __init__(self, console: Console, *, silent: bool) -> None:
        self._console = console
        self._silent = silent

    def say(self, line: str) -> None:
        if not self._silent:
            self._console.print(line, style="dim", highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, title: str) -> Iterator[_Step]:
        columns = (
            bars.SpinnerColumn(finished_text="[green]:heavy_check_mark:[/]"),
            bars.TextColumn("{task.description}"),
            bars.BarColumn(bar_width=24),
            bars.MofNCompleteColumn(),
            bars.TimeElapsedColumn(),
            bars.TextColumn("[dim]{task.fields[note]}"),
        )
        bar = bars.Progress(*columns, console=self._console, disable=self._silent)
        with bar:
            task = bar.add_task(title, total=None, note="")
            yield _Step(bar, task)
            total = bar.tasks[0].total or 1
            bar.update(task, total=total, completed=total)


def _plain(value: Any) -> Any:
    from pydantic_core import to_jsonable_python

    return to_jsonable_python(value)


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, dict):
        return (
            ", ".join(f"{key} {_text(each)}" for key, each in value.items()) or "none"
        )
    if isinstance(value, list):
        joint = ". " if any(" " in _text(each) for each in value) else ", "
        return joint.join(_text(each).rstrip(".") for each in value) or "none"
    return str(value)


def _ms(value: float | None) -> str:
    return "too few samples" if value is None else f"{value:.4g} ms"


def _figure(value: float | None, unit: str) -> str:
    return "not measured" if value is None else f"{value:.4g} {unit}"


def _because(reason: str | None) -> str:
    return f": {reason}" if reason else ""
