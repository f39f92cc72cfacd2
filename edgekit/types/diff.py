"""Inputs and results of `edgekit diff`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from edgekit.types import Parity, Precision, TensorSpec
from edgekit.types.export_notes import ParityFault
from edgekit.types.notes import Note

EXACT = 5e-3
"""Relative error that rounding to bytes or a decoder's own arithmetic explain."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One output of one operator of an artifact, in the order of execution.

    Only operators that the artifact's inputs reach as data: no constants, no shapes.
    """

    name: str
    kind: str
    """The operator's type, as its format spells it."""
    tensor: str
    sources: tuple[int, ...]
    """Numbers of the steps whose outputs it reads."""
    shape: tuple[int, ...] = ()
    probe: str | None = None
    """The output of the probing copy that shows it; `None` where it is not a real tensor."""
    scale: float | None = None
    zero_point: int = 0


@dataclass(frozen=True, kw_only=True)
class ModelGraph:
    """An artifact taken apart: its signature, and its operators."""

    precision: Precision
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    steps: tuple[Step, ...]
    ends: tuple[int | None, ...]
    """The step behind each output."""
    by_place: bool = False
    """True where a step's `probe` is the number of an output of the copy, and not its name."""


@dataclass(frozen=True, kw_only=True)
class Distance:
    """Distance of values from the expected ones, over all samples."""

    relative_error: float
    """Root mean square of the difference over that of the right values."""
    cosine: float
    sqnr_db: float | None
    """Signal over quantization noise: the relative error in decibels. `None` without noise."""
    largest: float
    """Largest absolute difference."""


@dataclass(frozen=True, kw_only=True)
class LayerDiff:
    """One operator of the artifact beside its counterpart in the network."""

    operator: str
    kind: str
    node: str
    """The network's operator."""
    layer: str
    """The module it belongs to, as the author calls it."""
    distance: Distance


@dataclass(frozen=True, kw_only=True)
class Divergence:
    """The first operator whose output is not the network's, though its inputs are."""

    operator: str
    kind: str
    layer: str
    node: str
    distance: Distance | None
    """`None` where no tensor of the network has its size."""
    after: str
    """The last operator before it that agrees."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Operators of one sort in the network, in the file, and as the runtime ran them."""

    sort: str
    network: int
    file: int
    executed: int | None
    """`None` where the runtime does not report it."""

    @property
    def inserted(self) -> int:
        """Number that the file has beyond the network."""
        return max(0, self.file - self.network)


@dataclass(frozen=True, kw_only=True)
class OffPath:
    """An operator that ran beside the runtime's accelerated path."""

    operator: str
    kind: str
    kernel: str | None = None
    """The float kernel that an int8 network's operator ran in; `None` where `detail` has why."""
    detail: str | None = None
    """Output of the runtime."""


Line: TypeAlias = tuple[float, float]
"""Slope and offset of a channel's values over the raw ones."""


@dataclass(frozen=True, kw_only=True)
class PreprocessingEvidence:
    """By what a finding about preprocessing was made."""

    kind: Literal[
        "as_prepared",
        "shapes",
        "values",
        "channels",
        "network_outputs",
        "artifact_outputs",
        "outputs_alone",
        "metadata",
    ]
    """The application's input is as the project prepares samples; shapes differ; the difference
    shows in the values, or remains by channel; the artifact's outputs are the network's, or the
    application's, or only those were there; the artifact's own description."""
    fed_shape: tuple[int, ...] = ()
    expected_shape: tuple[int, ...] = ()
    fed_channels: tuple[Line, ...] = ()
    expected_channels: tuple[Line, ...] = ()


@dataclass(frozen=True, kw_only=True)
class PreprocessingDiff:
    """A difference between actual and expected preprocessing."""

    where: str
    """`fed`: the application's input; `expected`: the artifact's input; `contract`: the
    artifact's own description; `answers`: the fault that explains the application's outputs."""
    faults: tuple[str, ...]
    """Names of known faults that together explain the difference; empty where none does."""
    evidence: PreprocessingEvidence
    error_before: float | None
    """Relative error against right preprocessing; `None` where shapes differ, or nothing ran."""
    error_after: float | None
    """The remaining difference with the faults planted on purpose."""

    @property
    def differs(self) -> bool:
        """Return whether preprocessing is wrong, as far as it is known."""
        return (
            bool(self.faults) or self.error_before is None or self.error_before > EXACT
        )


@dataclass(frozen=True, kw_only=True)
class OutputDiff:
    """One output of the artifact beside the network's."""

    name: str
    distance: Distance
    parity: Parity
    """By which a build judges files as well."""
    fault: ParityFault | None
    """By what the output is not the network's; `None` where it is."""


@dataclass(frozen=True, kw_only=True)
class Diff:
    """Everything `edgekit diff` found."""

    artifact: str
    reference: str
    runtime: str
    device: str
    precision: Precision
    samples: int
    samples_traced: int
    """The number of them that were compared layer by layer."""
    tolerance: float
    """Relative error from which a layer's output is another one."""
    agrees: bool
    outputs: tuple[OutputDiff, ...]
    divergence: Divergence | None
    preprocessing: tuple[PreprocessingDiff, ...]
    layers: tuple[LayerDiff, ...]
    unmatched: int
    """Operators of the artifact without a counterpart in the network."""
    probing: float
    """Relative error between the artifact's outputs and those of its probing copy: where it is
    large, the runtime's own fusion changes answers."""
    counts: tuple[Counts, ...]
    off_path: tuple[OffPath, ...] | None
    """`None` where the runtime does not report it, or nothing ran that would."""
    accuracy: dict[str, float] = field(default_factory=dict)
    """By who answered: the network, the artifact, the network as the application feeds it."""
    notes: tuple[Note, ...] = ()

    @property
    def outputs_agree(self) -> bool:
        """Return whether the artifact answers as the network does on samples that are prepared
        right."""
        return all(one.fault is None for one in self.outputs)
