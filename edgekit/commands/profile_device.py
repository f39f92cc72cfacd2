"""`edgekit profile-device`: a profile and cost tables of a device of your own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from edgekit.commands.console import (
    Bars,
    Json,
    Quiet,
    err_console,
    out_console,
    plain,
)
from edgekit.errors import UsageError

if TYPE_CHECKING:
    from edgekit.devices import Device

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def profile_device(
    device: Annotated[
        str, typer.Argument(help="local, or emulated:CORE (emulated:cortex-a72).")
    ],
    name: Annotated[
        str | None,
        typer.Option(help="The target's name.", show_default="from the device"),
    ] = None,
    folder: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of profiles.")
    ] = Path("targets"),
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Probe a device, measure its kernels, and write its profile and cost tables.

    A project beside the folder builds for it at once.

        edgekit profile-device local --name desk
    """
    from edgekit.board import profile
    from edgekit.store import Store

    chosen = name or device.replace(":", "-")
    if not _NAME.fullmatch(chosen):
        raise UsageError(
            f"'{chosen}' is no name for a target: use small letters, digits and -, "
            "with --name."
        )
    shown = Bars(err_console, silent=quiet)
    found = profile(_device(device), chosen, folder, Store(), shown)
    if as_json:
        tables = [
            {**plain(table.key), "source": table.source, "unit": table.unit,
             "cells": len(table), "repeatability": table.repeatability,
             "path": str(table.path)}
            for table in found.tables
        ]  # fmt: skip
        print(json.dumps({"target": plain(found.target), "tables": tables}, indent=2))
    elif not quiet:
        for table in found.tables:
            out_console.print(
                f"{table.key.runtime} {table.key.precision}: {len(table)} operators, "
                f"{table.source}, in {table.unit}",
                highlight=False,
            )
        multiples = ", ".join(
            f"{value} in {key}" for key, value in found.target.channel_multiple.items()
        )
        out_console.print(escape(f"Channels cost in steps of {multiples}"))
        out_console.print(
            escape(f"Profile: {found.path}  (edgekit build --target {chosen})"),
            highlight=False,
        )


def _device(address: str) -> Device:
    from edgekit.devices.emulated import EmulatedDevice
    from edgekit.devices.local import LocalDevice
    from edgekit.store import Store

    if address == "local":
        return LocalDevice()
    if address.startswith("emulated:"):
        return EmulatedDevice(core=address.removeprefix("emulated:"), kept=Store())
    raise UsageError(f"'{address}' is no device. Known forms: local, emulated:CORE.")
