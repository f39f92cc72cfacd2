"""The one representation of a network: an ATen graph that trains, prunes, exports and reloads.

A `Program` holds the module of a `torch.export` program in training IR (operators such as
`aten.batch_norm` and `aten.dropout` keep their training flag), traced in evaluation mode with a
dynamic batch dimension. Training mode is a matter of those flags: see `modes.set_training`.
"""

from __future__ import annotations

import copy
import hashlib
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.export import ExportedProgram

from edgekit import scratch
from edgekit.errors import ModelError
from edgekit.program import named_outputs, pt2, sidecar, signature
from edgekit.program.batches import compare, examples, generalized
from edgekit.program.computed import fold_computed
from edgekit.program.feeds import Feeds
from edgekit.program.functional import functionalize
from edgekit.program.modes import (
    note_foreign_modes,
    note_modes,
    noted,
    refuse_batch_statistics,
)
from edgekit.program.modes import set_training as set_training
from edgekit.program.named_outputs import Reads
from edgekit.program.plain import plain
from edgekit.program.simplify import simplify
from edgekit.program.tokenizer import Tokenizer
from edgekit.program.tracing import export, graph_module
from edgekit.safe_io import reading
from edgekit.types import InputSpec

_TRACES = re.compile("^(L__self__)+")
_USER_NAMES = re.compile(r"^_edgekit_authored_[0-9a-f]+\.")


@dataclass(frozen=True, kw_only=True)
class Program:
    """A network as a graph of ATen operators, in evaluation mode, free of its author's classes.

    `inputs` gives each input's shape without the batch dimension, and its dtype. `module` takes
    inputs of any batch size and returns what the network returned.
    """

    module: fx.GraphModule
    inputs: tuple[InputSpec, ...]
    dtypes: tuple[torch.dtype, ...]
    outputs: tuple[str, ...] = ()
    """The author's names of the outputs; empty where there are none."""
    reads: Reads = ()
    """Numbers of the outputs that the task reads."""
    remarks: tuple[str, ...] = ()
    """Remarks of the loading, a sentence each: agreement of its outputs with its file's."""
    tail: bytes | None = None
    """An ONNX model of the operators behind the outputs in the file, which exports can put back:
    see `edgekit.program.tail`."""
    tokenizer: Tokenizer | None = None
    """That of its source: the network reads texts that become tokens by it."""

    def example(self, batch: int = 1, seed: int = 0) -> tuple[torch.Tensor, ...]:
        """Seeded inputs of the right shapes, each (batch, *shape): for tracing, never for truth."""
        generator = torch.Generator().manual_seed(seed)
        return tuple(
            torch.randn(batch, *spec.shape, generator=generator)
            if dtype.is_floating_point
            else torch.zeros(batch, *spec.shape, dtype=dtype)
            for spec, dtype in zip(self.inputs, self.dtypes, strict=True)
        )

    @property
    def specs(self) -> tuple[InputSpec, ...]:
        """The inputs, with their dtype where they are tokens."""
        return tuple(
            replace(
                spec,
                dtype=None
                if dtype.is_floating_point
                else str(dtype).removeprefix("torch."),  # type: ignore[arg-type]
            )
            for spec, dtype in zip(self.inputs, self.dtypes, strict=True)
        )

    def tensors(self, feeds: Feeds) -> tuple[torch.Tensor, ...]:
        """The arrays (n, *shape) of each input as the tensors that `module` takes."""
        return tuple(
            torch.from_numpy(np.ascontiguousarray(feed)).to(dtype)
            for feed, dtype in zip(feeds, self.dtypes, strict=True)
        )

    @property
    def output_names(self) -> tuple[str, ...]:
        """The names of the outputs, all different: numbered ones where the author's are not."""
        count = named_outputs.count(self.module)
        known = len(self.outputs) == count and len({*self.outputs}) == count
        return self.outputs if known else named_outputs.numbered(count)

    def answer(self, *inputs: torch.Tensor) -> torch.Tensor:
        """The output (batch, ...) that the task reads; raises `ModelError` where there are
        several and none is chosen."""
        found = named_outputs.tensors(self.module(*inputs))
        return named_outputs.read(found, self.reads, self.output_names)

    def exported(self, *, static_batch: int | None = None) -> ExportedProgram:
        """The `torch.export` program: dynamic batch, or fixed at `static_batch`."""
        example = self.example(static_batch or 2)
        return export(self.module, example, dynamic=static_batch is None)

    def copy(self) -> Program:
        """A program with parameters of its own."""
        return replace(self, module=duplicate(self.module))

    def fingerprint(self) -> str:
        """SHA-256 over the operators in order, what each reads, and every parameter and buffer.

        Names of operators, which a saved program does not keep, are left out.
        """
        digest = hashlib.sha256("\n".join(signature.lines(self.module)).encode())
        for name, tensor in sorted(self.module.state_dict().items()):
            digest.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
            digest.update(
                tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
            )
        return digest.hexdigest()

    def save(self, path: Path) -> None:
        """Write a `.pt2`: raw tensors and JSON, readable by `torch.export.load` alone.

        Where the author's files lay when the network was traced is left out of it, and so are
        the tracer's notes by memory address: the same network gives the same bytes.
        """
        exported = self.exported()
        for node in exported.graph.nodes:
            for note in ("stack_trace", "from_node"):
                node.meta.pop(note, None)
            _unstack(node)
            _undecorate(node)
        said = sidecar.Sidecar.of(
            self.inputs, self.outputs, self.module, reads=self.reads, tail=self.tail
        )
        # The archive names its root after the file, which has its own name there already.
        with scratch.replacing(path) as whole:
            torch.export.save(exported, str(whole), extra_files=said.extra_files())


