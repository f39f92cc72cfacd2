"""A network in memory: what EdgeKit's steps take and return, and any training loop trains."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, fx, nn

from edgekit import sources
from edgekit.errors import ModelError, OutputError
from edgekit.program.keywords import in_order
from edgekit.program.modes import refuse_random, set_training
from edgekit.program.plain import refuse_compiled, unwrapped
from edgekit.program.program import Program, duplicate, trace
from edgekit.progress import Logged
from edgekit.types import Epoch, InputSpec, ModelSpec

_DTYPES = {torch.int64: "int64", torch.int32: "int32"}


class TrainableModule(nn.Module):
    """A program's graph as a module: parameters, buffers and their names are the graph's own.

    Takes and returns what the author's network does, for any batch size. `train()` and `eval()`
    switch dropout and batch norm where the author's code does.
    """

    def __init__(self, graph: fx.GraphModule, names: Sequence[str] = ()) -> None:
        super().__init__()
        self.__dict__["_names"] = tuple(names)
        # The graph's own tables: a tensor that is moved or loaded here is so in the graph.
        self._parameters = graph._parameters
        self._buffers = graph._buffers
        self._modules = graph._modules
        self.__dict__["_graph_module"] = graph
        self.training = False

    def forward(self, *inputs: Tensor, **named: Tensor) -> Any:
        """The network's outputs of inputs (batch, *input shape), in their order or by name.

        Raises `TypeError` for names that are not all of the inputs.
        """
        if named:
            inputs = (*inputs, *self._by_name(len(inputs), named))
        return self.__dict__["_graph_module"](*inputs)

    def _by_name(self, given: int, named: Mapping[str, Tensor]) -> Iterator[Tensor]:
        left = self.__dict__["_names"][given:]
        if {*left} != {*named}:
            raise TypeError(
                f"The network takes the inputs {', '.join(left)} by name, not "
                f"{', '.join(named)}."
            )
        return (named[name] for name in left)

    def train(self, mode: bool = True) -> TrainableModule:
        """Switch to training, or to evaluation where `mode` is false."""
        if mode != self.training:
            set_training(self.__dict__["_graph_module"], mode)
            self.training = mode
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> TrainableModule:
        graph = duplicate(self.__dict__["_graph_module"], memo)
        other = TrainableModule(graph, self.__dict__["_names"])
        other.training = self.training
        memo[id(self)] = other
        return other


class Network:
    """A trained network as one exported graph, free of its author's classes.

    `module` trains in any loop: its parameters are the network's own, so that what it learns is
    what the next step takes. `history` holds the epochs of the distillation that it comes from,
    `kept_epoch` the number of the one whose weights it has.
    """

    def __init__(
        self, program: Program, *, history: Sequence[Epoch] = (), kept_epoch: int = 0
    ) -> None:
        for parameter in program.module.parameters():
            parameter.requires_grad_(True)
        self._program = program
        names = [spec.name for spec in program.inputs]
        self.module = TrainableModule(program.module, names)
        self.history, self.kept_epoch = tuple(history), kept_epoch

    def __repr__(self) -> str:
        shapes = ", ".join(str(list(spec.shape)) for spec in self.inputs)
        return f"Network(inputs={shapes}, parameters={self.parameters})"

    @property
    def program(self) -> Program:
        """The network in evaluation mode on the CPU; a copy where `module` is not."""
        tensors = (*self.module.parameters(), *self.module.buffers())
        if not self.module.training and all(t.device.type == "cpu" for t in tensors):
            return self._program
        copied = self._program.copy()
        set_training(copied.module, False)
        copied.module.cpu()
        return copied

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        """Name and shape of each input, without the batch dimension."""
        return self._program.inputs

    @property
    def parameters(self) -> int:
        """Number of weights of the network."""
        return sum(p.numel() for p in self.module.parameters())

    def copy(self) -> Network:
        """The same network with parameters of its own."""
        return Network(
            self.program.copy(), history=self.history, kept_epoch=self.kept_epoch
        )

    def save(self, path: str | Path) -> None:
        """Write a `.pt2`, which `load` and `torch.export.load` read without the author's classes.

        Raises `OutputError` where the file cannot be written.
        """
        try:
            self.program.save(Path(path))
        except OSError as error:
            raise OutputError(
                f"Cannot write {path} ({error.strerror}). Name another file."
            ) from error


def load(  # noqa: PLR0913 (a source, and all that a project's [model] holds)
    model: nn.Module | str | Path,
    *,
    example_input: Tensor | None = None,
    example_inputs: Sequence[Tensor] | Mapping[str, Tensor] = (),
    weights: str | Path | None = None,
    outputs: Sequence[str] = (),
    fixed: Mapping[str, bool | float | Sequence[float]] | None = None,
    custom_objects: str | Path | None = None,
    allow_pickle: bool = False,
) -> Network:
    """The network of a module, or of any source: `model.py:build`, a `.pt2`, an `.onnx`.

    `example_input` is (batch, *input shape), any batch size, of the dtype that the network
    takes; `example_inputs` is one of each for several inputs, or a mapping by the names of
    forward's arguments, in any order. A file needs none where it has them. The module is left as
    it is, in its mode, on its device: the network is a copy in float32 on the CPU, with every
    parameter trainable. `weights` is a file for `model.py:build`
    (`.safetensors`, or `.pt` with `allow_pickle`). `outputs` are tensors of an ONNX file that
    the network ends at, `fixed` its inputs that get a value, `custom_objects` a Python file with
    the author's own layers of a Keras model. Raises `ModelError` for what cannot
    be found, read or exported.
    """
    named = dict(example_inputs) if isinstance(example_inputs, Mapping) else {}
    examples: tuple[Any, ...] = tuple(named.values() or example_inputs)
    if example_input is not None:
        examples = (example_input,)
    if isinstance(model, nn.Module):
        if outputs or fixed:
            raise ModelError(
                "outputs and fixed name tensors of an ONNX file, and a module has no such names. "
                "Remove them."
            )
        return Network(_traced(model, examples, tuple(named)))
    inputs = tuple(_specs(examples, tuple(named)))
    spec = ModelSpec(
        source=str(model),
        weights=None if weights is None else str(weights),
        outputs=tuple(outputs),
        fixed={name: _plain(value) for name, value in (fixed or {}).items()},
        custom_objects=None if custom_objects is None else str(custom_objects),
    )
    program = sources.load(
        spec, root=Path.cwd(), allow_pickle=allow_pickle, inputs=inputs
    )
    for remark in program.remarks:
        Logged().say(remark)
    return Network(program)


def _plain(value: bool | float | Sequence[float]) -> bool | float | tuple[float, ...]:
    return tuple(value) if isinstance(value, Sequence) else value


def _traced(
    module: nn.Module, examples: tuple[Tensor, ...], names: tuple[str, ...]
) -> Program:
    if not examples:
        raise ModelError(
            "The network's input is not known. Give load() an example_input with a batch "
            "dimension: torch.zeros(1, 3, 224, 224)."
        )
    refuse_compiled(module)
    network = unwrapped(module)
    kinds = {t.dtype for t in (*network.parameters(), *network.buffers())}
    if any(kind.is_floating_point and kind != torch.float32 for kind in kinds):
        network = copy.deepcopy(network).float()
    specs = tuple(_specs(examples, names))
    dtypes = tuple(
        torch.float32 if example.dtype.is_floating_point else example.dtype
        for example in examples
    )
    program = trace(in_order(network, names), specs, dtypes)
    refuse_random(program.module.graph)
    return program


def _specs(
    examples: Sequence[Tensor], names: Sequence[str] = ()
) -> Iterator[InputSpec]:
    if not names:
        several = len(examples) > 1
        names = [f"input_{n}" if several else "input" for n in range(len(examples))]
    for number, example in enumerate(examples):
        if not isinstance(example, Tensor) or example.ndim < 2:
            what = (
                f"of shape {list(example.shape)}"
                if isinstance(example, Tensor)
                else f"a {type(example).__name__}"
            )
            raise ModelError(
                f"The example input {number + 1} is {what}. Give a tensor with a batch "
                "dimension: torch.zeros(1, 3, 224, 224)."
            )
        yield InputSpec(
            shape=tuple(example.shape[1:]),
            name=names[number],
            dtype=_DTYPES.get(example.dtype),  # type: ignore[arg-type]
        )
