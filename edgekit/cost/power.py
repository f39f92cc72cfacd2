"""Power of operators, by the device's own meter: the half of an energy table that is metered.

No meter resolves one inference of an operator, which takes microjoules: counters step every
millisecond, shunts are read twenty times a second. Power can be metered while an operator is
repeated, and hardly moves along a width, where time is a staircase. So the corners of each family
of operators are metered, the others draw what those near to them do, and energy is power times
the time in the table.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.cost import microbenchmark
from edgekit.cost.interpolate import WidthPair, family_of
from edgekit.cost.table_key import TableKey
from edgekit.devices import Device, jobs
from edgekit.scratch import folder as scratch_folder
from edgekit.types.measurement_notes import OperatorsUnmetered
from edgekit.types.operator_shape import OperatorShape

WINDOW_S = 0.25
"""Of the first windows; those in which the meter does not agree with itself are repeated longer."""
_LONGER = 4.0
_ATTEMPTS = 3
_WINDOWS = 2
_AGREES = 0.1
"""Windows of one operator whose power differs by more are below the resolution of the meter."""
_PATIENCE_S = 120.0


@dataclass(frozen=True, kw_only=True)
class Metered:
    """Watts by operator, where the meter resolved them; without a meter, why it is `missing`."""

    watts: Mapping[OperatorShape, float] = field(default_factory=dict)
    meter: str | None = None
    boundary: str | None = None
    missing: OperatorsUnmetered | None = None


def corners(operators: Iterable[OperatorShape]) -> list[OperatorShape]:
    """The operators of each family that read and write the most and the fewest channels."""
    families: dict[OperatorShape, dict[WidthPair, OperatorShape]] = {}
    for operator in operators:
        family, place = family_of(operator)
        families.setdefault(family, {})[place] = operator
    found = []
    for members in families.values():
        reads = sorted({read for read, _ in members})
        for read in dict.fromkeys((reads[0], reads[-1])):
            writes = sorted(write for other, write in members if other == read)
            found += [
                members[read, write] for write in dict.fromkeys((writes[0], writes[-1]))
            ]
    return found


def metered(
    batch: Sequence[OperatorShape], *, key: TableKey, device: Device, meter: str
) -> Metered:
    """Loop each operator while the meter counts, for longer where that is too short for it."""
    watts: dict[OperatorShape, float] = {}
    window_s, left = WINDOW_S, list(batch)
    facts: Mapping[str, Any] = {}
    for _ in range(_ATTEMPTS):
        facts = _run(left, key=key, device=device, meter=meter, window_s=window_s)
        if facts["meter"] is None:
            unreadable = tuple(facts.get("unreadable", ()))
            return Metered(
                missing=OperatorsUnmetered(
                    kind="no_meter", value=facts["reason"] or "", meters=unreadable
                )
            )
        for operator, row in zip(left, facts["results"], strict=True):
            resolved = power(row["windows"])
            if resolved is not None:
                watts[operator] = resolved
        left = [operator for operator in left if operator not in watts]
        if not left:
            break
        window_s *= _LONGER
    return Metered(watts=watts, meter=facts["meter"], boundary=facts["boundary"])


def power(windows: Sequence[Mapping[str, Any]]) -> float | None:
    """Watts over these windows; `None` where they do not agree, or show nothing at all."""
    each = [one["joules"] / one["seconds"] for one in windows if one["seconds"] > 0]
    if len(each) < _WINDOWS or min(each) <= 0 or max(each) > (1 + _AGREES) * min(each):
        return None
    return math.fsum(one["joules"] for one in windows) / math.fsum(
        one["seconds"] for one in windows
    )


def _run(
    batch: Sequence[OperatorShape],
    *,
    key: TableKey,
    device: Device,
    meter: str,
    window_s: float,
) -> Mapping[str, Any]:
    with scratch_folder() as folder:
        paths = [
            microbenchmark.write(operator, key.runtime, key.precision, Path(folder))
            for operator in batch
        ]
        job = jobs.microbenchmark(
            key.runtime,
            paths,
            threads=key.threads,
            rounds=0,
            sessions=1,
            meter=meter,
            windows=_WINDOWS,
            window_s=window_s,
        )
        # A meter that is read in turns may need windows of seconds, whatever was requested.
        each_s = 2.0 + _WINDOWS * 4.0 * max(window_s, 2.0)
        return device.run(job, timeout_s=_PATIENCE_S + each_s * len(paths))


class Power:
    """Watts of any operator, from those that were metered."""

    def __init__(self, watts: Mapping[OperatorShape, float]) -> None:
        self._families: dict[OperatorShape, dict[WidthPair, float]] = {}
        for operator, value in watts.items():
            family, place = family_of(operator)
            self._families.setdefault(family, {})[place] = value
        self._median = statistics.median(watts.values()) if watts else None

    def watts(self, operator: OperatorShape) -> float | None:
        """Its own, or those of its family, each weighed by how near its widths are.

        Of a family that was not metered: the median of all. `None` where nothing was metered.
        """
        family, place = family_of(operator)
        known = self._families.get(family)
        if known is None:
            return self._median
        if place in known:
            return known[place]
        weights = {other: 1 / _distance(place, other) for other in known}
        return sum(weights[other] * known[other] for other in known) / math.fsum(
            weights.values()
        )


def _distance(one: WidthPair, other: WidthPair) -> float:
    """Squared, in octaves of the widths read and written."""
    return sum(
        math.log2((a + 1) / (b + 1)) ** 2 for a, b in zip(one, other, strict=True)
    )
