"""`edgekit profile-device`: a profile and cost tables of a device of your own."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Annotated

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

_NAME = re.compile(r"[a-z0-9][a-z0-9._-]*")


def profile_device(
    device: Annotated[
        str,
        typer.Argument(
            help="local, ssh://USER@HOST, adb://SERIAL, container:IMAGE, emulated:CORE."
        ),
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
    from edgekit.cost.profile_device import profile
    from edgekit.devices.resolve import attached
    from edgekit.store import Store

    chosen = name or re.sub(r"[^a-z0-9.]+", "-", device.lower())
    if not _NAME.fullmatch(chosen):
        raise UsageError(
            f"'{chosen}' is not a valid target name: use small letters, digits and -, with --name."
        )
    shown = Bars(err_console, silent=quiet)
    with attached(device) as one:
        found = profile(one, chosen, folder, Store(), shown)
    if as_json:
        tables = [
            {**plain(table.key), "provenance": table.provenance, "unit": table.unit,
             "cells": len(table), "repeatability": table.repeatability,
             "path": str(table.path)}
            for table in found.tables
        ]  # fmt: skip
        print(json.dumps({"target": plain(found.target), "tables": tables}, indent=2))
    elif not quiet:
        for table in found.tables:
            out_console.print(
                f"{table.key.runtime} {table.key.precision}: {len(table)} operators, "
                f"{table.provenance}, in {table.unit}",
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
