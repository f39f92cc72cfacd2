"""Outputs by name, in every form that a network may return them in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.program.named_outputs import joined, read
from edgekit.program.program import Program, from_exported, load, trace
from edgekit.types import InputSpec


class Pair(NamedTuple):
    boxes: Tensor
    scores: Tensor


@dataclass
class Answer:
    logits: Tensor
    loss: Tensor | None = None
    hidden: tuple[Tensor, ...] = ()


class Heads(nn.Module):
    def __init__(self, give: Callable[[Tensor, Tensor], Any]) -> None:
        super().__init__()
        self.wide, self.narrow, self.give = nn.Linear(4, 3), nn.Linear(4, 2), give

    def forward(self, x: Tensor) -> Any:
        return self.give(self.wide(x), self.narrow(x))


def heads(give: Callable[[Tensor, Tensor], Any]) -> Program:
    torch.manual_seed(0)
    return trace(Heads(give), (InputSpec(shape=(4,)),))


def lent(a: Tensor, b: Tensor) -> Any:
    return {"out": a, "aux": b}


@pytest.mark.parametrize(
    ("give", "names", "known"),
    [
        (lent, ("out", "aux"), ("out", "aux")),
        (Pair, ("boxes", "scores"), ("boxes", "scores")),
        (lambda a, b: Answer(a, hidden=(b,)), ("logits", "hidden.0"), None),
        (lambda a, b: ({"deep": a}, b), ("0.deep", "1"), ("0.deep", "1")),
        (lambda a, b: (a, None, 3, b), (), ("output_0", "output_1")),
        (lambda a, b: [a, b], (), ("output_0", "output_1")),
        (lambda a, b: {"only": a}, ("only",), ("only",)),
        (lambda a, b: a, (), ("output",)),
    ],
)
def test_names_are_the_authors_in_order_and_survive_a_file(
    give: Callable[[Tensor, Tensor], Any],
    names: tuple[str, ...],
    known: tuple[str, ...] | None,
    tmp_path: Path,
) -> None:
    program = replace(heads(give), reads=(0,))
    program.save(tmp_path / "net.pt2")
    again = load(tmp_path / "net.pt2")
    for one in (program, again):
        assert (one.outputs, one.reads) == (names, (0,))
        assert one.output_names == (known or names)
        x = torch.randn(5, 4)
        assert torch.equal(one.answer(x), program.answer(x))
        assert one.answer(x).shape == (5, 3)


def test_an_export_of_someone_else_has_its_names() -> None:
    free = ({0: torch.export.Dim("n")},)
    example = (torch.zeros(2, 4),)
    exported = torch.export.export(Heads(lent), example, dynamic_shapes=free)
    assert from_exported(exported).outputs == ("out", "aux")


def test_none_of_several_is_read_by_chance() -> None:
    with pytest.raises(ModelError, match=r"2 outputs \(out, aux\).*output = \"out\""):
        heads(lent).answer(torch.zeros(1, 4))
    assert replace(heads(lent), reads=(1,)).answer(torch.zeros(1, 4)).shape == (1, 2)


def test_boxes_and_scores_are_read_as_one() -> None:
    boxes, scores = torch.rand(2, 5, 4), torch.rand(2, 5, 3)
    both = read([scores, boxes], (1, 0), ())
    assert torch.equal(both[..., :4], boxes) and torch.equal(both[..., 4:], scores)
    assert joined([boxes, scores[..., 0]]).shape == (2, 5, 5)
    for wrong in (scores.transpose(1, 2), scores[:, :4], torch.rand(2, 7)):
        with pytest.raises(ModelError, match=r"boxes .*\[5, 4\].*places, 4"):
            joined([boxes, wrong])
    with pytest.raises(ModelError, match="places, 4"):
        joined([scores, boxes])
