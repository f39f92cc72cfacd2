"""A program held against the file that it was read from, on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import onnx
import torch
from onnx import helper
from torch import Tensor

from edgekit.errors import ModelError
from edgekit.program import parity
from edgekit.program.program import Program
from edgekit.sources.onnx.ends import with_ends
from edgekit.sources.onnx.file_outputs import Feeds, FileFails, outputs
from edgekit.sources.onnx.graph import Graph
from edgekit.sources.onnx.inputs import limits
from edgekit.sources.onnx.module import OnnxModule
from edgekit.sources.onnx.signature import OnnxSignature
from edgekit.sources.onnx.values import Known, Value

_APART = {"int8": 0.5, "fp16": 0.05}
"""Most that a file in less than single precision may be away from what it stands for."""


@dataclass(kw_only=True, eq=False)
class Subject:
    """A program and the file that it comes from: a `parity.Reference`."""

    program: Program
    module: OnnxModule
    model: onnx.ModelProto
    source: str = "The file"
    against: str = "ONNX Runtime"

    @property
    def graph(self) -> Graph:
        """The graph of the file."""
        return self.module.graph

    @property
    def signature(self) -> OnnxSignature:
        """The inputs of the file."""
        return self.module.signature

    @property
    def names(self) -> list[str]:
        """Of the outputs."""
        return [tensor.name for tensor in self.graph.outputs]

    def samples(self, batches: int) -> parity.Inputs:
        """Inputs for so many batches of the file."""
        size = batches * self.signature.held
        tops = limits(self.signature, self.graph)
        return parity.samples(self.program, size, limits=tops)

    def feeds(self, given: parity.Inputs, step: int) -> list[Feeds]:
        """Inputs as the file takes them, in pieces of `step` samples."""
        runs: list[Feeds] = []
        for start in range(0, given[0].shape[0], step):
            feeds = {
                each.name: each.moved(value[start : start + step])
                .contiguous()
                .numpy()
                .astype(each.file_dtype)
                for each, value in zip(self.signature.inputs, given, strict=True)
            }
            runs.append({**feeds, **self.signature.fixed})
        return runs

    def run(self, given: Sequence[parity.Inputs], ends: Sequence[bool]) -> parity.Ran:
        """Each output and end with its batch first."""
        model, names = with_ends(self.model, self.names, ends)
        if self.signature.free:
            try:
                return parity.Ran(rows=self._rows(model, given, names, ends))
            except FileFails:
                pass  # its batch is marked free, and it may hold one all the same
        held = self.signature.held
        rows = self._rows(model, given, names, ends, step=held)
        return parity.Ran(rows=rows, whole=False)

    def _rows(
        self,
        model: onnx.ModelProto,
        given: Sequence[parity.Inputs],
        names: Sequence[str | None],
        ends: Sequence[bool],
        step: int | None = None,
    ) -> list[parity.Row]:
        """One row for each batch, which runs in a piece or in pieces of `step` samples."""
        pieces = [self.feeds(each, step or len(each[0])) for each in given]
        requested = [name for name in names if name is not None]
        ran = iter(outputs(model, [f for each in pieces for f in each], requested))
        places = self.module.notes.places
        places = [*places, *(p for p, end in zip(places, ends, strict=True) if end)]
        rows: list[parity.Row] = []
        for each in pieces:
            parts = [dict(zip(requested, next(ran), strict=True)) for _ in each]
            rows.append([
                None if name is None else np.concatenate(
                    [_batch_first(part[name], place) for part in parts]
                )
                for name, place in zip(names, places, strict=True)
            ])  # fmt: skip
        return rows

    def inner(self, given: parity.Inputs) -> Iterator[parity.Inner]:
        """Every tensor of real numbers that both sides compute."""
        seen: dict[str, Known] = {}

        def watch(name: str, value: Value) -> None:
            if isinstance(value, Tensor) and value.is_floating_point():
                seen[name] = value.detach().numpy()

        with torch.no_grad():
            self.module.values(given, watch)
        makers = {o: node.kind for node in self.graph.nodes for o in node.outputs}
        names = [name for name in seen if name in makers]
        (row,) = outputs(self.model, self.feeds(given, len(given[0])), names)
        for name, theirs in zip(names, row, strict=True):
            ours = seen[name]
            yield parity.Inner(
                name=name, operator=makers[name], ours=ours, theirs=theirs
            )


def _batch_first(part: Known, place: int) -> Known:
    return np.moveaxis(part, place, 0) if place < part.ndim else part.reshape(1, -1)


def check(subject: Subject) -> parity.Parity:
    """Raise `ModelError` where the program's outputs are not the file's, by tensor and operator."""
    return parity.check(
        subject.program,
        subject,
        source=subject.source,
        held=subject.signature.held,
        limits=limits(subject.signature, subject.graph),
    )


def distance(subject: Subject, original: onnx.ModelProto, was: str) -> str:
    """The remark on a file that computes in `int8` or `fp16`, and comes in in single precision.

    Raises `ModelError` where the file gives something else altogether.
    """
    feeds = subject.feeds(subject.samples(4), subject.signature.held)
    kinds = {i.name: i.type.tensor_type.elem_type for i in original.graph.input}
    typed = [
        {n: v.astype(helper.tensor_dtype_to_np_dtype(kinds[n])) for n, v in one.items()}
        for one in feeds
    ]
    theirs = outputs(original, typed, subject.names)
    ours = outputs(subject.model, feeds, subject.names)
    apart = max(
        parity.noise(np.stack(a), np.stack(b))
        for a, b in zip(zip(*theirs, strict=True), zip(*ours, strict=True), strict=True)
    )
    if apart > _APART[was]:
        raise ModelError(
            f"The {was} file differs from the same network in single precision by {apart:.0%} "
            "of its outputs' spread. Convert the float file instead."
        )
    how = "dequantized" if was == "int8" else "in single precision"
    return parity.noise_line(was, how, apart)
