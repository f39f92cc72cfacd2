"""From an ONNX file to a program that is known to compute the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch.utils._pytree import tree_leaves

from edgekit.errors import ModelError
from edgekit.program.program import Program, from_exported
from edgekit.sources.onnx import check, file
from edgekit.sources.onnx.graph import Graph, GraphTensor, needed, parsed, reads
from edgekit.sources.onnx.module import OnnxModule, exported
from edgekit.sources.onnx.signature import fixed_values, signature
from edgekit.sources.onnx.singles import singled
from edgekit.sources.onnx.tail import Cut, tail
from edgekit.sources.onnx.values import Known
from edgekit.types import InputSpec


def load(
    path: Path,
    *,
    inputs: Sequence[InputSpec] = (),
    outputs: Sequence[str] = (),
    fixed: Mapping[str, Any] | None = None,
) -> Program:
    """The program of the file at `path`, its `remarks` how closely it agrees with the file.

    `inputs` have sizes that the file leaves free, `outputs` the tensors to end at, `fixed` the
    values of inputs that are not the network's. Raises `ModelError` for what is damaged,
    unsupported, or computes something else than the file on ONNX Runtime.
    """
    original = file.read(path)
    model, was = singled(original)
    whole = parsed(model)
    graph, fixed = _live(_cut(whole, outputs)), fixed or {}
    values = fixed_values(whole, fixed)
    module = OnnxModule(graph, signature(graph, inputs, values))
    specs = tuple(each.spec for each in module.signature.inputs)
    program = from_exported(exported(module), specs)
    subject = check.Subject(
        program=program, module=module, model=model, source=str(path)
    )
    found = check.check(subject)
    remarks = [found.line(), *_moved(module)]
    if was:
        remarks.append(check.distance(subject, original, was))
    made = replace(program, outputs=tuple(subject.names), remarks=tuple(remarks))
    return _with_tail(made, subject, values) if outputs else made


def _with_tail(
    program: Program, subject: check.Subject, fixed: Mapping[str, Known]
) -> Program:
    """The program with what the file does behind its outputs, and the remark on it."""
    taken, places = subject.signature, subject.module.notes.places
    if taken.held != 1:
        what = "The operators behind [model] outputs are left out of exports: the file holds a "
        remarks = (*program.remarks, f"{what}batch of {taken.held}.")
        return replace(program, remarks=remarks)
    with torch.no_grad():
        values = tree_leaves(program.module(*program.example(1)))
    cuts = [
        Cut(name=name, dtype=value.numpy().dtype, rank=value.ndim, place=place)
        for name, value, place in zip(subject.names, values, places, strict=True)
    ]
    [feeds] = subject.feeds(subject.samples(1), 1)
    own = {each.name: feeds[each.name] for each in taken.inputs}
    found = tail(subject.model, cuts, own, fixed)
    if found is None:
        return program
    remarks = (*program.remarks, found.remark)
    return replace(program, tail=found.model, remarks=remarks)


def _moved(module: OnnxModule) -> list[str]:
    """The remark on tensors whose batch the file has elsewhere."""
    inputs = [each.name for each in module.signature.inputs if each.place]
    outputs = [
        tensor.name
        for tensor, place in zip(module.graph.outputs, module.notes.places, strict=True)
        if place
    ]
    names = ", ".join(dict.fromkeys([*inputs, *outputs]))
    if not names:
        return []
    return [
        f"The batch is the first dimension of every tensor, here moved for {names}."
    ]


def _cut(graph: Graph, outputs: Sequence[str]) -> Graph:
    """The graph that ends at `outputs`."""
    if not outputs:
        return graph
    known = {tensor.name: tensor for tensor in graph.outputs}
    given = {name for node in graph.nodes for name in node.outputs}
    for name in outputs:
        if name not in given:
            raise ModelError(
                f"[model] outputs names '{name}', which no operator of the file gives. It ends "
                f"in {', '.join(known)}."
            )
    ends = [known.get(n) or GraphTensor(name=n, dtype=0, shape=None) for n in outputs]
    return replace(graph, outputs=tuple(ends))


def _live(graph: Graph) -> Graph:
    """The graph without operators and inputs that its outputs do not depend on."""
    nodes = tuple(needed(graph, [tensor.name for tensor in graph.outputs]))
    taken = {name for node in nodes for name in reads(node)}
    left = tuple(tensor for tensor in graph.inputs if tensor.name in taken)
    return replace(graph, nodes=nodes, inputs=left)
