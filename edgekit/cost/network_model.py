"""From operators to the network: what a whole network costs besides the sum of its operators.

A network of measured operators is not their sum: each has a cost of being reached, and runs with
caches that the one before it left. Both are fitted to a few whole networks: a scale for each kind
of operator and an overhead for each operator, neither negative, by least squares of relative
errors that is drawn towards the plain sum where networks are few.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from edgekit.types.operator_shape import OperatorShape

Cost = Callable[[OperatorShape], float]

# Trust in the plain sum: a term that adds a tenth to a network weighs as an error of 2 % does,
# whichever term: what a scale explains as well is not given to the overhead.
_PRIOR = 0.2
# Of a network, by which a term counts at least: a kind that costs next to nothing keeps its scale.
_LEAST = 0.05


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A whole exported network: its operators, and its cost measured as theirs were."""

    operators: tuple[OperatorShape, ...]
    cost: float

    @classmethod
    def read(cls, text: str, cost: float) -> Sample:
        """The sample of operators as `text` has them."""
        return cls(operators=tuple(map(_read, json.loads(text))), cost=cost)

    @property
    def text(self) -> str:
        """The operators as JSON."""
        return json.dumps([asdict(operator) for operator in self.operators])


@dataclass(frozen=True, kw_only=True)
class Correction:
    """Cost of an operator inside a network: `scale * cost + overhead`."""

    scales: Mapping[str, float] = field(default_factory=dict)
    overhead: float = 0.0

    def operator(self, operator: OperatorShape, cost: float) -> float:
        """The operator's fraction of a network, from its cost alone."""
        return self.scales.get(_kind(operator), 1.0) * cost + self.overhead

    def network(self, operators: Sequence[OperatorShape], cost: Cost) -> float:
        """Corrected cost of a network: the sum over its operators, in the table's unit."""
        return sum(self.operator(operator, cost(operator)) for operator in operators)


def fit(samples: Sequence[Sample], cost: Cost) -> Correction:
    """The correction that explains whole networks best; the plain sum where there are none."""
    from scipy.optimize import nnls

    if not samples:
        return Correction()
    kinds = sorted({_kind(o) for sample in samples for o in sample.operators})
    rows = np.array([_row(sample, kinds, cost) for sample in samples])
    # The overhead in fractions of a network, so that the prior means the same in every unit.
    unit = float(np.mean([sample.cost / len(sample.operators) for sample in samples]))
    rows[:, -1] *= unit
    prior = _PRIOR * np.maximum(rows.mean(axis=0), _LEAST)
    drawn_to = np.array([*prior[:-1], 0.0])
    solution, _ = nnls(
        np.vstack([rows, np.diag(prior)]),
        np.concatenate([np.ones(len(rows)), drawn_to]),
    )
    return Correction(
        scales=dict(zip(kinds, map(float, solution), strict=False)),
        overhead=float(solution[-1]) * unit,
    )


def errors(samples: Sequence[Sample], cost: Cost) -> list[float]:
    """The relative error for each network of a correction fitted to all the others."""
    found = []
    for number, sample in enumerate(samples):
        others = [*samples[:number], *samples[number + 1 :]]
        predicted = fit(others, cost).network(sample.operators, cost)
        found.append(abs(predicted - sample.cost) / sample.cost)
    return found


def median_error(samples: Sequence[Sample], cost: Cost) -> float | None:
    """The median of `errors`; `None` where there are too few networks to leave one out."""
    return statistics.median(errors(samples, cost)) if len(samples) > 1 else None


def _row(sample: Sample, kinds: Sequence[str], cost: Cost) -> list[float]:
    """The sums of each kind's costs and the number of operators, as fractions of the network."""
    sums = dict.fromkeys(kinds, 0.0)
    for operator in sample.operators:
        sums[_kind(operator)] += cost(operator)
    return [value / sample.cost for value in (*sums.values(), len(sample.operators))]


def _kind(operator: OperatorShape) -> str:
    depthwise = operator.kind == "conv" and 1 < operator.groups == operator.inputs
    return "depthwise" if depthwise else operator.kind


def _read(stored: Mapping[str, Any]) -> OperatorShape:
    fields: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value
        for name, value in stored.items()
    }
    return OperatorShape(**fields)
