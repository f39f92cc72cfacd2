"""The command line: the commands together, and what an error becomes."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated, Any

import typer
from rich.markup import escape

import edgekit
from edgekit.commands import (
    bench,
    build,
    compare,
    devices,
    diff,
    doctor,
    gate,
    init,
    inspect,
    package,
    plan,
    targets,
)
from edgekit.commands.console import err_console, out_console
from edgekit.commands.profile_device import profile_device
from edgekit.errors import EXIT_CODES, EdgeKitError, UsageError

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
for command in (
    build.build,
    init.init,
    plan.plan,
    bench.bench,
    compare.compare,
    diff.diff,
    gate.gate,
    inspect.inspect,
    package.package,
    doctor.doctor,
):
    app.command(epilog=_EPILOG)(command)
app.command("profile-device", epilog=_EPILOG)(profile_device)
app.add_typer(targets.app, name="targets")
app.add_typer(devices.app, name="devices")

# Typer carries a click of its own, and names only this branch of its errors.
_ClickError: type[Any] = typer.BadParameter.mro()[2]


def main() -> None:
    """Entry point: every error on purpose becomes one line and its exit code."""
    # Threads that wait by spinning made training eight times slower on a busy machine. Read
    # when torch is loaded, which is later.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    signal.signal(signal.SIGTERM, _terminate)
    try:
        sys.exit(app(standalone_mode=False) or 0)
    except EdgeKitError as error:
        err_console.print(f"[bold red]Error:[/] {escape(str(error))}", soft_wrap=True)
        sys.exit(error.exit_code)
    except _ClickError as error:
        error.show()
        sys.exit(UsageError.exit_code)
    except (KeyboardInterrupt, typer.Abort):
        err_console.print("Interrupted; nothing half-written was left.")
        sys.exit(130)


def _terminate(number: int, frame: object) -> None:
    """As Ctrl-C: what is half-written is cleared away."""
    raise SystemExit(128 + number)


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
