"""The command line: the commands together, and what an error becomes."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

import edgekit
from edgekit import scratch
from edgekit.commands import (
    bench,
    build,
    cache,
    compare,
    crashes,
    decoder,
    devices,
    diff,
    doctor,
    explain,
    gate,
    history,
    init,
    inspect,
    package,
    plan,
    search,
    signals,
    targets,
)
from edgekit.commands.console import Bars, err_console, out_console, print_error
from edgekit.commands.profile_device import profile_device
from edgekit.errors import (
    EXIT_CODES,
    INTERNAL,
    EdgeKitError,
    Terminated,
    UsageError,
    signal_behind,
)

_INTERRUPTED = 128 + signal.SIGINT
_COMPLETES = "_EDGEKIT_COMPLETE"
_EPILOG = "Exit codes: " + "; ".join(f"{c} {t}" for c, t in EXIT_CODES.items()) + "."

app = typer.Typer(
    name="edgekit",
    help="Prune, distill, export and prove neural networks for the device they will run on.",
    epilog=_EPILOG,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for command in (
    build.build,
    init.init,
    plan.plan,
    search.search,
    bench.bench,
    compare.compare,
    diff.diff,
    gate.gate,
    history.history,
    inspect.inspect,
    doctor.doctor,
    explain.explain,
):
    app.command(epilog=_EPILOG)(command)
app.command(cls=package.PackageCommand, epilog=_EPILOG)(package.package)
app.command("profile-device", epilog=_EPILOG)(profile_device)
app.add_typer(targets.app, name="targets")
app.add_typer(devices.app, name="devices")
app.add_typer(decoder.app, name="decoder")
app.add_typer(cache.app, name="cache")

# Typer carries a click of its own, and names only this branch of its errors.
_ClickError: type[Any] = typer.BadParameter.mro()[2]


def main() -> None:
    """Entry point: every error becomes one line and its exit code."""
    # Threads that wait by spinning made training eight times slower on a busy machine. Read
    # when torch is loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    signals.handle()
    for place in {Path(tempfile.gettempdir()), scratch.SOCKETS}:
        scratch.sweep(place)
    status = _run()
    try:
        sys.stdout.flush()
    except OSError as error:
        status = _ended(error)
        # Buffered output has nowhere to go: the interpreter must not try again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(status)


def _run() -> int:
    try:
        status = app(standalone_mode=False) or 0
        if status == _INTERRUPTED:
            raise KeyboardInterrupt
        return int(status)
    except _ClickError as error:
        error.show()
        return UsageError.exit_code
    except typer.Abort as error:
        # Click takes any end of a file for an end of its input.
        return _ended(error.__cause__ or KeyboardInterrupt())
    except SystemExit as error:
        # Click ends by itself only where a shell asks for completions.
        return 0 if _COMPLETES in os.environ else _ended(error)
    except BaseException as error:  # noqa: BLE001 - the last place that can print one line
        return _ended(error)


def _ended(error: BaseException) -> int:
    """Say in one line why the command ends; its exit code."""
    if (ours := signal_behind(error)) is not None:
        _say("Interrupted; nothing half-written was left.")
        return 128 + ours.number if isinstance(ours, Terminated) else _INTERRUPTED
    if _broken_pipe(error):
        return 128 + signal.SIGPIPE
    named = error if isinstance(error, EdgeKitError) else crashes.named(error)
    if named is None:
        _say(
            f"[bold red]Internal error:[/] {escape(crashes.reported(error, Bars.stage))}"
        )
        return INTERNAL
    print_error(named)
    return named.exit_code


def _say(line: str) -> None:
    with suppress(OSError):  # a closed screen must not hide the exit code
        err_console.print(line, soft_wrap=True)


def _broken_pipe(error: BaseException | None) -> bool:
    """Return whether it is, or Click made it of, a write that nobody reads."""
    of_click = isinstance(error, SystemExit) and error.__context__
    return isinstance(of_click or error, BrokenPipeError)


def _show_version(asked: bool) -> None:
    if asked:
        out_console.print(edgekit.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            callback=_show_version,
            is_eager=True,
            help="Print EdgeKit's version.",
        ),
    ] = False,
) -> None: ...