def trace(
    module: nn.Module,
    inputs: tuple[InputSpec, ...],
    dtypes: tuple[torch.dtype, ...] = (),
    *,
    owned: bool = False,
) -> Program:
    """A copy of an author's network in evaluation mode, with a dynamic batch dimension.

    Weights computed from weights are folded, writes in place made functional, and flags that
    follow the network's mode noted. A network that nobody else holds (`owned`) gives its tensors
    away, so that they are in memory once. Raises `ModelError`, with the layer and the reason,
    where the network cannot be traced or its trace computes something else at another batch size.
    """
    example = _example(inputs, dtypes)
    network = plain(module, example, owned=owned)
    returned: list[tuple[str, ...]] = []
    noting = network.register_forward_hook(
        lambda _module, _inputs, output: returned.append(named_outputs.names(output)),
        prepend=True,
    )
    traced = _traced(network, example)
    noting.remove()

    def trace_again(mode: nn.Module) -> fx.Graph:
        again = graph_module(export(mode, example, dynamic=False))
        simplify(again)
        return again.graph

    note_modes(traced.graph, network, example, trace_again)
    refuse_batch_statistics(traced.graph)
    given = tuple(tensor.dtype for tensor in example)
    return Program(module=traced, inputs=inputs, dtypes=given, outputs=returned[-1])


def retrace(
    module: nn.Module,
    inputs: tuple[InputSpec, ...],
    dtypes: tuple[torch.dtype, ...] = (),
) -> Program:
    """The program of a module around another program's, which keeps that one's notes."""
    exported = export(module.eval(), _example(inputs, dtypes), dynamic=True)
    return from_exported(exported, inputs)


def from_exported(
    exported: ExportedProgram,
    inputs: tuple[InputSpec, ...] | None = None,
    sizes: Sequence[InputSpec] = (),
) -> Program:
    """The program of an export that someone else made; its batch dimension is the first.

    Other sizes that it leaves free are those of `sizes`, else the ones it was exported with. An
    export with a fixed batch is traced once more; `ModelError` where its graph insists.
    """
    placeholders = _user_inputs(exported)
    free = [name for name, value in placeholders if _free(value)]
    if inputs is None:
        inputs = tuple(_saved_input(*each, sizes) for each in placeholders)
    dtypes = tuple(value.dtype for _, value in placeholders)
    example = _example(inputs, dtypes)
    fixed = [v.shape[0] for _, v in placeholders if isinstance(v.shape[0], int)]
    if fixed:
        exported = _with_dynamic_batch(exported, example, fixed[0])
    elif free:
        exported = export(graph_module(exported), example, dynamic=True)
    module, _ = _plain_graph(exported, example)
    if not noted(module.graph):
        note_foreign_modes(module.graph)
        module.recompile()
    refuse_batch_statistics(module.graph)
    return Program(
        module=module,
        inputs=inputs,
        dtypes=dtypes,
        outputs=_names_of_outputs(exported),
        remarks=(_sizes_fixed(free, inputs),) if free else (),
    )


def _free(value: torch.Tensor) -> bool:
    """Return whether a size of an export's input besides the batch is free."""
    return any(not isinstance(size, int) for size in value.shape[1:])


def _saved_input(
    name: str, value: torch.Tensor, sizes: Sequence[InputSpec]
) -> InputSpec:
    asked = [spec.shape for spec in sizes if spec.name == name or len(sizes) == 1]
    own = value.shape[1:]
    shape = asked[0] if asked and len(asked[0]) == len(own) else own
    pairs = zip(own, shape, strict=True)
    fixed = (int(size if isinstance(size, int) else other) for size, other in pairs)
    return InputSpec(name=name, shape=tuple(fixed))


def _sizes_fixed(free: Sequence[str], inputs: Sequence[InputSpec]) -> str:
    shapes = ", ".join(f"'{s.name}' {list(s.shape)}" for s in inputs if s.name in free)
    return (
        "Sizes besides the batch are fixed, and the file leaves some free: "
        f"{shapes or 'its inputs'}. [model] input sets others."
    )


def _names_of_outputs(exported: ExportedProgram) -> tuple[str, ...]:
    """The names in what an export returns."""
    spec = exported.call_spec.out_spec
    if spec is None:
        return ()
    [end] = exported.graph.find_nodes(op="output")
    leaves = [
        torch.empty(0) if isinstance(leaf, fx.Node) else None
        for leaf in end.args[0][-spec.num_leaves :]
    ]
    return named_outputs.names(torch.utils._pytree.tree_unflatten(leaves, spec))


