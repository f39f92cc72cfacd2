"""Results of a network's export, as records: see `edgekit.types.notes`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from edgekit.types.artifact import IOFusion, QuantResult, RuntimeOptions
from edgekit.types.names import Precision, RuntimeName, TaskKind

Fix = Literal[
    "rewrite_layer",
    "replace_scatter",
    "sort_in_application",
    "constant_size",
    "newer_runtime",
    "exclude_runtime",
]
"""Remedies for a refused network: its layer is written with other operators, or a scatter as
indexing; a sort is left to the application; a size is made a constant; the device gets a newer
runtime; the runtime is left out of the recipe."""


@dataclass(frozen=True, kw_only=True)
class Incompatibility:
    """Why a file cannot be made, or cannot run on the device."""

    cause: Literal[
        "operator_missing",
        "operator_too_new",
        "opset_too_new",
        "shape_dynamic",
        "operator_in_float",
        "type_not_taken",
        "file_rejected",
        "operator_not_exportable",
        "conversion_failed",
        "export_failed",
    ]
    by: str
    """The refusing side: a runtime with its version, a device, a converter."""
    operator: str | None = None
    """As the file's format spells it; `None` where no single operator is at fault."""
    layer: str | None = None
    """The author's layer that needs it; `None` where no layer is at fault."""
    version: int | None = None
    """Of the operator, or of the file's opset."""
    supported: int | None = None
    """The newest such version that is read."""
    detail: str | None = None
    """Output of the runtime or the converter."""
    fix: Fix | None = None
    or_64_bit: bool = False
    """True where the board's 64-bit system, whose runtime is newer, mends it too."""


@dataclass(frozen=True, kw_only=True)
class LeftOut:
    """A runtime, or one of its precisions, that the network cannot be built for."""

    kind: Literal["left_out"] = "left_out"
    name: str
    """The runtime's, or the artifact's that is missing."""
    runtime: RuntimeName
    precision: Precision | None
    """`None` where the runtime as a whole is left out."""
    refusals: tuple[Incompatibility, ...]
    """In the order of the file's operators."""


@dataclass(frozen=True, kw_only=True)
class PlannedRuntime:
    """The plan is made for another runtime than the profile's first."""

    kind: Literal["planned_runtime"] = "planned_runtime"
    runtime: RuntimeName
    instead_of: RuntimeName


@dataclass(frozen=True, kw_only=True)
class RuntimeSubstituted:
    """Another runtime, which reads the same files, ran in the place of the target's."""

    kind: Literal["runtime_substituted"] = "runtime_substituted"
    runtime: RuntimeName
    ran: RuntimeName


@dataclass(frozen=True, kw_only=True)
class ComparedOnHost:
    """Precisions were compared on this machine; on the target, another may win."""

    kind: Literal["compared_on_host"] = "compared_on_host"
    target: str


@dataclass(frozen=True, kw_only=True)
class IOFused:
    """The application's work that the files do themselves."""

    kind: Literal["io_fused"] = "io_fused"
    fusion: IOFusion


@dataclass(frozen=True, kw_only=True)
class TailLeftOut:
    """Runtimes whose files end before the last operators of the network's own file."""

    kind: Literal["tail_left_out"] = "tail_left_out"
    runtimes: tuple[RuntimeName, ...]
    outputs: tuple[str, ...]
    """Tensors that they end at."""


@dataclass(frozen=True, kw_only=True)
class DecoderLeftOut:
    """The user's own decoder does not run on a device, which returns the network's outputs."""

    kind: Literal["decoder_left_out"] = "decoder_left_out"
    function: str
    reason: str
    """The error of its file, run alone with NumPy."""


@dataclass(frozen=True, kw_only=True)
class QuantizationSearched:
    """More than one configuration was tried for a quantized file, or it loses more than allowed."""

    kind: Literal["quantization_searched"] = "quantization_searched"
    artifact: str
    result: QuantResult


@dataclass(frozen=True, kw_only=True)
class ParityFault:
    """By what a file is not its network."""

    measure: Literal[
        "shape", "relative_error", "agreement", "explained", "metric", "runtime"
    ]
    value: float | None = None
    """`None` for a number that is not finite, or where nothing was computed."""
    limit: float | None = None
    """`None` where every finite value is allowed."""
    samples: int | None = None
    task: TaskKind | None = None
    """Decisions of the outputs, where `measure` is `agreement`."""
    metric: str | None = None
    """The metric that cannot be computed, where `measure` is `metric`."""
    shapes: tuple[tuple[int, ...], ...] = ()
    """Of an artifact's and the network's outputs for one sample, where they differ."""
    detail: str | None = None
    """Output of the runtime."""


@dataclass(frozen=True, kw_only=True)
class NotCompeting:
    """Files that are not their network: they do not compete, and are removed."""

    kind: Literal["not_competing"] = "not_competing"
    artifacts: tuple[str, ...]
    """The first has the fault; the others were made from it."""
    fault: ParityFault


@dataclass(frozen=True, kw_only=True)
class OptionTrial:
    """A runtime's options, and the time they took over the default's, turn by turn."""

    options: RuntimeOptions
    time_ratios: tuple[float, ...]
    """Below 1 they are faster; empty where the runtime refused them."""

    @property
    def time_ratio(self) -> float | None:
        """The median; `None` where the runtime refused the options."""
        ratios = sorted(self.time_ratios)
        return ratios[len(ratios) // 2] if ratios else None


@dataclass(frozen=True, kw_only=True)
class RuntimeOptionsTried:
    """Runtime options that were tried on an artifact, and those that were kept."""

    kind: Literal["runtime_options_tried"] = "runtime_options_tried"
    artifact: str
    trials: tuple[OptionTrial, ...]
    """Empty where time was up before all were compared."""
    kept: RuntimeOptions
    limit_s: float


@dataclass(frozen=True, kw_only=True)
class TimesReused:
    """Times that an earlier build took of the same files on the same machine."""

    kind: Literal["times_reused"] = "times_reused"
    taken: str | None
    """When the oldest was taken: ISO 8601, in UTC; `None` where it is unknown."""
    device: str
    """Where: a device's name, `local` for this machine."""
    measurements: int


@dataclass(frozen=True, kw_only=True)
class OtherBytes:
    """Files of a locked build that are not those of the lock, as the machine is another."""

    kind: Literal["other_bytes"] = "other_bytes"
    files: tuple[str, ...]
    machine: tuple[str, ...]
    """Differences of the machine: its processor, or the threads of training."""


ExportNote: TypeAlias = (
    LeftOut
    | PlannedRuntime
    | RuntimeSubstituted
    | ComparedOnHost
    | IOFused
    | TailLeftOut
    | DecoderLeftOut
    | QuantizationSearched
    | NotCompeting
    | RuntimeOptionsTried
    | TimesReused
    | OtherBytes
)
