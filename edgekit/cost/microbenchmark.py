"""One-operator models in a runtime's own format, written directly.

A TFLite flatbuffer made through the schema takes about a millisecond where a conversion takes
seconds, so a table of hundreds of shapes costs no more than running them.
"""

from __future__ import annotations

from pathlib import Path

from edgekit.errors import DeviceError
from edgekit.runtimes import registry
from edgekit.types import Precision, RuntimeName
from edgekit.types.operator_shape import OperatorShape

PRECISIONS: tuple[Precision, ...] = ("fp32", "int8")
VERSION = "4"
"""Of the one-operator models: costs of other versions are measured again."""
_PART = "microbenchmark"
"""Of a runtime's folder: `model` gives the bytes of one operator's file, `SUFFIX` its name."""


def timed() -> list[RuntimeName]:
    """The runtimes that operators can be timed alone on."""
    return [name for name, one in registry.known().items() if one.has(_PART)]


def write(
    operator: OperatorShape, runtime: RuntimeName, precision: Precision, folder: Path
) -> Path:
    """A model of `operator` alone, batch size 1, with seeded random weights.

    `int8` is statically quantized as exports are: activations by tensor, weights by channel.
    """
    if precision not in PRECISIONS:
        raise DeviceError(
            f"No one-operator models in {precision}. Known: {', '.join(PRECISIONS)}."
        )
    one = registry.get(runtime)
    if not one.has(_PART):
        raise DeviceError(
            f"Operators cannot be timed alone on {runtime}: its folder has no {_PART}. "
            'Set [recipe.prune] cost_provenance = "estimated".'
        )
    part = one.part(_PART)
    path = folder / f"{operator.key.replace(':', '-').replace(',', '_')}{part.SUFFIX}"
    path.write_bytes(part.model(operator, precision))
    return path