def _example(
    inputs: Sequence[InputSpec], dtypes: Sequence[torch.dtype]
) -> tuple[torch.Tensor, ...]:
    dtypes = dtypes or (torch.float32,) * len(inputs)
    return examples([spec.shape for spec in inputs], dtypes)


def _traced(network: nn.Module, example: tuple[torch.Tensor, ...]) -> fx.GraphModule:
    """The graph of a network for any batch size; `ModelError` where there is no such graph."""
    try:
        return _compared(network, network, example)
    except ModelError as error:
        try:
            return _compared(network, generalized(network, example), example)
        except ModelError:
            raise error from error.__cause__


def _compared(
    network: nn.Module, source: nn.Module, example: tuple[torch.Tensor, ...]
) -> fx.GraphModule:
    """The graph of `source`, held against the network at other batch sizes."""
    module, casts = _plain_graph(export(source, example, dynamic=True), example)
    compare(network, module, example, values=not casts)
    return module


def _plain_graph(
    exported: ExportedProgram, example: tuple[torch.Tensor, ...]
) -> tuple[fx.GraphModule, bool]:
    """The export's graph in functional operators, its computed weights folded; and whether it
    ran under autocast, whose regions are in float32 here."""
    module = graph_module(exported)
    casts = simplify(module)
    if casts:  # the traced types are autocast's
        module = graph_module(export(module, example, dynamic=True))
    functionalize(module)
    fold_computed(module)
    return module, casts


def _with_dynamic_batch(
    exported: ExportedProgram, example: tuple[torch.Tensor, ...], fixed: int
) -> ExportedProgram:
    try:
        return export(graph_module(exported), example, dynamic=True)
    except ModelError as error:
        raise ModelError(
            f"The network was exported with a fixed batch of {fixed}, and its graph holds it. "
            'Export it again with dynamic_shapes=({0: torch.export.Dim("batch")},).'
        ) from error


def load(
    path: Path,
    inputs: tuple[InputSpec, ...] | None = None,
    *,
    sizes: Sequence[InputSpec] = (),
    allow_pickle: bool = False,
) -> Program:
    """Read a `.pt2` written by `Program.save` or by `torch.export.save`.

    Its inputs have the names that `inputs` give, else those that were saved. `sizes` take the
    place of those besides the batch that the file leaves free. Raises `ModelError`
    where the file is damaged, or holds what could run code and not `allow_pickle`.
    """
    exported = pt2.load(path, allow_pickle=allow_pickle)
    with reading(path, ModelError, kind="a torch.export program", fix=pt2.FIX):
        program = from_exported(exported, inputs, sizes)
        note = sidecar.read(path)
        if note is None:
            return program
        noted = sidecar.applied(note, program.module, program.inputs)
        outputs = note.outputs or program.outputs
        program = replace(program, outputs=outputs, reads=note.reads, tail=note.tail)
        return program if inputs else replace(program, inputs=noted)


def duplicate(
    module: fx.GraphModule, memo: dict[int, Any] | None = None
) -> fx.GraphModule:
    """A deep copy; objects that `memo` holds by id take the place of the original."""
    with warnings.catch_warnings():
        # torch's own, about its own code
        warnings.simplefilter("ignore", FutureWarning)
        return copy.deepcopy(module, memo)


def _unstack(node: fx.Node) -> None:
    """Leave one level of what the tracer put before a node's module for each trace so far, and
    none of the folder that the author's file lies in."""
    stack = node.meta.get("nn_module_stack")
    if stack:
        node.meta["nn_module_stack"] = {
            _TRACES.sub("L__self__", key): (place, _kind(kind))
            for key, (place, kind) in stack.items()
        }


def _undecorate(node: fx.Node) -> None:
    """Leave none of the tracer's notes on what ran in this process before."""
    custom = node.meta.get("custom")
    if custom:
        node.meta["custom"] = {
            key: value
            for key, value in custom.items()
            if not key.startswith("_torchdynamo")
        }


def _kind(kind: str | type) -> str:
    """A module's class by name, as PyTorch writes it."""
    name = kind if isinstance(kind, str) else f"{kind.__module__}.{kind.__qualname__}"
    return _USER_NAMES.sub("authored.", name)


def _user_inputs(exported: ExportedProgram) -> list[tuple[str, torch.Tensor]]:
    """Name and value of each input; `ModelError` unless they are tensors, given by position."""
    names = set(exported.graph_signature.user_inputs)
    found = [
        (node.name, node.meta["val"])
        for node in exported.graph.nodes
        if node.op == "placeholder" and node.name in names
    ]
    positional, keywords = exported.call_spec.in_spec.children()
    plain = positional.num_leaves == positional.num_children and not keywords.num_leaves
    tensors = all(isinstance(value, torch.Tensor) and value.ndim for _, value in found)
    if not (found and plain and tensors):
        raise ModelError(
            "The exported network takes other inputs than tensors with a batch dimension. "
            "Export it with example inputs in a plain tuple: (images, rows)."
        )
    return found
