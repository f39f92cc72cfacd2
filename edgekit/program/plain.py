"""An author's network made plain: a copy on the CPU, without wrappers, its weights folded.

Weight norm, spectral norm, orthogonal and other parametrizations compute a layer's weights from
other weights. A unit cut from those does not leave the rest as it was, so that the weights
themselves take their place here, before anything is traced.
"""

from __future__ import annotations

import copy
import dataclasses
import re
import types
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize
from torch.nn.utils.prune import BasePruningMethod
from torch.nn.utils.spectral_norm import SpectralNorm
from torch.nn.utils.weight_norm import WeightNorm

from edgekit.errors import ModelError

_WRAPPERS = ("_orig_mod", "module")
"""Where torch.compile, and DataParallel and its kin, keep the network they wrap."""
_HOOKS = (WeightNorm, SpectralNorm, BasePruningMethod)
_GUARDS = "_guards_fn"
"""Part of an export's module that holds its inputs to those that it was exported for."""
_QUANTIZED = re.compile(r"torch\.ao\.nn\.(\w+\.)*quantized\b")
_MOMENTUM = 0.1
"""Momentum for the training of a batch norm without one of its own (a cumulative mean)."""


def plain(
    network: nn.Module, example: tuple[Tensor, ...], *, owned: bool = False
) -> nn.Module:
    """A copy of `network` in evaluation mode that computes the same from plain parameters.

    The network itself is left as it is, and shares its tensors where it is `owned`; `example`
    gives lazy layers their widths. Raises `ModelError` for what `refuse_compiled` names and for
    parameters without values.
    """
    refuse_compiled(network)  # a copy of an export's module does not show what it was
    module = unwrapped(_copied(network, _tensors(network) if owned else {}))
    for child in list(module.modules()):
        for name, inner in list(child.named_children()):
            child._modules[name] = unwrapped(inner)
    module = module.eval()
    refuse_meta(module)
    _materialize(module, example)
    fold_parametrizations(module)
    for child in module.modules():
        child._compiled_call_impl = None
        if isinstance(child, nn.modules.batchnorm._NormBase) and child.momentum is None:
            child.momentum = _MOMENTUM
    module.register_forward_hook(lambda _module, _inputs, output: plain_output(output))
    return module


def unwrapped(module: nn.Module) -> nn.Module:
    """The network inside torch.compile, DataParallel or AveragedModel."""
    kinds = (
        torch._dynamo.OptimizedModule,
        nn.DataParallel,
        nn.parallel.DistributedDataParallel,
        torch.optim.swa_utils.AveragedModel,
    )
    while isinstance(module, kinds):
        children = dict(module.named_children())
        module = next(children[name] for name in _WRAPPERS if name in children)
    return module


def fold_parametrizations(module: nn.Module) -> None:
    """Put the value of every parametrized weight in its place, in place.

    Covers `torch.nn.utils.parametrize` and the older hooks: `weight_norm`, `spectral_norm` and
    the masks of `torch.nn.utils.prune`.
    """
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        for child in list(module.modules()):
            if parametrize.is_parametrized(child):
                _fold(child)
            _fold_hooks(child)


def plain_output(output: Any) -> Any:
    """Dataclasses and other mappings as dictionaries, named tuples as tuples, and numbers, text
    and `None` left out: a file returns tensors."""
    if dataclasses.is_dataclass(output) and not isinstance(output, type):
        fields = (field.name for field in dataclasses.fields(output))
        output = {name: getattr(output, name) for name in fields}
    if isinstance(output, Mapping):
        return {
            n: plain_output(value) for n, value in output.items() if _reported(value)
        }
    if isinstance(output, list | tuple):
        kind = list if isinstance(output, list) else tuple
        return kind(plain_output(value) for value in output if _reported(value))
    if not torch.utils._pytree.tree_leaves(output) or not _reported(output):
        raise ModelError(
            f"forward() returns {type(output).__name__}: a network returns tensors."
        )
    return output


def _reported(value: Any) -> bool:
    unreported = int | float | str | torch.SymInt | torch.SymFloat | None
    return not isinstance(value, unreported)


def _tensors(network: nn.Module) -> dict[int, Any]:
    """Parameters and buffers that hold values, as a copy would find that it has them already."""
    held = (*network.parameters(), *network.buffers())
    return {id(tensor): tensor for tensor in held if not is_lazy(tensor)}


