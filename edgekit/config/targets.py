"""Device profiles: the one reader of `targets/*.toml`.

A board of your own is a file `targets/<name>.toml` in your own folder; it wins over one of ours.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from edgekit.config import reader
from edgekit.config.resources import shipped
from edgekit.errors import TargetError
from edgekit.suggestions import suggest
from edgekit.types import Target

_MACHINES = {
    "x86_64": ("x86_64", "linux/amd64"),
    "AMD64": ("x86_64", "linux/amd64"),
    "aarch64": ("aarch64", "linux/arm64"),
    "arm64": ("aarch64", "linux/arm64"),
    "armv7l": ("armv7l", "linux/arm/v7"),
}
_ISA = {
    "avx2": "avx2",
    "avx512f": "avx512",
    "avx512_vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
    "asimd": "neon",
    "neon": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
}
"""Flags of `/proc/cpuinfo` that decide which kernels a runtime takes, and their names here."""


def load(name: str, *, folders: Sequence[Path] = ()) -> Target:
    """The profile called `name`, or that has it as an alias; `folders` are searched first."""
    paths = _paths(folders)
    for path in paths:
        if path.stem == name:
            return _read(path)
    targets = [_read(path) for path in paths]
    for target in targets:
        if name in target.aliases:
            return target
    names = [n for target in targets for n in (target.name, *target.aliases)]
    raise TargetError(
        f"No target '{name}'.{suggest(name, names)} "
        f"Known: {', '.join(sorted(names)) or 'none'}. "
        f"A board of your own is a file targets/{name}.toml."
    )


def known(folders: Sequence[Path] = ()) -> list[Target]:
    """Every profile by name, those in `folders` in place of shipped ones of the same name."""
    return sorted((_read(path) for path in _paths(folders)), key=lambda t: t.name)


def _paths(folders: Sequence[Path]) -> list[Path]:
    first: dict[str, Path] = {}
    for path in _files((*folders, shipped("targets"))):
        first.setdefault(path.stem, path)
    return list(first.values())


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from sorted(folder.glob("*.toml"))


def _read(path: Path) -> Target:
    given: dict[str, Any] = {"name": path.stem}
    if path.stem == "host":
        given |= _this_machine()
    target = reader.read(path, Target, TargetError, given=given)
    _check(path, target)
    return target


def _check(path: Path, target: Target) -> None:
    for precision in target.channel_multiple:
        if precision not in target.precisions:
            raise TargetError(
                f"{reader.at(path, 'channel_multiple', precision)}: precision not listed; "
                f'add "{precision}" to precisions or remove this key.'
            )
    if target.threads > target.cores:
        raise TargetError(
            f"{reader.at(path, 'threads')}: more threads than cores = {target.cores}; "
            f"use at most {target.cores}."
        )


def _this_machine() -> dict[str, Any]:
    """The fields of `host` that differ from one machine to the next."""
    machine = platform.machine()
    if machine not in _MACHINES:
        raise TargetError(
            f"This machine is a '{machine}', which no runtime here supports. "
            f"Name another target; supported: {', '.join(sorted(_MACHINES))}."
        )
    arch, image = _MACHINES[machine]
    return {
        "arch": arch,
        "image": image,
        "isa": _instruction_sets(),
        "cores": os.cpu_count() or 1,
        "ram_mb": psutil.virtual_memory().total // 2**20,
    }


def _instruction_sets() -> tuple[str, ...]:
    cpuinfo = Path("/proc/cpuinfo")
    if not cpuinfo.is_file():
        return ()
    flags = set(cpuinfo.read_text(errors="replace").split())
    return tuple(dict.fromkeys(isa for flag, isa in _ISA.items() if flag in flags))
