"""Inputs of alike shapes in another order than forward's are not taken for each other."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

import edgekit as ek
from edgekit.errors import ModelError
from edgekit.program.keywords import in_order


class Difference(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.linear = nn.Linear(3, 2)

    def forward(self, plus: Tensor, minus: Tensor) -> Tensor:
        return self.linear(plus) - 2 * self.linear(minus)


class OfMapping(Difference):
    def forward(self, batch: dict[str, Tensor]) -> Tensor:  # type: ignore[override]
        return super().forward(batch["plus"], batch["minus"])


PLUS, MINUS = torch.ones(4, 3), torch.randn(4, 3)


@pytest.mark.parametrize("kind", [Difference, OfMapping])
@pytest.mark.parametrize("order", [("plus", "minus"), ("minus", "plus")])
def test_names_decide_whatever_the_order(
    kind: type[Difference], order: tuple[str, str]
) -> None:
    given = {"plus": PLUS, "minus": MINUS}
    expected = Difference()(PLUS, MINUS)
    network = ek.load(kind(), example_inputs={name: given[name] for name in order})
    assert tuple(spec.name for spec in network.inputs) == order
    x: Any = [given[name] for name in order]
    torch.testing.assert_close(network.module(*x), expected)
    torch.testing.assert_close(network.module(minus=MINUS, plus=PLUS), expected)
    torch.testing.assert_close(
        network.module(x[0], **{order[1]: given[order[1]]}), expected
    )
    copied = network.copy().module
    torch.testing.assert_close(copied(plus=PLUS, minus=MINUS), expected)


def test_a_name_that_is_not_there_is_no_input() -> None:
    network = ek.load(Difference(), example_inputs={"plus": PLUS, "minus": MINUS})
    for wrong in ({"plus": PLUS}, {"plus": PLUS, "minus": MINUS, "more": PLUS}):
        with pytest.raises(TypeError, match="plus, minus by name, not"):
            network.module(**wrong)
    with pytest.raises(ModelError, match=r"takes 'minus' as input 2 and has no 'rows'"):
        in_order(Difference(), ("minus", "rows"))
    own = Difference()
    assert in_order(own, ("rows", "more")) is own


class ByNameAlone(Difference):
    def forward(self, *, plus: Tensor, minus: Tensor) -> Tensor:
        return super().forward(plus, minus)


class OfAnyName(Difference):
    def forward(self, **given: Tensor) -> Tensor:
        return super().forward(given["plus"], given["minus"])


class OneAndAny(Difference):
    def forward(self, plus: Tensor, **given: Tensor) -> Tensor:
        return super().forward(plus, given["minus"])


class OneAndNamed(Difference):
    def forward(
        self, plus: Tensor, scale: float | None = None, *, minus: Tensor
    ) -> Tensor:
        return super().forward(plus, minus) * (1 if scale is None else scale)


class OptionalBetween(Difference):
    def forward(
        self, plus: Tensor, mask: Tensor | None = None, minus: Tensor | None = None
    ) -> Tensor:
        assert mask is None and minus is not None
        return super().forward(plus, minus)


class AnyNumber(Difference):
    def forward(self, *given: Tensor) -> Tensor:
        return super().forward(*given)


class MappingByName(Difference):
    def forward(self, *, batch: dict[str, Tensor]) -> Tensor:
        return super().forward(batch["plus"], batch["minus"])


@pytest.mark.parametrize(
    "kind",
    [
        ByNameAlone,
        OfAnyName,
        OneAndAny,
        OneAndNamed,
        OptionalBetween,
        AnyNumber,
        MappingByName,
    ],
)
def test_arguments_by_name_stars_and_defaults(kind: type[Difference]) -> None:
    expected = Difference()(PLUS, MINUS)
    network = ek.load(kind(), example_inputs={"plus": PLUS, "minus": MINUS})
    assert tuple(spec.name for spec in network.inputs) == ("plus", "minus")
    torch.testing.assert_close(network.module(PLUS, MINUS), expected)
    if kind is not AnyNumber:
        network = ek.load(kind(), example_inputs={"minus": MINUS, "plus": PLUS})
        torch.testing.assert_close(network.module(MINUS, PLUS), expected)


class OneByName(nn.Module):
    def forward(self, *, x: Tensor, mask: Tensor | None = None) -> Tensor:
        return 2 * x if mask is None else x * mask


class OneOfAnyName(nn.Module):
    def forward(self, **given: Tensor) -> Tensor:
        return 2 * given["x"]


def test_the_only_input_may_be_by_name_alone() -> None:
    for given in ({"example_input": PLUS}, {"example_inputs": {"x": PLUS}}):
        network = ek.load(OneByName(), **given)  # type: ignore[arg-type]
        torch.testing.assert_close(network.module(PLUS), 2 * PLUS)
    network = ek.load(OneOfAnyName(), example_inputs={"x": PLUS})
    torch.testing.assert_close(network.module(PLUS), 2 * PLUS)


@pytest.mark.parametrize(
    ("network", "given", "message"),
    [
        (ByNameAlone(), (PLUS, MINUS), r"by name alone \(plus, minus\)\. Name them"),
        (ByNameAlone(), {"plus": PLUS, "less": MINUS}, "alone .* has no 'less'"),
        (OneOfAnyName(), (PLUS,), r"by name alone \(\*\*given\)\. Name them"),
        (OneAndNamed(), {"a": PLUS, "b": MINUS, "c": MINUS}, "has no 'a': its argum"),
    ],
)
def test_inputs_that_have_no_name_of_forward_s_are_one_line(
    network: nn.Module, given: Any, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        ek.load(network, example_inputs=given)
    assert "\n" not in str(caught.value)
