"""What a format's module offers, and what every format does the same way."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from edgekit.agent.arrays import CHANNELS_LAST, arranged, of_network
from edgekit.errors import ArtifactError, EdgeKitError, RuntimeMissing
from edgekit.program.program import Program
from edgekit.types import Precision, QuantConfig, RangeMethod, TensorSpec

Border = tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]
"""The inputs and the outputs of an artifact."""
CALIBRATED: tuple[Precision, ...] = ("int8", "int16x8")
QUANTIZED: tuple[Precision, ...] = (*CALIBRATED, "int8-dynamic", "int8-weights")


class Quantizer(Protocol):
    """One network in fp32, to be written in less as often as is asked."""

    def first(self, precision: Precision) -> QuantConfig:
        """The scheme to try before any other."""

    def layers(self) -> tuple[str, ...]:
        """Layers with weights, by the names that `Scheme.float_layers` takes."""

    def quantize(self, precision: Precision, scheme: QuantConfig, path: Path) -> None:
        """Write the network in `precision` to `path`."""


class Exporter(Protocol):
    """One format: a module of this folder. It imports its libraries inside its functions."""

    TITLE: str
    EXTRA: str
    """The extra of EdgeKit's package that installs `LIBRARIES`."""
    LIBRARIES: Mapping[str, str]
    """Module to import -> package that brings it."""
    PRECISIONS: tuple[Precision, ...]
    SUFFIXES: tuple[str, ...]
    """Of the files of an artifact; the first is the one its runtime opens."""
    RANGES: tuple[RangeMethod, ...]
    """How static int8 can take ranges, the one to try first first."""

    def convert(self, program: Program, path: Path) -> None:
        """Write `program` in fp32 with batch 1 to `path`, for `write` to start from."""

    def quantizer(
        self, fp32: Path, spec: TensorSpec, samples: list[np.ndarray], place: Path
    ) -> Quantizer:
        """What writes `fp32` in less. `samples` calibrate, each a batch of one for the only
        input, `spec`; `place` is a folder to work in."""

    def write(self, source: Path, labels: tuple[str, ...], path: Path) -> None:
        """Write the artifact proper: `source`, in whatever precision, and what it should say
        of itself."""

    def border(self, path: Path) -> Border:
        """The inputs and outputs that the file itself declares to its runtime."""


def check(
    exporter: Exporter, name: str, precision: Precision, *, calibrated: bool
) -> None:
    """Refuse, before any work, what cannot be exported here."""
    if precision not in exporter.PRECISIONS:
        raise ArtifactError(
            f"{exporter.TITLE} export of {name}: precision {precision} is not supported; "
            f"choose from {', '.join(exporter.PRECISIONS)}."
        )
    if precision in CALIBRATED and not calibrated:
        raise ArtifactError(
            f"{exporter.TITLE} export of {name}: {precision} needs calibration samples; "
            "name calibration data in edgekit.toml, or choose fp32."
        )
    missing = [
        package
        for module, package in exporter.LIBRARIES.items()
        if importlib.util.find_spec(module) is None
    ]
    if missing:
        raise RuntimeMissing(
            f"{exporter.TITLE} export needs {' and '.join(missing)}: "
            f"pip install 'edgekit[{exporter.EXTRA}]'"
        )


@contextmanager
def attribute_layer(exporter: Exporter, name: str) -> Iterator[None]:
    """Turn whatever a library raises into one line that names the format and the artifact."""
    try:
        yield
    except Exception as error:
        raise ArtifactError(
            f"{exporter.TITLE} export of {name} failed: {_reason(error)}"
        ) from error


def _reason(error: BaseException) -> str:
    """The first line of the innermost cause: exporters wrap it in pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[0] if lines else "no reason given"
    if isinstance(error, EdgeKitError):
        return text
    return f"{type(error).__name__}: {text}"


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


def feeds(calibration: np.ndarray, inputs: tuple[TensorSpec, ...]) -> list[np.ndarray]:
    """`calibration` (n, channels, ...) as a batch of one per sample, in the shape, order and dtype
    of the only input."""
    if len(inputs) != 1:
        raise ArtifactError(
            f"int8 calibrates networks with one input, and this one has {len(inputs)}; "
            "choose fp32."
        )
    (spec,) = inputs
    network = of_network(spec.shape[1:], spec.layout)
    if not len(calibration) or calibration.shape[1:] != network:
        wanted = ", ".join(map(str, ("n", *network)))
        raise ArtifactError(
            f"calibration samples have shape {calibration.shape}; "
            f"input '{spec.name}' takes ({wanted})."
        )
    return [
        arranged(sample[None], spec.layout).astype(spec.dtype) for sample in calibration
    ]


def channels_last(border: Border) -> Border:
    """The same border of a file whose images have their channels last."""
    inputs, outputs = border
    return tuple(
        replace(spec, layout=CHANNELS_LAST) if spec.layout else spec for spec in inputs
    ), outputs
