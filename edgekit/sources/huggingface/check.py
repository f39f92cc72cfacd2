"""Holds the program of a folder against its network as transformers runs it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from edgekit.program import parity
from edgekit.program.program import Program
from edgekit.sources.huggingface import sentence
from edgekit.sources.huggingface.inputs import Taken
from edgekit.sources.huggingface.network import named

_SQUASHING = ("softmax", "sigmoid", "log_softmax", "tanh")
_TABLES = {"input_ids": "vocab_size", "token_type_ids": "type_vocab_size"}
"""The size of the table that an input's numbers are looked up in."""


def check(program: Program, reference: Reference, *, source: str) -> parity.Parity:
    """Run both on tokens of the entire vocabulary or on images; `ModelError` where they differ."""
    config: Any = reference.network.config
    tops = [
        max(1, getattr(config, _TABLES.get(spec.name, ""), None) or 2)
        for spec in program.inputs
    ]
    return parity.check(program, reference, source=source, limits=tops)


@dataclass(frozen=True, kw_only=True, eq=False)
class Reference:
    """A network of transformers and the steps after it: a `parity.Reference`."""

    network: nn.Module
    steps: tuple[sentence.Step, ...]
    taken: Taken
    outputs: tuple[str, ...]
    against: str = "the network in transformers"

    def run(self, given: Sequence[parity.Inputs], ends: Sequence[bool]) -> parity.Ran:
        """The outputs by name, and what a softmax, sigmoid or tanh at their end took."""
        return parity.Ran(rows=[self._row(each, ends) for each in given])

    def inner(self, given: parity.Inputs) -> Iterable[parity.Inner]:
        """Nothing: tensors inside have no names that both sides have."""
        return ()

    def _row(self, given: parity.Inputs, ends: Sequence[bool]) -> parity.Row:
        names = [spec.name for spec in self.taken.specs]
        inputs = named(names, self.taken.fixed, given)
        with torch.no_grad(), _Squashed() as squashed:
            found = self.network(**inputs)
        if self.steps:
            states = found["last_hidden_state"].numpy()
            mask = inputs["attention_mask"].numpy()
            embedded = sentence.expected(self.steps, states, mask)
            return [embedded, *(None for end in ends if end)]
        tensors = [found[name] for name in self.outputs]
        marked = [each for each, end in zip(tensors, ends, strict=True) if end]
        before = [squashed.taken(each) for each in marked]
        return [None if x is None else x.numpy() for x in (*tensors, *before)]


class _Squashed(TorchFunctionMode):
    """Remembers what each softmax, sigmoid and tanh was computed from."""

    def __init__(self) -> None:
        super().__init__()
        self._pairs: list[tuple[Tensor, Tensor]] = []

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if getattr(func, "__name__", "") in _SQUASHING and args:
            self._pairs.append((found, args[0]))
        return found

    def taken(self, output: Tensor) -> Tensor | None:
        """The tensor that gave `output`; `None` where no squashing did."""
        return next((given for found, given in self._pairs if found is output), None)
