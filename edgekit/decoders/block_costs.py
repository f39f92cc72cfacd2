"""The cost of a decoder's blocks on the runtime that will run them.

Three folders are written, loaded and timed: the whole depth and width, half the depth, and half the
MLP width. Time per token, time to the first token, memory and size of other sizes follow from a
plane through the three: a constant, and for each block a constant and a slope in its MLP width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from edgekit import scratch
from edgekit.decoders import artifact_choice, folder_cut, trial
from edgekit.decoders.decoder import Decoder
from edgekit.decoders.decoder_cut import (
    DecoderCut,
    KeptBlock,
    Sizes,
    sizes_after,
    sizes_of,
)
from edgekit.decoders.engines.protocol import WeightFormat
from edgekit.decoders.trial import SpeedJob
from edgekit.errors import UsageError
from edgekit.progress import Progress, Silent


@dataclass(frozen=True, kw_only=True)
class Costs:
    """Of one folder, measured or predicted."""

    token_ms: float
    """Behind the first."""
    ttft_ms: float
    memory_mb: float
    """Most memory of the process, in 10^6 bytes."""
    size_mb: float


@dataclass(frozen=True, kw_only=True)
class GenerationBudget:
    """Limits of a decoder on a runtime; `None` sets none."""

    tokens_per_s: float | None = None
    ttft_ms: float | None = None
    memory_mb: float | None = None
    size_mb: float | None = None

    def keeps(self, costs: Costs) -> bool:
        """Return whether the costs are within every limit."""
        most = {
            "token_ms": None if self.tokens_per_s is None else 1000 / self.tokens_per_s,
            "ttft_ms": self.ttft_ms,
            "memory_mb": self.memory_mb,
            "size_mb": self.size_mb,
        }
        found = asdict(costs)
        return all(value is None or found[key] <= value for key, value in most.items())


@dataclass(frozen=True, kw_only=True)
class Setting:
    """The runtime, format, threads and text that costs are measured with."""

    engine: str
    weights: WeightFormat
    threads: int
    speed: SpeedJob


@dataclass(frozen=True, kw_only=True)
class CostPlane:
    """The costs of every depth and MLP width."""

    measured: tuple[tuple[Sizes, Costs], ...]
    coefficients: Mapping[str, tuple[float, float, float]]

    def predict(self, sizes: Sizes) -> Costs:
        """The costs of these sizes; key-value heads are not counted."""
        terms = _terms(sizes)
        found = {k: float(np.dot(c, terms)) for k, c in self.coefficients.items()}
        return Costs(**found)


def measure(
    decoder: Decoder, setting: Setting, progress: Progress | None = None
) -> CostPlane:
    """Measure three folders on the runtime, each in a fresh process.

    Raises `UsageError` for a decoder of one block, or whose MLP cannot be halved.
    """
    whole = sizes_of(decoder)
    points = (
        whole,
        replace(whole, blocks=whole.blocks // 2),
        replace(whole, mlp_width=sizes_after(decoder, mlp=0.5).mlp_width),
    )
    if whole.blocks < 2 or points[2].mlp_width == whole.mlp_width:
        raise UsageError(
            f"{decoder.folder} has {whole.blocks} blocks with an MLP of {whole.mlp_width} units, "
            "which is too small to be planned for. Cut it by fractions."
        )
    measured = []
    with (progress or Silent()).step("Timing blocks") as step, scratch.folder() as work:
        for number, sizes in enumerate(points):
            step.update(number, len(points))
            place = work / str(number)
            measured.append((sizes, _measured(decoder, sizes, setting, place)))
    return fit(tuple(measured))


def fit(measured: tuple[tuple[Sizes, Costs], ...]) -> CostPlane:
    """The plane through the costs of three sizes."""
    matrix = np.array([_terms(sizes) for sizes, _ in measured])
    rows = [asdict(costs) for _, costs in measured]
    solved = {
        key: np.linalg.solve(matrix, np.array([row[key] for row in rows]))
        for key in rows[0]
    }
    coefficients = {
        k: (float(a), float(b), float(c)) for k, (a, b, c) in solved.items()
    }
    return CostPlane(measured=measured, coefficients=coefficients)


def _terms(sizes: Sizes) -> tuple[float, float, float]:
    return 1.0, float(sizes.blocks), float(sizes.blocks * sizes.mlp_width)


def _measured(decoder: Decoder, sizes: Sizes, setting: Setting, place: Path) -> Costs:
    small = folder_cut.cut(decoder, _first(sizes), place / "decoder")
    found = artifact_choice.export(
        small, setting.engine, setting.weights, place / "runtime"
    )
    job = trial.Job(
        engine=setting.engine,
        folder=found.folder,
        threads=setting.threads,
        speed=setting.speed,
    )
    return costs_of(trial.measure(job), found.size_mb)


def costs_of(found: trial.Trial, size_mb: float) -> Costs:
    """The costs in a trial of speed; memory is `nan` where the system does not count it."""
    return Costs(
        token_ms=1000 / (found.tokens_per_s or np.nan),
        ttft_ms=np.nan if found.ttft_ms is None else found.ttft_ms,
        memory_mb=np.nan if found.peak_mib is None else found.peak_mib * 2**20 / 1e6,
        size_mb=size_mb,
    )


def _first(sizes: Sizes) -> DecoderCut:
    """The first of everything: times depend on shapes alone."""
    return DecoderCut(
        blocks=tuple(
            KeptBlock(
                index=index,
                units=tuple(range(sizes.mlp_width)),
                groups=tuple(range(sizes.groups)),
            )
            for index in range(sizes.blocks)
        )
    )
