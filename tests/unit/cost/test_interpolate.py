"""Cells that are measured, and those that follow: staircases found with few measurements."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest

from edgekit.cost import interpolate
from edgekit.types.operator_shape import OperatorShape

CONV = OperatorShape(
    kind="conv", inputs=16, outputs=16, size=(32, 32), kernel=(3, 3), padding=(1, 1)
)
Cost = Callable[[OperatorShape], float]


def conv(inputs: int, outputs: int) -> OperatorShape:
    return replace(CONV, inputs=inputs, outputs=outputs)


def settle(
    operators: list[OperatorShape], cost: Cost, tolerance: float = 0.01
) -> tuple[dict[str, float], dict[str, float]]:
    """Measured and inferred cells once nothing is missing any more."""
    measured: dict[str, float] = {}
    inferred: dict[str, float] = {}
    for _ in range(50):
        step = interpolate.step(operators, {**inferred, **measured}, tolerance)
        inferred |= step.inferred
        assert len({o.key for o in step.missing}) == len(step.missing)
        assert not {o.key for o in step.missing} & {*measured, *inferred}
        if not step.missing:
            return measured, inferred
        measured |= {operator.key: cost(operator) for operator in step.missing}
    raise AssertionError("never settled")


def stairs(tile: int) -> Cost:
    return lambda o: 5 + o.inputs * tile * math.ceil(o.outputs / tile)


def dipping(operator: OperatorShape) -> float:
    """As counted on a Cortex-A72: 6 channels cost as 16 do, 8 cost half of that."""
    rest, tiles = operator.outputs % 8, operator.outputs // 8
    return operator.inputs * (tiles * 8 + (8 + rest if rest else 0))


@pytest.mark.parametrize("tile", [8, 16])
def test_a_staircase_is_found_from_few_cells(tile: int) -> None:
    operators = [conv(16, width) for width in range(2, 65, 2)]
    cost = stairs(tile)
    measured, inferred = settle(operators, cost)
    assert len(measured) <= 2 + 4 * (64 // tile) < len(operators) + 3
    for operator in operators:
        known = {**measured, **inferred}[operator.key]
        assert known == pytest.approx(cost(operator), rel=0.01)


def test_ends_are_measured_first() -> None:
    operators = [conv(16, width) for width in range(4, 33, 4)]
    first = interpolate.step(operators, {}, 0.01)
    assert {o.outputs for o in first.missing} == {4, 32}
    assert not first.inferred


def test_a_level_line_is_looked_at_once_a_widest_step() -> None:
    operators = [conv(16, width) for width in range(4, 33, 4)]
    measured, inferred = settle(operators, lambda operator: 7.0)
    assert len(measured) == 3
    assert set(inferred.values()) == {7.0}


def test_costs_that_turn_everywhere_are_all_measured() -> None:
    operators = [conv(16, width) for width in range(1, 18)]
    measured, inferred = settle(operators, lambda o: 10.0 + o.outputs**2)
    assert not inferred
    assert len(measured) == len(operators)


def test_a_dip_between_two_steps_is_seen() -> None:
    operators = [conv(16, width) for width in range(2, 33, 2)]
    measured, inferred = settle(operators, dipping)
    known = {**measured, **inferred}
    for width in (8, 16, 24):
        operator = conv(16, width)
        assert known[operator.key] == pytest.approx(dipping(operator))


def test_a_plane_of_widths_is_interpolated_where_cost_is_a_line() -> None:
    operators = [conv(i, o) for i in range(8, 65, 8) for o in range(4, 65, 4)]
    cost = stairs(16)
    measured, inferred = settle(operators, cost)
    assert len(measured) < len(operators) / 2.5
    for operator in operators:
        known = {**measured, **inferred}[operator.key]
        assert known == pytest.approx(cost(operator), rel=0.01)


def test_a_width_read_that_breaks_the_line_is_looked_at_itself() -> None:
    operators = [conv(i, o) for i in range(8, 65, 8) for o in range(4, 65, 4)]

    def cost(operator: OperatorShape) -> float:
        slow = 1.5 if operator.inputs == 24 else 1.0
        return slow * stairs(16)(operator)

    measured, inferred = settle(operators, cost)
    for operator in operators:
        known = {**measured, **inferred}[operator.key]
        assert known == pytest.approx(cost(operator), rel=0.01)
    assert any(
        operator.inputs == 24 and operator.key in inferred for operator in operators
    )


def test_operators_that_differ_otherwise_say_nothing_of_each_other() -> None:
    strided = [replace(conv(16, width), stride=(2, 2)) for width in (8, 16, 24)]
    depthwise = [replace(conv(width, width), groups=width) for width in (8, 16, 24)]
    plain = [conv(width, width) for width in (8, 16, 24)]
    for family in (strided, depthwise, plain):
        known = {operator.key: 3.0 for operator in family}
        for other in (strided, depthwise, plain):
            if other is not family:
                step = interpolate.step(other, known, 0.01)
                assert step.missing and not step.inferred


def test_an_operator_with_one_width_is_settled_along_it() -> None:
    operators = [
        OperatorShape(kind="elementwise", inputs=width, outputs=width, size=(64, 1))
        for width in range(4, 65, 4)
    ]
    measured, inferred = settle(operators, lambda o: 3.0 + math.ceil(o.outputs / 16))
    assert len(measured) < len(operators)
    assert inferred[operators[5].key] == 5.0


def test_what_lies_between_costs_furthest_apart_is_measured_first() -> None:
    steep = [conv(16, width) for width in range(4, 33, 4)]
    gentle = [replace(operator, kernel=(1, 1)) for operator in steep]

    def cost(operator: OperatorShape) -> float:
        return operator.outputs * (10.0 if operator.kernel == (3, 3) else 1.0)

    known = {o.key: cost(o) for o in (gentle[0], gentle[-1], steep[0], steep[-1])}
    first = interpolate.step([*gentle, *steep], known, 0.01).missing
    assert [o.kernel for o in first] == [(3, 3), (1, 1)]
    without_ends = [replace(operator, kernel=(5, 5)) for operator in steep]
    first = interpolate.step([*gentle, *steep, *without_ends], known, 0.01).missing
    assert [o.kernel for o in first] == [(5, 5), (5, 5), (3, 3), (1, 1)]


def test_the_rest_lies_on_straight_lines_between_what_is_known() -> None:
    operators = [conv(i, o) for i in (8, 16, 24, 64) for o in range(8, 65, 8)]

    def plane(operator: OperatorShape) -> float:
        return 3.0 + 2.0 * operator.inputs + 5.0 * operator.outputs

    ends = [conv(i, o) for i in (8, 64) for o in (8, 64)]
    known = {o.key: plane(o) for o in ends}
    found = interpolate.rest(operators, known)
    assert set(found) == {o.key for o in operators} - set(known)
    for operator in operators:
        assert {**known, **found}[operator.key] == pytest.approx(plane(operator))


def test_the_rest_has_the_nearest_width_of_a_line_that_lacks_its_own() -> None:
    # The outer lines have two widths, the one in the middle has four.
    operators = [conv(8, o) for o in (8, 32)] + [conv(24, o) for o in (8, 16, 24, 32)]
    operators += [conv(64, o) for o in (8, 32)]
    known = {conv(i, o).key: float(i * o) for i in (8, 64) for o in (8, 32)}
    found = interpolate.rest(operators, known)
    assert found[conv(24, 8).key] == pytest.approx(24 * 8)
    assert found[conv(24, 16).key] == pytest.approx(24 * 8)
    assert found[conv(24, 24).key] == pytest.approx(24 * 32)


def test_heads_of_an_attention_are_one_family_and_cost_follows_from_few() -> None:
    """Eight heads of eight features are not taken for a depthwise convolution."""

    def attention(heads: int, wide: int) -> OperatorShape:
        return OperatorShape(
            kind="attention", inputs=wide, outputs=wide, size=(9, 9), groups=heads
        )

    family, place = interpolate.family_of(attention(8, 8))
    assert place == (8, 8)
    assert (family, (2, 64)) == interpolate.family_of(attention(2, 64))

    def cost(operator: OperatorShape) -> float:
        return 0.5 + 2.3 * operator.groups

    requested = [attention(h, w) for h in range(1, 13) for w in range(16, 129, 8)]
    measured, inferred = settle(requested, cost)
    assert len(measured) < len(requested) / 4
    found = {**inferred, **measured}
    assert found == pytest.approx({one.key: cost(one) for one in requested})
