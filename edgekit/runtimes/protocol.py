"""Interface of a runtime's `exporter`, and the shared parts of every exporter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, overload

import numpy as np

from edgekit.agent.arrays import CHANNELS_LAST, arranged, of_network
from edgekit.errors import ArtifactError
from edgekit.program.feeds import Feeds, rows
from edgekit.program.named_outputs import numbered
from edgekit.program.program import Program
from edgekit.types import Precision, QuantConfig, TensorSpec

Signature = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]
"""The inputs and the outputs of an artifact."""
Sample = Mapping[str, np.ndarray]
"""A batch of one for each input, by its name in the file."""
CALIBRATED: tuple[Precision, ...] = ("int8", "int16x8")
QUANTIZED: tuple[Precision, ...] = (
    *CALIBRATED,
    "int8-dynamic",
    "int8-weights",
    "palette4",
)


class Quantizer(Protocol):
    """One network in fp32, to be written in less as often as requested."""

    @property
    def network(self) -> Path:
        """The fp32 file that layers and operators are named in."""

    def first(self, precision: Precision) -> QuantConfig:
        """The configuration to try before any other."""

    def layers(self) -> tuple[str, ...]:
        """Layers with weights, by the names that `QuantConfig.float_layers` takes."""

    def quantize(
        self, precision: Precision, quant_config: QuantConfig, path: Path
    ) -> None:
        """Write the network in `precision` to `path`."""


class BaseQuantizer:
    """A quantizer with its network and samples, and the configuration that most try first."""

    def __init__(
        self,
        fp32: Path,
        inputs: Sequence[TensorSpec],
        samples: Sequence[Sample],
        place: Path,
    ) -> None:
        self._fp32 = fp32
        self._samples = samples
        self._place = place

    @property
    def network(self) -> Path:
        """The fp32 file that layers and operators are named in."""
        return self._fp32

    def first(self, precision: Precision) -> QuantConfig:
        """The configuration to try before any other."""
        return QuantConfig()


class Exporter(Protocol):
    """The module `exporter` of a runtime's folder. It imports its libraries in its functions."""

    def convert(self, program: Program, path: Path) -> None:
        """Write `program` in fp32 with batch 1 to `path`, for `write` to start from."""

    def quantizer(
        self,
        fp32: Path,
        inputs: Sequence[TensorSpec],
        samples: Sequence[Sample],
        place: Path,
    ) -> Quantizer:
        """Writer of `fp32` in less. `samples` calibrate `inputs`; `place` is a folder to work
        in."""

    def write(self, source: Path, labels: tuple[str, ...], path: Path) -> None:
        """Write the artifact proper: `source`, in any precision, and its contract."""

    def convert_file(self, source: Path, path: Path) -> None:
        """Write the fp32 file of the runtime that this one starts from as its own; only where
        its record has `starts_from`."""

    def complete(self, source: Path, tail: Path, path: Path) -> None:
        """Write the artifact `source` with the operators of the ONNX file `tail` behind its
        outputs; only where its record has `takes_tails`."""

    def signature(self, path: Path) -> Signature:
        """The inputs and outputs that the file itself declares to its runtime."""


def layout(shape: tuple[int, ...]) -> str | None:
    """Every exporter here keeps its program's order of dimensions, which is PyTorch's unless
    `channels_last` changed it: an image input is NCHW."""
    return "NCHW" if len(shape) == 4 else None


def input_names(program: Program) -> list[str]:
    """The names of `program.inputs`, numbered where they would be the same."""
    names = [spec.name for spec in program.inputs]
    if len(set(names)) == len(names):
        return names
    return [f"{name}_{number}" for number, name in enumerate(names)]


def output_names(program: Program, count: int) -> list[str]:
    """The names of `program.outputs`; `output`, or numbered ones, where it has none of its own.

    Of several, one that is an input's name too has a suffix.
    """
    taken, names = {*input_names(program)}, list(program.outputs)
    if count > 1:
        names = [f"{name}_output" if name in taken else name for name in names]
    if len(names) == count and len({*names, *taken}) == count + len(taken):
        return names
    return list(numbered(count))


@dataclass(frozen=True, kw_only=True)
class _Samples(Sequence[Sample]):
    """Samples that are arranged one at a time, when they are wanted."""

    feeds: Feeds
    inputs: Sequence[TensorSpec]

    def __len__(self) -> int:
        return len(self.feeds[0])

    @overload
    def __getitem__(self, at: int) -> Sample: ...
    @overload
    def __getitem__(self, at: slice) -> _Samples: ...
    def __getitem__(self, at: int | slice) -> Sample | _Samples:
        if isinstance(at, slice):
            return replace(self, feeds=rows(self.feeds, at))
        place = range(len(self))[at]
        return {
            spec.name: arranged(feed[place : place + 1], spec.layout).astype(
                spec.dtype, copy=False
            )
            for feed, spec in zip(self.feeds, self.inputs, strict=True)
        }


def calibration_samples(
    calibration: Feeds, inputs: Sequence[TensorSpec]
) -> Sequence[Sample]:
    """`calibration` (n, channels, ...) of each input as samples, in the shapes, orders and dtypes
    of `inputs`; raises `ArtifactError` where they do not fit."""
    if len(calibration) != len(inputs):
        raise ArtifactError(
            f"calibration samples are of {len(calibration)} of the network's inputs, and "
            f"this one has {len(inputs)}."
        )
    for feed, spec in zip(calibration, inputs, strict=True):
        network = of_network(spec.shape[1:], spec.layout)
        if not len(feed) or feed.shape[1:] != network:
            requested = ", ".join(map(str, ("n", *network)))
            raise ArtifactError(
                f"calibration samples have shape {feed.shape}; "
                f"input '{spec.name}' takes ({requested})."
            )
    return _Samples(feeds=calibration, inputs=inputs)


def channels_last(signature: Signature) -> Signature:
    """The same signature of a file whose images have their channels last."""
    inputs, outputs = signature
    return tuple(
        replace(spec, layout=CHANNELS_LAST) if spec.layout else spec for spec in inputs
    ), outputs
