"""From operators to networks: what a fit recovers, and what it refuses to make up."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.cost.network_model import Correction, Sample, errors, fit, median_error
from edgekit.types.operator_shape import OperatorShape


def conv(width: int, groups: int = 1) -> OperatorShape:
    return OperatorShape(
        kind="conv", inputs=width, outputs=width, size=(8, 8), kernel=(3, 3),
        padding=(1, 1), groups=groups,
    )  # fmt: skip


def cost(operator: OperatorShape) -> float:
    return 1.0 + operator.macs / 1e4


def network(width: int) -> tuple[OperatorShape, ...]:
    return (conv(width), conv(width, groups=width), conv(width), conv(2 * width))


def labels(operators: tuple[OperatorShape, ...]) -> float:
    """Depthwise costs double in a network, dense a tenth less, each operator two more."""
    return sum(
        (2.0 if operator.groups > 1 else 0.9) * cost(operator) + 2.0
        for operator in operators
    )


def samples(*widths: int) -> list[Sample]:
    return [Sample(operators=network(w), cost=labels(network(w))) for w in widths]


def test_without_networks_it_is_the_plain_sum() -> None:
    operators = network(8)
    plain = fit([], cost)
    assert plain == Correction()
    assert plain.network(operators, cost) == pytest.approx(sum(map(cost, operators)))


def test_a_few_networks_explain_one_that_was_not_seen() -> None:
    found = fit(samples(4, 8, 16, 32), cost)
    unseen = network(24)
    assert found.network(unseen, cost) == pytest.approx(labels(unseen), rel=0.02)
    plain = sum(map(cost, unseen))
    assert abs(plain - labels(unseen)) > 0.05 * labels(unseen)


def test_nothing_is_negative() -> None:
    rng = np.random.default_rng(0)
    noisy = [
        Sample(operators=one.operators, cost=one.cost * rng.uniform(0.3, 3))
        for one in samples(4, 6, 8, 12, 16, 24)
    ]
    found = fit(noisy, cost)
    assert found.overhead >= 0
    assert all(scale >= 0 for scale in found.scales.values())


def test_one_network_moves_scales_little() -> None:
    [one] = samples(16)
    found = fit([one], cost)
    assert found.network(one.operators, cost) == pytest.approx(one.cost, rel=0.05)
    assert all(0.5 < scale < 1.6 for scale in found.scales.values())


def test_the_error_is_of_networks_left_out() -> None:
    seen = samples(4, 8, 16, 32)
    wrong = [*seen[:3], Sample(operators=seen[3].operators, cost=2 * seen[3].cost)]
    assert max(errors(seen, cost)) < 0.1
    assert errors(wrong, cost)[3] > 0.3
    assert median_error(seen, cost) == pytest.approx(np.median(errors(seen, cost)))
    assert median_error(seen[:1], cost) is None


def test_it_means_the_same_in_every_unit() -> None:
    seen = samples(4, 8, 16)
    scaled = [Sample(operators=s.operators, cost=s.cost * 1e4) for s in seen]
    plain, large = fit(seen, cost), fit(scaled, lambda o: cost(o) * 1e4)
    assert large.overhead == pytest.approx(1e4 * plain.overhead, rel=1e-6)
    assert dict(large.scales) == pytest.approx(dict(plain.scales), rel=1e-6)


def test_a_scale_and_an_overhead_that_add_as_much_weigh_as_much() -> None:
    """Else all that a network takes besides its operators would seem to be of the cheaper kind
    of reason, and plans would cut many times as far as they must, or not far enough."""
    operators = (conv(16), conv(32), conv(64))
    alone = sum(map(cost, operators))
    found = fit([Sample(operators=operators, cost=1.3 * alone)], cost)
    by_scale = (found.scales["conv"] - 1) * alone
    assert by_scale == pytest.approx(3 * found.overhead, rel=1e-6)
    assert by_scale + 3 * found.overhead == pytest.approx(0.3 * alone, rel=0.05)


def test_a_kind_that_costs_next_to_nothing_keeps_its_scale() -> None:
    add = OperatorShape(kind="elementwise", inputs=4, outputs=4)
    price = {"conv": 1000.0, "elementwise": 0.01}
    operators = (conv(16), add)
    found = fit([Sample(operators=operators, cost=1300.0)], lambda one: price[one.kind])
    assert found.scales["elementwise"] == pytest.approx(1, abs=0.01)
