"""`edgekit devices`: what can be reached, what it has, and whether it is fit to be measured."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from edgekit.commands.console import Bars, Json, err_console, out_console, plain
from edgekit.config import farm as farm_file
from edgekit.errors import MeasurementError

_LIST_S = 10.0
_Where = Annotated[
    str,
    typer.Argument(
        help="local, container:IMAGE, ssh://USER@HOST[:PORT], adb://SERIAL, emulated:CORE."
    ),
]
_Runtimes = Annotated[
    list[str] | None,
    typer.Option(
        "--runtime", help="Bring this runtime along where it is missing. Repeatable."
    ),
]
_File = Annotated[
    Path | None,
    typer.Option(
        "--devices", help="A farm's devices.toml.", show_default="the one here, if any"
    ),
]

app = typer.Typer(help="List devices, or probe one and check its fitness.")


@app.callback(invoke_without_command=True)
def _devices(context: typer.Context, as_json: Json = False, file: _File = None) -> None:
    if not context.invoked_subcommand:
        known(as_json, file)


@app.command("list")
def known(as_json: Json = False, file: _File = None) -> None:
    """This machine, hosts of your ssh configuration, what adb sees, the devices of a farm."""
    found = _known() | _of_farm(file)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = Table(box=None)
    for heading in ("device", "what it is"):
        table.add_column(heading)
    for address, what in found.items():
        table.add_row(escape(address), escape(what))
    out_console.print(table)


@app.command("check")
def check(
    names: Annotated[
        list[str] | None, typer.Argument(help="Devices of the farm; all without any.")
    ] = None,
    file: _File = None,
    renew: Annotated[
        bool,
        typer.Option(
            "--renew",
            help="Take what is measured now as the reference of later checks.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Time a convolution on devices of a farm; those that drift are in quarantine. Exit code 4
    where one is.

    The first check of a device is the reference of the later ones: devices.health.json has them.
    """
    from edgekit.bench.farm import Farm

    farm = Farm.read(file or Path(farm_file.FILE), folders=[Path("targets")])
    asked = [farm.named(name) for name in names or ()] or list(farm.devices)
    for one in asked:
        with Bars(err_console, silent=as_json).step(f"Check {one.name}"):
            farm = farm.checked(one, renew=renew)
    found = {one.name: farm.health[one.name] for one in asked}
    if as_json:
        print(json.dumps(plain(found), indent=2))
    else:
        table = Table(box=None)
        for heading in ("device", "us", "reference", "state"):
            table.add_column(heading)
        for name, health in found.items():
            figures = (_text(health.last_us), _text(health.reference_us))
            table.add_row(escape(name), *figures, escape(health.fault or "ok"))
        out_console.print(table)
    faults = [f"{name}: {one.fault}" for name, one in found.items() if one.fault]
    if faults:
        raise MeasurementError(f"In quarantine: {'; '.join(faults)}.")


@app.command("probe")
def probe(
    address: _Where = "local", runtimes: _Runtimes = None, as_json: Json = False
) -> None:
    """Show a device's processor, runtimes, energy meters, clock, heat and load."""
    found = _probe(address, runtimes)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = Table(box=None, show_header=False)
    for part in ("machine", "conditions"):
        for key, value in found.get(part, {}).items():
            if key != "at_ns":
                table.add_row(key, escape(_text(value)))
    for name, fact in found["runtimes"].items():
        table.add_row(name, escape(fact["version"] or f"no: {fact['reason']}"))
    for name, reason in found["meters"].items():
        table.add_row(f"meter {name}", escape(f"no: {reason}" if reason else "yes"))
    out_console.print(table)


@app.command("doctor")
def doctor(
    address: _Where = "local", runtimes: _Runtimes = None, as_json: Json = False
) -> None:
    """Return whether a device is fit to be measured, and what mends it. Exit code 4 where it is
    not."""
    from edgekit.bench.conditions import unready
    from edgekit.report import measurement_words as words

    found = _probe(address, runtimes)
    machine = found["machine"]
    reasons = []
    if "conditions" in found:
        reasons = [words.unready(one) for one in unready(found)]
    if machine["emulated"]:
        reasons = [f"it is emulated ({machine['emulation_evidence']}): it has no speed"]
    # Other devices get theirs brought along.
    lacking = not any(fact["version"] for fact in found["runtimes"].values())
    if lacking and address.startswith("local"):
        reasons.append("it has no runtime: pip install 'edgekit[onnxruntime,litert]'")
    if as_json:
        print(json.dumps({"fit": not reasons, "reasons": reasons}, indent=2))
    else:
        if lacking and not address.startswith("local"):
            out_console.print("No runtime is installed there; bench brings its own.")
        for reason in reasons:
            out_console.print(f"[yellow]--[/] {escape(reason)}")
        if not reasons:
            out_console.print(f"[green]ok[/] {escape(address)} is fit to be measured.")
    if reasons:
        raise MeasurementError(
            f"{address} is not fit for a report: {'; '.join(reasons)}."
        )


def _probe(address: str, runtimes: list[str] | None) -> dict[str, Any]:
    from edgekit.devices.resolve import attached

    with (
        Bars(err_console, silent=False).step(f"Ask {address}"),
        attached(address, runtimes=runtimes or ()) as device,
    ):
        return device.probe()


def _known() -> dict[str, str]:
    """This machine, hosts of the user's ssh configuration, and what adb sees."""
    found = {"local": "this machine"}
    for name in _ssh_hosts():
        found[f"ssh://{name}"] = "of your ssh configuration; not probed"
    for serial, state in _adb_serials().items():
        found[f"adb://{serial}"] = state
    if shutil.which("docker"):
        found["container:IMAGE"] = "a container of this machine's Docker"
    return found


def _of_farm(file: Path | None) -> dict[str, str]:
    """The devices of a farm's file, and why one is in quarantine."""
    from edgekit.bench.farm import Farm

    place = file or Path(farm_file.FILE)
    if file is None and not place.is_file():
        return {}
    farm = Farm.read(place, folders=[Path("targets")])
    found = {}
    for one in farm.devices:
        fault = farm.fault(one)
        state = f"in quarantine: {fault}" if fault else "not checked"
        if fault is None and one.name in farm.health:
            state = f"ok when checked, {farm.health[one.name].checked}"
        found[one.address] = f"{one.name} of {place}, for {one.target}; {state}"
    return found


def _ssh_hosts() -> list[str]:
    """Names that a configuration spells out; patterns are none."""
    import os

    from edgekit.devices.ssh import CONFIG

    file = Path(os.environ.get(CONFIG, Path.home() / ".ssh" / "config"))
    try:
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    words = [line.split() for line in lines]
    names = [
        name for line in words if line[:1] in (["Host"], ["host"]) for name in line[1:]
    ]
    return [name for name in names if not set(name) & set("*?!")]


def _adb_serials() -> dict[str, str]:
    if shutil.which("adb") is None:
        return {}
    try:
        done = subprocess.run(
            ["adb", "devices"],
            capture_output=True,
            text=True,
            timeout=_LIST_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return {}
    rows = [line.split("\t") for line in done.stdout.splitlines()[1:] if "\t" in line]
    return {row[0]: row[1] for row in rows}


def _text(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
