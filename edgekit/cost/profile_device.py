"""A device's own profile: its facts, and the width multiples of its kernels, measured."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from edgekit import scratch
from edgekit.config import targets
from edgekit.cost.microbenchmark import PRECISIONS, timed
from edgekit.cost.table import CostTable
from edgekit.cost.table_key import TableKey
from edgekit.devices import Device
from edgekit.devices.emulated import CORES
from edgekit.errors import DeviceError, OutputError
from edgekit.progress import Progress
from edgekit.store import Store
from edgekit.types import Precision, RuntimeName, Target
from edgekit.types.operator_shape import OperatorShape

_IMAGES = {
    "x86_64": "linux/amd64",
    "aarch64": "linux/arm64",
    "armv7l": "linux/arm/v7",
}
_WIDTHS = (*range(2, 33, 2), *range(36, 65, 4))
_TILES = (32, 16, 8, 4, 2)
_SAVES = 0.03
"""A width below a full tile that costs less by more than this fraction is a step of its own."""
_FEW = 8
"""Up to so many channels a runtime may take another kernel."""
_CONV = OperatorShape(
    kind="conv", inputs=16, outputs=16, size=(32, 32), kernel=(3, 3), padding=(1, 1)
)
_SHAPES = (
    _CONV,
    replace(_CONV, relu=True),
    replace(_CONV, inputs=32, size=(16, 16), kernel=(1, 1), padding=(0, 0)),
    OperatorShape(kind="linear", inputs=64, outputs=16),
)


@dataclass(frozen=True, kw_only=True)
class Profiled:
    """The files written: the profile, and a table for each runtime and precision."""

    path: Path
    target: Target
    tables: tuple[CostTable, ...]


def profile(
    device: Device, name: str, folder: Path, store: Store, progress: Progress
) -> Profiled:
    """Probe a device and measure its kernels; write `folder/name.toml` and its cost tables.

    Raises `DeviceError` where it has no runtime, `OutputError` where the file is there.
    """
    path = folder / f"{name}.toml"
    if path.exists():
        raise OutputError(
            f"{path} is there already. Remove it, or give --name another name."
        )
    with progress.step(f"Probe {device.name}"):
        probe = device.probe()
    known = timed()
    versions = {
        runtime: probe["runtimes"][runtime]["version"]
        for runtime in known
        if probe["runtimes"].get(runtime, {}).get("version")
    }
    if not versions:
        raise DeviceError(
            f"{device.name} has none of the runtimes {', '.join(known)}: "
            "install one there."
        )
    tables = []
    for runtime, version in versions.items():
        for precision in PRECISIONS:
            key = TableKey(
                fingerprint=device.fingerprint(),
                runtime=runtime,
                runtime_version=version,
                precision=precision,
                threads=1,
            )
            table = CostTable(key, device.provenance, store.root)
            with progress.step(f"Operators in {precision} on {runtime}") as step:
                table.measure(_operators(), device, step.update)
            tables.append(table)
    preferred = next(iter(versions))
    tiles = {
        table.key.precision: tile_of(_staircase(table))
        for table in tables
        if table.key.runtime == preferred
    }
    facts = _facts(device, probe, tuple(versions), tiles, tables)
    return Profiled(path=path, target=_write(path, facts), tables=tuple(tables))


def tile_of(costs: Mapping[int, float]) -> int:
    """The largest multiple of channels with every step of the staircase, from cost by width.

    The narrowest widths are not representative: kernels for few channels are others. Tiles of
    16 and, from 32 channels on, of 32 are 16: its multiples hold every step of both.
    """
    for tile in _TILES:
        full = {width: -(-width // tile) * tile for width in costs if width > _FEW}
        known = {w: whole for w, whole in full.items() if whole in costs and w < whole}
        if known and all(
            costs[width] >= (1 - _SAVES) * costs[whole]
            for width, whole in known.items()
        ):
            return tile
    return 1


def _operators() -> list[OperatorShape]:
    return [replace(shape, outputs=width) for shape in _SHAPES for width in _WIDTHS]


def _staircase(table: CostTable) -> dict[int, float]:
    return {w: table.cost_alone(replace(_CONV, outputs=w)) for w in _WIDTHS}


def _facts(
    device: Device,
    probe: Mapping[str, Any],
    runtimes: Sequence[RuntimeName],
    tiles: Mapping[Precision, int],
    tables: Sequence[CostTable],
) -> dict[str, Any]:
    machine = probe["machine"]
    arch = machine["arch"]
    if arch not in _IMAGES:
        raise DeviceError(
            f"{device.name} is a '{arch}', which no profile can name. "
            f"Supported: {', '.join(_IMAGES)}."
        )
    described = machine["cpu"] or f"{arch} processor"
    memory_mb = machine["memory_mb"]
    provenance = tables[0].provenance
    return {
        "description": f"{device.name}: {described}",
        "arch": arch,
        "cpu": _core(device, machine),
        "isa": list(machine["isa"]),
        "cores": machine["cores"],
        "threads": 1,
        # Memory under emulation is this machine's, not the board's.
        "ram_mb": None if machine["emulated"] or not memory_mb else int(memory_mb),
        "runtimes": list(runtimes),
        "precisions": list(PRECISIONS),
        "channel_multiple": dict(tiles),
        "image": _IMAGES[arch],
        "notes": [
            f"Written by edgekit profile-device; channel_multiple is {provenance}: the step "
            f"of a 3x3 convolution in {runtimes[0]}."
        ],
    }


def _core(device: Device, machine: Mapping[str, Any]) -> str:
    """The core as QEMU spells it, by the part number that the kernel lists."""
    part = str(machine["cpu_revision"] or "").split("/")
    for name, core in CORES.items():
        if part[:2] == ["0x41", core.part] and core.arch == machine["arch"]:
            return name
    return "host" if device.provenance == "host" else "max"


def _write(path: Path, facts: Mapping[str, Any]) -> Target:
    """The profile on disk, whole or not at all, and as EdgeKit reads it."""
    text = "".join(
        f"{key} = {_toml(value)}\n" for key, value in facts.items() if value is not None
    )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch.replacing(path) as whole:
            whole.write_text(text, encoding="utf-8")
            return targets.load(path.stem, folders=[whole.parent])
    except OSError as error:
        raise OutputError(
            f"Cannot write {path} ({error.strerror}). Name a folder that can be written."
        ) from error


def _toml(value: Any) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_toml(v)}" for k, v in value.items()) + " }"
    return json.dumps(value, ensure_ascii=False)
