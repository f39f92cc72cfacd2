"""Decisions of a build, by which the same network can be made again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edgekit.types.artifact import QuantConfig, RuntimeOptions
from edgekit.types.names import Precision, RuntimeName
from edgekit.types.plan import Plan

LOCK_SCHEMA = 1


@dataclass(frozen=True, kw_only=True)
class LockedCut:
    """One cut of the network, and the number of trainings after it."""

    plan: Plan
    widths: Mapping[str, int]
    trainings: int = 1


@dataclass(frozen=True, kw_only=True)
class LockedFile:
    """A candidate: how it is made, and the hashes of its files by their suffixes."""

    runtime: RuntimeName
    precision: Precision
    quantizer: QuantConfig | None = None
    """The configuration that the search chose; `None` where nothing is quantized."""
    equalized: bool = False
    """True where channels were brought to equal ranges first."""
    sha256: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class BuildLock:
    """The decisions of a build for one target, and what they depend on."""

    conditions: Mapping[str, str]
    """Versions, seed, hashes of weights and data, and the recipe, by dotted names: where one
    differs, another network would be made."""
    machine: Mapping[str, str]
    """Processor and threads: where one differs, the last bits of weights may."""
    costs: str
    """Provenance and SHA-256 of the cost table that the plan went by."""
    cuts: tuple[LockedCut, ...]
    """Empty where the network was not cut."""
    size: tuple[int, int] | None = None
    """Height and width of images, where the network takes others than its own."""
    rounding: bool = False
    """True where a student was trained with int8's rounding besides."""
    student: str
    """SHA-256 of the network behind the chosen file."""
    files: Mapping[str, LockedFile]
    chosen: str
    """The name of the file that the bundle ships."""
    options: RuntimeOptions = field(default_factory=RuntimeOptions)
    """Of the runtime, for the chosen file."""
