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
