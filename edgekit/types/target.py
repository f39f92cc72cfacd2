"""The device's profile."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Gt, MinLen

from edgekit.types.names import (
    Count,
    Precision,
    RuntimeName,
    Text,
)


@dataclass(frozen=True, kw_only=True)
class Power:
    """Published power of a board in watts, with what was metered (`boundary`) and by whom."""

    idle_w: float | None = None
    load_w: float | None = None
    boundary: Literal["wall", "board", "module", "soc", "package"] | None = None
    provenance: str | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """A device profile: `targets/<name>.toml`."""

    name: str
    description: Text
    aliases: tuple[str, ...] = ()
    arch: Literal["x86_64", "aarch64", "armv7l", "wasm32"]
    cpu: Text
    """The core's name as QEMU_CPU spells it, e.g. `cortex-a72`; `host` for this machine."""
    isa: tuple[str, ...] = ()
    cores: Count
    threads: Count = 1
    ram_mb: Annotated[int, Gt(0)] | None = None
    runtimes: Annotated[tuple[RuntimeName, ...], MinLen(1)]
    """In order of preference: the first is the one the plan is made for."""
    precisions: Annotated[tuple[Precision, ...], MinLen(1)]
    channel_multiple: Mapping[Precision, Count] = field(default_factory=dict)
    runtime_versions: Mapping[RuntimeName, Text] = field(default_factory=dict)
    """Releases that the device is bound to, where it is."""
    opset: Count | None = None
    """The newest ONNX opset that the device reads; `None` is any."""
    static_shapes: bool = False
    """True where every tensor's shape must be known before anything runs."""
    whole_int8: bool = False
    """True where the device computes in integers only: only inputs and outputs are in float."""
    missing_operators: Mapping[RuntimeName, tuple[Text, ...]] = field(
        default_factory=dict
    )
    """Operators that the device's runtime or accelerator lacks, as the format spells them."""
    power: Power = field(default_factory=Power)
    image: Text
    """Docker platform, e.g. `linux/arm64`."""
    notes: tuple[str, ...] = ()
