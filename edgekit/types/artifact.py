"""Files for a runtime, and how they were quantized."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from edgekit.types.evaluation import ROUNDING
from edgekit.types.names import (
    Postprocessing,
    Precision,
    RangeMethod,
    RawDtype,
    RuntimeName,
)
from edgekit.types.project import (
    Preprocess,
)


@dataclass(frozen=True, kw_only=True)
class Quantization:
    """Affine quantization of a tensor: `real = scale * (stored - zero_point)`."""

    scale: float
    zero_point: int


@dataclass(frozen=True, kw_only=True)
class TensorSpec:
    """A tensor of an artifact's signature. `shape` includes the batch dimension."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str | None = None
    quantization: Quantization | None = None


@dataclass(frozen=True, kw_only=True)
class RawInput:
    """One of several inputs that the files prepare themselves."""

    name: str
    preprocess: Preprocess
    dtype: RawDtype = "float32"


@dataclass(frozen=True, kw_only=True)
class IOFusion:
    """Preprocessing and post-processing that the files do, around the network."""

    preprocess: Preprocess | None = None
    """Applied to raw values of the only input; `None` where the application prepares them."""
    dtype: RawDtype = "float32"
    """Of these raw values."""
    inputs: tuple[RawInput, ...] = ()
    """Of a network with several inputs, those that are raw."""
    postprocess: Postprocessing | None = None
    axis: int = 1
    """The dimension of the classes in the network's output."""
    classes: int = 0
    """Their number; 0 where nothing is done with them."""

    @property
    def prepares(self) -> bool:
        """Return whether an input is raw."""
        return self.preprocess is not None or bool(self.inputs)

    @property
    def makes_features(self) -> bool:
        """Return whether the files compute the features of recordings."""
        given = (self.preprocess, *(one.preprocess for one in self.inputs))
        sounds = [how.audio for how in given if how is not None and how.audio]
        return any(audio.form != "wave" for audio in sounds)

    def raw(self, names: Sequence[str]) -> tuple[RawInput | None, ...]:
        """The raw form of each input of these names; `None` where it is as the network's."""
        known = {one.name: one for one in self.inputs}
        if self.preprocess is not None:
            [name] = names
            known[name] = RawInput(
                name=name, preprocess=self.preprocess, dtype=self.dtype
            )
        return tuple(known.get(name) for name in names)


@dataclass(frozen=True, kw_only=True)
class QuantConfig:
    """Options of an int8 file's quantizer, where the runtime's library has them."""

    ranges: RangeMethod = "min-max"
    activations: Literal["signed", "unsigned"] = "signed"
    narrow_weights: bool = False
    """True where weights take 7 bits: x86 processors without VNNI sum two products in 16 bits,
    which 8 bits overflow. ONNX Runtime's `reduce_range`, NNCF's `overflow_fix`."""
    per_channel: bool = True
    """True where each channel of a layer's weights has a scale of its own."""
    operators: Literal["all", "weighted", "mixed"] = "all"
    """`weighted`: operators with weights alone are quantized. `mixed`: those that are not cheaper
    in float, by timings."""
    float_operators: tuple[str, ...] = ()
    """Operators kept in float for their speed, by their names in the format's own graph."""
    float_layers: tuple[str, ...] = ()
    """Layers kept in float, worst first, by their names in the format's own graph."""
    float_tail: bool = False
    """True where the operators behind the last layers with weights are in float: an output holds
    values in different units, for which one scale has too few steps."""
    float_front: bool = False
    """True where the operators of an audio front end are in float, up to its logarithm: powers
    of bands differ by more than 256 steps."""


@dataclass(frozen=True, kw_only=True)
class SlowInInt8:
    """Operators of one kind that are left in float for their speed."""

    kind: str
    """As the file's format calls it."""
    count: int
    us: float | None = None
    """Time that they would take longer in int8; `None` where nobody timed them."""


@dataclass(frozen=True, kw_only=True)
class QuantTrial:
    """One configuration and what the accuracy drop of its file on validation samples."""

    quant_config: QuantConfig
    accuracy_drop: float | None
    """Fraction of the metric, against the same network in fp32; `None` where it failed."""
    error: float | None
    """Root mean square of the outputs' differences over that of the outputs."""
    failure: str | None = None


@dataclass(frozen=True, kw_only=True)
class QuantResult:
    """Record of a quantized file: the trials, the number of samples, and the chosen one."""

    quant_config: QuantConfig
    accuracy_drop: float | None
    """`None` where there were no samples to judge by."""
    allowed: float | None
    metric: str | None
    samples: int
    trials: tuple[QuantTrial, ...]
    """The plain configuration first."""
    without_equalization: QuantResult | None = None
    """The file that this one replaced: its channels were not brought to equal ranges."""
    slow: tuple[SlowInInt8, ...] = ()
    """Operators that are in float because int8 is slower."""

    @property
    def missed(self) -> float | None:
        """By how much more than allowed it still loses: training has to recover that."""
        drop, allowed = self.accuracy_drop, self.allowed
        if drop is None or allowed is None or holds(drop, allowed):
            return None
        return drop - allowed


def holds(accuracy_drop: float, allowed: float) -> bool:
    """Return whether a quantized file loses little enough, up to `ROUNDING`.

    That is less than one of the few thousand samples by which files are judged.
    """
    return accuracy_drop <= allowed + ROUNDING


@dataclass(frozen=True, kw_only=True)
class RuntimeOptions:
    """Options that a runtime runs an artifact with."""

    threads: int | None = None
    """`None` is the value of the profile."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """The runtime's own, where they are not its defaults here."""


@dataclass(frozen=True, kw_only=True)
class Artifact:
    """A file (and its companions) that one runtime runs. `files[0]` is the one it opens."""

    name: str
    runtime: RuntimeName
    precision: Precision | None
    """`None` where a file from elsewhere has none."""
    files: tuple[Path, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    quantized: QuantResult | None = None
    """The quantization, where EdgeKit did it."""
    runtime_options: RuntimeOptions = field(default_factory=RuntimeOptions)

    @property
    def size_bytes(self) -> int:
        """Bytes of all its files."""
        return sum(file.stat().st_size for file in self.files)

    @property
    def size_mb(self) -> float:
        """Size of all its files, in MiB."""
        return self.size_bytes / 2**20
