"""The one representation of a network: an ATen graph that trains, prunes, exports and reloads.

A `Program` holds the module of a `torch.export` program in training IR (operators such as
`aten.batch_norm` and `aten.dropout` keep their training flag), traced in evaluation mode with a
dynamic batch dimension. Training mode is a matter of those flags: see `set_training`.
"""

from __future__ import annotations

import copy
import hashlib
import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn
from torch.export import Dim, ExportedProgram

from edgekit.errors import ModelError
from edgekit.safe_io import reading
from edgekit.source import pt2
from edgekit.source.simplify import simplify
from edgekit.types import InputSpec


@dataclass(frozen=True, kw_only=True)
class Program:
    """A network as a graph of ATen operators, in evaluation mode, free of its author's classes.

    `inputs` gives each input's shape without the batch dimension, and its dtype. `module` takes
    inputs of any batch size and returns what the network returned.
    """

    module: fx.GraphModule
    inputs: tuple[InputSpec, ...]
    dtypes: tuple[torch.dtype, ...]

    def example(self, batch: int = 1, seed: int = 0) -> tuple[torch.Tensor, ...]:
        """Seeded inputs of the right shapes, each (batch, *shape): for tracing, never for truth."""
        generator = torch.Generator().manual_seed(seed)
        return tuple(
            torch.randn(batch, *spec.shape, generator=generator)
            if dtype.is_floating_point
            else torch.zeros(batch, *spec.shape, dtype=dtype)
            for spec, dtype in zip(self.inputs, self.dtypes, strict=True)
        )

    def exported(self, *, static_batch: int | None = None) -> ExportedProgram:
        """The `torch.export` program: dynamic batch, or fixed at `static_batch`."""
        return _export(
            self.module, self.example(static_batch or 2), static_batch is None
        )

    def copy(self) -> Program:
        """A program with parameters of its own."""
        module = duplicate(self.module)
        return Program(module=module, inputs=self.inputs, dtypes=self.dtypes)

    def fingerprint(self) -> str:
        """SHA-256 over the operators in order and every parameter and buffer."""
        operators = [
            str(n.target) for n in self.module.graph.nodes if n.op == "call_function"
        ]
        digest = hashlib.sha256("\n".join(operators).encode())
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
        with tempfile.TemporaryDirectory(dir=path.parent, prefix=".") as folder:
            # The archive names its root after the file, so the file has its own name already.
            whole = Path(folder) / path.name
            torch.export.save(exported, str(whole))
            whole.replace(path)


def trace(
    module: nn.Module,
    inputs: tuple[InputSpec, ...],
    dtypes: tuple[torch.dtype, ...] = (),
) -> Program:
    """Export `module` in evaluation mode with a dynamic batch dimension.

    Raises `ModelError` with the exporter's own reason where the network cannot be exported.
    """
    dtypes = dtypes or (torch.float32,) * len(inputs)
    module = module.eval()
    example = tuple(
        torch.randn(2, *spec.shape).to(dtype)
        if dtype.is_floating_point
        else torch.zeros(2, *spec.shape, dtype=dtype)
        for spec, dtype in zip(inputs, dtypes, strict=True)
    )
    return from_exported(_export(module, example, dynamic=True), inputs)


def from_exported(
    exported: ExportedProgram, inputs: tuple[InputSpec, ...] | None = None
) -> Program:
    """The program of an export that someone else made; its batch dimension is the first.

    An export with a fixed batch is traced once more; `ModelError` where its graph insists.
    """
    placeholders = _user_inputs(exported)
    if inputs is None:
        inputs = tuple(
            InputSpec(name=name, shape=tuple(int(s) for s in value.shape[1:]))
            for name, value in placeholders
        )
    dtypes = tuple(value.dtype for _, value in placeholders)
    module = exported.module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    if any(isinstance(value.shape[0], int) for _, value in placeholders):
        module = _with_dynamic_batch(module, placeholders)
    simplify(module)
    set_training(module, False)
    return Program(module=module, inputs=inputs, dtypes=dtypes)


def _with_dynamic_batch(
    module: fx.GraphModule, placeholders: Sequence[tuple[str, torch.Tensor]]
) -> fx.GraphModule:
    # The checks of the fixed shape, which the new trace replaces.
    module._forward_pre_hooks.clear()
    example = tuple(
        torch.zeros(2, *(int(size) for size in value.shape[1:]), dtype=value.dtype)
        for _, value in placeholders
    )
    try:
        again = _export(module, example, dynamic=True).module(check_guards=False)
    except ModelError as error:
        fixed = int(placeholders[0][1].shape[0])
        raise ModelError(
            f"The network was exported with a fixed batch of {fixed}, and its graph holds it. "
            'Export it again with dynamic_shapes=({0: torch.export.Dim("batch")},).'
        ) from error
    assert isinstance(again, fx.GraphModule)
    return again


def load(
    path: Path,
    inputs: tuple[InputSpec, ...] | None = None,
    *,
    allow_pickle: bool = False,
) -> Program:
    """Read a `.pt2` written by `Program.save` or by `torch.export.save`.

    Raises `ModelError` where the file is damaged, or holds what could run code and not
    `allow_pickle`.
    """
    exported = pt2.load(path, allow_pickle=allow_pickle)
    with reading(path, ModelError, kind="a torch.export program", fix=pt2.FIX):
        return from_exported(exported, inputs)


def duplicate(
    module: fx.GraphModule, memo: dict[int, Any] | None = None
) -> fx.GraphModule:
    """A deep copy; what `memo` holds by id takes the place of the original."""
    with warnings.catch_warnings():
        # torch's own, about its own code
        warnings.simplefilter("ignore", FutureWarning)
        return copy.deepcopy(module, memo)


def set_training(
    module: fx.GraphModule, training: bool, *, only: str | None = None
) -> None:
    """Switch batch norm, dropout and recurrent cells of an exported module, in place.

    `only` names a single operator to switch, such as `aten::batch_norm`.
    """
    for node in module.graph.nodes:
        position = _training_flag(node.target)
        if position is not None and only in (None, node.target._schema.name):
            args = list(node.args)
            args[position] = training
            node.args = tuple(args)
    module.recompile()


def _training_flag(target: object) -> int | None:
    """Where an operator takes its training flag; its schema calls it `train` or `training`."""
    if not isinstance(target, torch._ops.OpOverload):
        return None
    names = [argument.name for argument in target._schema.arguments]
    return next(
        (i for i, name in enumerate(names) if name in ("train", "training")), None
    )


def _export(
    module: nn.Module, example: tuple[torch.Tensor, ...], dynamic: bool
) -> ExportedProgram:
    shapes = tuple({0: Dim("batch")} for _ in example) if dynamic else None
    try:
        # Without gradients, or each no_grad block of forward() becomes a graph inside the graph.
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            return torch.export.export(module, example, dynamic_shapes=shapes)
    except Exception as error:
        given = ", ".join(str(list(tensor.shape[1:])) for tensor in example)
        raise ModelError(
            f"torch.export cannot trace the network with input shape {given}: "
            f"{_first_line(error)}. Check [model] input in "
            "edgekit.toml and data-dependent control flow in forward()."
        ) from error


def _user_inputs(exported: ExportedProgram) -> list[tuple[str, torch.Tensor]]:
    names = set(exported.graph_signature.user_inputs)
    return [
        (node.name, node.meta["val"])
        for node in exported.graph.nodes
        if node.op == "placeholder" and node.name in names
    ]


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__).rstrip(".")
