"""`torch.export` with a batch of any size, and one-line errors for untraceable networks."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from keyword import iskeyword
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.export import Dim, ExportedProgram, ShapesCollection

from edgekit.errors import ModelError

_LONGEST = 240
_TAKEN = frozenset({*dir(fx.GraphModule), "meta", "_graph", "_code"})
"""Names at a traced module's top that are its own."""
_HINTS = (
    (
        ("data-dependent", "DataDependent", "Could not guard", "_local_scalar_dense"),
        "forward() has control flow that depends on data (if, .item(), loops over counts): "
        "compute both ways and choose with torch.where",
    ),
    (
        ("ScriptModule",),
        "Return the nn.Module that was scripted, and load its state dict",
    ),
    (
        ("pack_padded", "_pack_padded_sequence", "FakeTensor"),
        "forward() turns tensors into Python or NumPy numbers (int(), .numpy(), packed "
        "sequences): stay with tensors, and run recurrent layers on padded sequences",
    ),
    (
        ("register a pytree", "not a known type", "Unsupported output"),
        "Return tensors in a tuple, list, dictionary or dataclass",
    ),
    (
        ("Specializ", "specializ", "Constraints violated", "constraints violated"),
        "forward() holds one batch size: take it from x.shape[0], without int()",
    ),
)
_ELSE = "Check [model] input and that forward() uses tensors of its inputs alone"


def export(
    module: nn.Module, example: tuple[Tensor, ...], *, dynamic: bool
) -> ExportedProgram:
    """The program of `module` for inputs of the example's shapes; `dynamic` for any batch.

    Raises `ModelError` with the layer and the reason where the network cannot be exported.
    """
    if not dynamic:
        return _export(module, example, None)
    try:
        return _export(module, example, Dim("batch"))
    except ModelError as error:
        for kind in (Dim.DYNAMIC, Dim.AUTO):
            try:
                return _export(module, example, kind)
            except ModelError:
                continue
        raise error


def _export(
    module: nn.Module, example: tuple[Tensor, ...], batch: Any
) -> ExportedProgram:
    shapes: Any = None
    if batch is not None:
        shapes = ShapesCollection()  # type: ignore[no-untyped-call]
        for tensor in example:
            shapes[tensor] = {0: batch}
    try:
        with quiet(), torch.no_grad():
            return torch.export.export(
                module,
                example,
                dynamic_shapes=shapes,
                prefer_deferred_runtime_asserts_over_guards=batch is Dim.AUTO,
            )
    except (
        Exception
    ) as error:  # tracing runs the author's code, which may raise anything
        raise untraceable(module, example, error) from error


def graph_module(exported: ExportedProgram) -> fx.GraphModule:
    """The export as a module that takes other shapes than the traced ones.

    Layers by a keyword's name, or by one that the module has for itself, end in `_`: `in_`.
    """
    _rename(exported)
    module = exported.module(check_guards=False)
    assert isinstance(module, fx.GraphModule)
    module._forward_pre_hooks.clear()
    return module


def _rename(exported: ExportedProgram) -> None:
    signature = exported.graph_signature
    tables = (exported.state_dict, exported.constants)
    specs = (*signature.input_specs, *signature.output_specs)
    named = {*tables[0], *tables[1]}
    changed = {name: new for name in named if (new := _plain_name(name)) != name}
    if {*changed.values()} & named:
        return
    for spec in specs:
        spec.target = changed.get(spec.target or "", spec.target)
    for table in tables:
        for name in [name for name in table if name in changed]:
            table[changed[name]] = table.pop(name)


def _plain_name(name: str) -> str:
    first, *parts = name.split(".")
    words = [f"{first}_" if first in _TAKEN else first, *parts]
    return ".".join(f"{word}_" if iskeyword(word) else word for word in words)


@contextmanager
def quiet() -> Iterator[None]:
    """Without the tracer's warnings, and with functions under torch.compile as they are written."""
    with warnings.catch_warnings(), torch.compiler.set_stance("force_eager"):
        warnings.simplefilter("ignore")
        yield


def untraceable(
    module: nn.Module, example: tuple[Tensor, ...], error: BaseException
) -> ModelError:
    """One line about what cannot be traced: the layer, the reason, a hint that fits."""
    given = ", ".join(str(list(tensor.shape[1:])) for tensor in example)
    whole = f"{type(error).__name__} {error}"
    hint = next(
        (hint for signs, hint in _HINTS if any(sign in whole for sign in signs)), _ELSE
    )
    return ModelError(
        f"torch.export cannot trace {_layer(module, error)} with input shape {given}: "
        f"{reason(error)}. {hint}."
    )


def reason(error: BaseException) -> str:
    """The first line of what was raised, of reasonable length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = (lines[0] if lines else type(error).__name__).rstrip(".")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _layer(module: nn.Module, error: BaseException) -> str:
    """The innermost module that was running when an error was raised."""
    names = {id(child): name for name, child in module.named_modules()}
    found: nn.Module | None = None
    trace = error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if isinstance(owner, nn.Module) and names.get(id(owner)):
            found = owner
        trace = trace.tb_next
    if found is None:
        return "the network"
    return f"layer '{names[id(found)]}' ({type(found).__name__})"
