"""`devices.toml`: the devices of a farm, each with its address and the target it measures for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from annotated_types import MinLen

from edgekit.config import reader, targets
from edgekit.errors import FarmError, TargetError
from edgekit.types.farm import FarmDevice

FILE = "devices.toml"


@dataclass(frozen=True, kw_only=True)
class _File:
    device: Annotated[tuple[FarmDevice, ...], MinLen(1)]


def load(file: Path, *, folders: Sequence[Path] = ()) -> tuple[FarmDevice, ...]:
    """The devices of a file, their targets by their own names; `folders` hold further targets.

    Raises `FarmError` in one line: file, line, key, value, and what it should be.
    """
    devices = reader.read(file, _File, FarmError).device
    for key in ("name", "address"):
        counts = Counter(getattr(one, key) for one in devices)
        for number, one in enumerate(devices):
            if counts[getattr(one, key)] > 1:
                raise FarmError(
                    f"{place(file, number, key)}: this {key} is there twice. Give each device "
                    "its own."
                )
    found = []
    for number, one in enumerate(devices):
        try:
            target = targets.load(one.target, folders=folders)
        except TargetError as error:
            raise FarmError(f"{place(file, number, 'target')}: {error}") from None
        found.append(replace(one, target=target.name))
    return tuple(found)


def place(file: Path, number: int, key: str) -> str:
    """`FILE:LINE: key = value` of the device of that number."""
    return reader.at(file, "device", number, key)
