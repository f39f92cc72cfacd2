"""Operators that an exporter and a runtime insert between a network's, and slow ones."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.program.program import Program
from edgekit.program.reference import count
from edgekit.types import OperatorProfile
from edgekit.types.diff import Counts, ModelGraph, OffPath

_SORTS = (
    (
        "transposes",
        ("permute", "transpose", "t", "movedim", "swapaxes", "numpy_T"),
        ("TRANSPOSE", "REORDER", "REORDERINPUT", "REORDEROUTPUT"),
    ),
    ("casts", ("to", "_to_copy", "type_as"), ("CAST", "CONVERT")),
    (
        "quantizations",
        (),
        (
            *("QUANTIZE", "DEQUANTIZE", "QUANTIZELINEAR", "DEQUANTIZELINEAR"),
            *("FAKEQUANTIZE", "DYNAMICQUANTIZELINEAR"),
        ),
    ),
)
"""Counted sorts: ATen's operators of the sort, and the formats' and runtimes'."""
_HEAVY = ("Convolution", "GroupConvolution", "MatMul", "FullyConnected")
_FLOAT_KERNELS = ("f32", "fp32", "f16", "bf16")


def counts(
    program: Program, opened: ModelGraph, executed: Sequence[OperatorProfile] | None
) -> tuple[Counts, ...]:
    """Number of each sort in the network, in the file, and run."""
    found = []
    for sort, network, kinds in _SORTS:
        ran = None
        if executed is not None:
            ran = sum(_plain(one.kind) in kinds for one in executed)
        in_file = sum(_plain(step.kind) in kinds for step in opened.steps)
        found.append(
            Counts(
                sort=sort, network=count(program, network), file=in_file, executed=ran
            )
        )
    return tuple(found)


def off_path(
    opened: ModelGraph, executed: Sequence[OperatorProfile]
) -> tuple[OffPath, ...]:
    """Operators that the runtime's optimized kernels, or int8's, did not take."""
    slow = []
    for one in executed:
        if one.fast is False and one.why is not None:
            slow.append(OffPath(operator=one.name, kind=one.kind, detail=one.why))
        elif opened.precision == "int8" and _in_float(one):
            slow.append(OffPath(operator=one.name, kind=one.kind, kernel=one.kernel))
    return tuple(slow)


def _in_float(one: OperatorProfile) -> bool:
    return (
        one.kind in _HEAVY
        and one.kernel is not None
        and one.kernel.lower().endswith(_FLOAT_KERNELS)
    )


def _plain(kind: str) -> str:
    return kind.upper().replace("_", "")
