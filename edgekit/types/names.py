"""The words and amounts that other nouns are made of."""

from __future__ import annotations

from typing import Annotated, Literal

from annotated_types import Ge, Gt, Lt, MinLen
from pydantic import AfterValidator, ValidationInfo
from pydantic_core import PydanticCustomError

Precision = Literal[
    "fp32", "fp16", "int8", "int8-dynamic", "int8-weights", "int16x8", "palette4"
]
"""Arithmetic of a file, coarsely. `int8`: weights and activations by calibrated ranges;
`int8-dynamic`: activations by ranges taken while running; `int8-weights`: weights alone,
computed in float; `int16x8`: activations of 16 bits; `palette4`: weights alone, as numbers of 4
bits in tables of values. `QuantConfig` has the details."""
RawDtype = Literal["float32", "uint8"]
"""Of raw values that files prepare themselves."""
RangeMethod = Literal["min-max", "averaged", "percentile", "entropy"]
"""Rule for an activation's range from calibration: the range of all samples; the mean of the
samples' ranges; without the rarest values; the range of the least information loss."""


def _is_known(name: str, info: ValidationInfo) -> str:
    known = (info.context or {}).get("runtimes", (name,))
    if name not in known:
        listed = {"expected": ", ".join(map(repr, known))}
        raise PydanticCustomError(
            "literal_error", "should be one of {expected}", listed
        )
    return name


RuntimeName = Annotated[str, AfterValidator(_is_known)]
"""The name of a folder of `runtimes/`, with `-` for `_`. A validator of a file of a person's
gives the existing names as `runtimes` in pydantic's context."""
Provenance = Literal["device", "host", "counted", "estimated"]
"""Where a figure comes from: timed on the device, timed on this machine, instructions counted
under emulation, or arithmetic from the device's profile."""
CostUnit = Literal["us", "instructions", "operations"]
"""Unit of a cost: microseconds where it was timed, instructions executed where an emulator
counted, arithmetic operations where it was estimated."""
Verdict = Literal["fits", "over", "unproven"]
ImportanceName = Literal[
    "l1", "l2", "batchnorm", "taylor", "fisher", "activation", "reconstruction"
]
Sparsity = Literal["none", "l1-scales", "group-lasso", "growing"]
Schedule = Literal["linear", "cubic", "by-cost"]
LossName = Literal[
    "decoupled",
    "dist",
    "hints",
    "attention-transfer",
    "flow",
    "relation-distances",
    "relation-angles",
    "similarities",
    "hidden-states",
    "attention-scores",
    "attention-relations",
    "focal-features",
]
"""Losses that distillation offers beside soft targets and labels."""
Postprocessing = Literal["softmax", "argmax"]
"""Steps that may follow the classes' logits: their probabilities, or the number of the
likeliest."""
Positive = Annotated[float, Gt(0)]
Fraction = Annotated[float, Ge(0), Lt(1)]
Count = Annotated[int, Ge(1)]
Mebibytes = Positive
Text = Annotated[str, MinLen(1)]
TaskKind = Text
"""The name of a module in `edgekit.tasks`, with hyphens: "token-classification"."""
DEFAULT_TASK: TaskKind = "classification"
VALUES_TASK: TaskKind = "regression"
"""The kind of outputs that decide nothing, where no project names one."""