def _copied(network: nn.Module, shared: Mapping[int, Any]) -> nn.Module:
    memo = {**_detached(network), **shared}
    with warnings.catch_warnings():
        # torch's own, about its own code
        warnings.simplefilter("ignore", FutureWarning)
        try:
            copied = copy.deepcopy(network, memo)
        except Exception:  # noqa: BLE001 (an attribute's own __deepcopy__ raises anything)
            memo = {**_detached(network), **shared, **_uncopyable(network)}
            copied = copy.deepcopy(network, memo)
    for module in copied.modules():
        places: list[Any] = [module._forward_hooks, module._forward_pre_hooks]
        for hooks in (*places, vars(module)):
            for key, value in list(hooks.items()):
                if isinstance(value, types.FunctionType) and value.__closure__:
                    hooks[key] = _rebound(value, memo)
    return copied


def _rebound(function: types.FunctionType, memo: Mapping[int, Any]) -> Any:
    """A function whose closure holds the copies of the modules that it held."""
    cells = [
        types.CellType(memo.get(id(cell.cell_contents), cell.cell_contents))
        if _holds(cell)
        else cell
        for cell in function.__closure__ or ()
    ]
    bound = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(cells),
    )
    bound.__kwdefaults__ = function.__kwdefaults__
    return bound


def _holds(cell: types.CellType) -> bool:
    """Return whether a closure's cell holds a module; one may still be empty."""
    try:
        return isinstance(cell.cell_contents, nn.Module)
    except ValueError:
        return False


def _detached(network: nn.Module) -> dict[int, Any]:
    """Attributes that hold computed tensors, which alone of all tensors cannot be copied."""
    return {
        id(value): value.detach().clone()
        for _, value in _attributes(network)
        if isinstance(value, Tensor) and not value.is_leaf
    }


def _uncopyable(network: nn.Module) -> dict[int, Any]:
    """Locks, generators, sessions and the like, which the copy shares with the network."""
    shared: dict[int, Any] = {}
    for _, value in _attributes(network):
        if not isinstance(value, Tensor | nn.Module):
            try:
                copy.deepcopy(value, _detached(network))
            except Exception:  # noqa: BLE001 (as above)
                shared[id(value)] = value
    return shared


def _attributes(network: nn.Module) -> Iterator[tuple[str, Any]]:
    kept = ("_modules", "_parameters", "_buffers")
    for module in network.modules():
        for name, value in vars(module).items():
            if name not in kept:
                yield name, value


def refuse_compiled(module: nn.Module) -> None:
    """Raise `ModelError`, with the layer, for what PyTorch has compiled already: TorchScript, a
    module of an export, and quantized layers."""
    for name, child in module.named_modules():
        where = f"The layer {name}" if name else "The network"
        if isinstance(child, torch.jit.ScriptModule):
            raise ModelError(
                f"{where} is TorchScript, which keeps no Python code to trace. "
                "Return the nn.Module that was scripted, and load its state dict."
            )
        if hasattr(child, _GUARDS):
            raise ModelError(
                f"{where} is the module of a torch.export program. Save the program itself, "
                'torch.export.save(program, "net.pt2"), and load that file.'
            )
        if _QUANTIZED.match(type(child).__module__):
            raise ModelError(
                f"{where} is quantized by PyTorch ({type(child).__name__}), which has no float "
                "weights to train. Return the float network: int8 is made at export."
            )


def _materialize(module: nn.Module, example: tuple[Tensor, ...]) -> None:
    """Run lazy layers once, which fixes their widths."""
    tensors = (*module.parameters(), *module.buffers())
    if any(map(is_lazy, tensors)):
        with torch.no_grad():
            module(*example)


def refuse_meta(module: nn.Module) -> None:
    """Raise `ModelError` for a tensor without values, by name."""
    named = (*module.named_parameters(), *module.named_buffers())
    for name, tensor in named:
        if tensor.is_meta:
            raise ModelError(
                f"{name} is on the meta device and has no values. Name the network's weights "
                "in [model] weights, or build it on the CPU."
            )


def _fold(module: nn.Module) -> None:
    """Make a parametrized module one of its own class again.

    Its class is shared with the module it was copied from, and so is left as it is.
    """
    parametrizations = module.parametrizations
    assert isinstance(parametrizations, nn.ModuleDict)
    values = {name: getattr(module, name) for name in parametrizations}
    trained = {
        name: any(True for _ in parametrizations[name].parameters())
        for name in parametrizations
    }
    module.__class__ = parametrize.type_before_parametrizations(module)
    del module._modules["parametrizations"]
    for name, value in values.items():
        _put(module, name, value, trained[name])


def _put(module: nn.Module, name: str, value: Tensor, trained: bool) -> None:
    value = value.detach().clone()
    if trained:
        module.register_parameter(name, nn.Parameter(value))
    else:
        module.register_buffer(name, value)


def _fold_hooks(module: nn.Module) -> None:
    """Let each older hook put the weight that it computes in its place, and go."""
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, _HOOKS):
            hook.remove(module)
            del module._forward_pre_hooks[key]
