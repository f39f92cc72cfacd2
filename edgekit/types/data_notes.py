"""Findings about the network and its data beside a build's figures, as records."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from edgekit.types.evaluation import Score


@dataclass(frozen=True, kw_only=True)
class WeightsUnnamed:
    """No file of weights is named: the network may not be trained."""

    kind: Literal["weights_unnamed"] = "weights_unnamed"
    source: str


@dataclass(frozen=True, kw_only=True)
class OutputsUnused:
    """The network decides between more classes than the data have."""

    kind: Literal["outputs_unused"] = "outputs_unused"
    outputs: int
    classes: int


@dataclass(frozen=True, kw_only=True)
class NetworkAtChance:
    """The network to be pruned guesses."""

    kind: Literal["network_at_chance"] = "network_at_chance"
    score: Score
    samples: int
    chance: float
    """The metric of guessing between the classes of the data."""


@dataclass(frozen=True, kw_only=True)
class PreprocessingSuspect:
    """The network is much better with another preprocessing than the project's."""

    kind: Literal["preprocessing_suspect"] = "preprocessing_suspect"
    faults: tuple[str, ...]
    """Of the better one against the project's, by name."""
    score: Score
    better: Score
    samples: int


@dataclass(frozen=True, kw_only=True)
class ValidationFamiliar:
    """The network is much better on validation samples than on those that judge the build."""

    kind: Literal["validation_familiar"] = "validation_familiar"
    score: Score
    samples: int
    judged: Score
    judged_samples: int


@dataclass(frozen=True, kw_only=True)
class BaselineIsReference:
    """The evaluation data have no labels: the unpruned network's outputs are right."""

    kind: Literal["baseline_is_reference"] = "baseline_is_reference"


@dataclass(frozen=True, kw_only=True)
class SamplesTransposed:
    """Samples are stored with channels last, and were turned around."""

    kind: Literal["samples_transposed"] = "samples_transposed"
    origin: str
    shape: tuple[int, ...]
    """Of one sample, as it is stored."""


@dataclass(frozen=True, kw_only=True)
class BoxesLeftOut:
    """Boxes without an area are none, and were left out."""

    kind: Literal["boxes_left_out"] = "boxes_left_out"
    origin: str
    boxes: int
    of: int


@dataclass(frozen=True, kw_only=True)
class ImagesStretched:
    """Images of other sizes than the input were stretched to it."""

    kind: Literal["images_stretched"] = "images_stretched"
    place: str
    """Name of the data set."""
    images: int
    of: int
    smallest: tuple[int, int]
    largest: tuple[int, int]
    size: tuple[int, int]
    """The input's; all are (height, width) in pixels."""


@dataclass(frozen=True, kw_only=True)
class ImagesConverted:
    """Images with an alpha channel or in other colors than the network's were converted."""

    kind: Literal["images_converted"] = "images_converted"
    place: str
    images: int
    of: int
    mode: str
    """Pillow's name of their form."""
    color: str


@dataclass(frozen=True, kw_only=True)
class CalibrationShort:
    """The calibration data have fewer samples than the preset asks for: all are used."""

    kind: Literal["calibration_short"] = "calibration_short"
    preset: str
    asked: int
    samples: int


@dataclass(frozen=True, kw_only=True)
class CalibrationRandom:
    """The calibration data have no labels: a class-balanced draw became a random one."""

    kind: Literal["calibration_random"] = "calibration_random"


@dataclass(frozen=True, kw_only=True)
class InputTransposed:
    """An artifact takes channels last, and the samples were turned around for it."""

    kind: Literal["input_transposed"] = "input_transposed"
    input: str
    artifact_shape: tuple[int, ...]
    network_shape: tuple[int, ...]
    """Both of one sample."""


DataNote: TypeAlias = (
    WeightsUnnamed
    | OutputsUnused
    | NetworkAtChance
    | PreprocessingSuspect
    | ValidationFamiliar
    | BaselineIsReference
    | SamplesTransposed
    | BoxesLeftOut
    | ImagesStretched
    | ImagesConverted
    | CalibrationShort
    | CalibrationRandom
    | InputTransposed
)
