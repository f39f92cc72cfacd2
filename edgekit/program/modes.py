"""Training mode: which operators' flags follow the mode of the network, and switching them.

A flag can be a matter of mode, as in `nn.Dropout`, or of meaning: dropout that also runs at
inference, batch norm that is frozen while all else trains. The author's code decides, so that a
trace in evaluation mode is compared with one in training mode. The original values are noted
with the operator, in `meta["custom"]`, which copies, exports and files keep.
"""

from __future__ import annotations

import copy
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import fx, nn

from edgekit.errors import ModelError

_NAMES = ("train", "training", "use_input_stats")
"""Names of the flag in the schemas of ATen's operators."""
_NOTE = "edgekit_training"
"""Key of the note: the flag's position, its value in evaluation and in training."""

_LAYERS: dict[type[nn.Module], str] = {
    **dict.fromkeys((nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d), "batch_norm"),
    nn.Dropout: "dropout",
    **dict.fromkeys((nn.Dropout1d, nn.Dropout2d, nn.Dropout3d), "feature_dropout"),
}
"""Layers of torch.nn that run one flagged operator a call, whose flag is their own mode."""

ModeKey = tuple[str, str]
"""A module of the author's, and an operator that it runs."""
Export = Callable[[nn.Module], fx.Graph]


def set_training(
    module: fx.GraphModule, training: bool, *, only: str | None = None
) -> None:
    """Switch the operators whose flags follow the network's mode, in place.

    `only` names a single operator to switch, such as `aten::batch_norm`.
    """
    for node in module.graph.nodes:
        note = _note_of(node)
        if note is not None and only in (None, _operator(node)):
            _set(node, note[0], note[2] if training else note[1])
    module.recompile()


def follows(node: fx.Node) -> bool:
    """Return whether the operator's flag follows the network's mode."""
    note = _note_of(node)
    return note is not None and note[1] != note[2]


def note_modes(
    graph: fx.Graph,
    network: nn.Module,
    example: tuple[torch.Tensor, ...],
    export: Export,
) -> None:
    """Note at each operator of `graph` whether its flag follows the mode of `network`.

    `graph` is its trace in evaluation mode; `export` traces it in another, which takes as long
    as the trace did: where only layers that are known have flags, the network runs once in
    training mode, and their modes are read. Operators that training runs at another place of the
    author's code, or cannot run at all, are compared with the layers of torch.nn alone in
    training mode.
    """
    flagged = _flagged(graph)
    if not flagged or _note_by_layers(flagged, network, example):
        return
    for prepare in (_trained, _trained_layers):
        if flagged:
            other = _flags(network, prepare, export)
            for place in flagged.keys() & other.keys():
                if len(flagged[place]) == len(other[place]):
                    for node, given in zip(
                        flagged.pop(place), other[place], strict=True
                    ):
                        _note(node, _value(given))
    for nodes in flagged.values():
        for node in nodes:
            _note(node, _value(node))


def note_foreign_modes(graph: fx.Graph) -> None:
    """Note the flags of a graph that comes without its author's code.

    One that has every flag set was exported in training mode, and is switched to evaluation;
    elsewhere, a flag that is set in evaluation is meant.
    """
    for node in graph.nodes:
        node.meta.pop("custom", None)
    flagged = [node for nodes in _flagged(graph).values() for node in nodes]
    nodes = [node for node in flagged if not _without_statistics(node)]
    trained = all(map(_value, nodes))
    for node in nodes:
        if trained or not _value(node):
            _set(node, _flag_of(node), False)
            _note(node, True)


def noted(graph: fx.Graph) -> bool:
    """Return whether the operators carry notes, all of them sound: the graph is EdgeKit's own."""
    notes = [(node, _note_of(node)) for node in graph.nodes]
    return any(note for _, note in notes) and all(
        note is None
        or (note[0] == _position(node.target) and {*note[1:]} <= {True, False})
        for node, note in notes
    )


def refuse_batch_statistics(graph: fx.Graph) -> None:
    """Raise `ModelError` for batch norm that normalizes by the batch also when it infers."""
    for node in graph.find_nodes(
        op="call_function", target=torch.ops.aten.batch_norm.default
    ):
        if _value(node):
            layer = layer_of(node)
            at = f" of layer '{layer}'" if layer else ""
            raise ModelError(
                f"The batch norm{at} normalizes by the batch also in evaluation mode "
                "(track_running_stats=False), so each output depends on the other samples. "
                "Train it with running statistics, or use InstanceNorm or GroupNorm."
            )


def refuse_random(graph: fx.Graph) -> None:
    """Raise `ModelError`, with the layer, for an operator that draws random numbers also when it
    infers: of such a network no two runs agree, and so no file agrees with it."""
    for node in graph.nodes:
        if node.users and _draws(node):
            layer = layer_of(node)
            where = f"The layer '{layer}'" if layer else "forward()"
            name = _operator(node).removeprefix("aten::")
            raise ModelError(
                f"{where} draws random numbers also in evaluation mode ({name}), so no two runs "
                "agree and no file can be held against the network. Give dropout "
                "training=self.training, and take other noise as an input."
            )


def layer_of(node: fx.Node) -> str:
    """The module of the author's that runs an operator; empty where it is not known."""
    stack: Mapping[str, tuple[str, Any]] = node.meta.get("nn_module_stack") or {}
    return next((path for path, _ in reversed([*stack.values()])), "")


def _note_by_layers(
    flagged: Mapping[ModeKey, list[fx.Node]],
    network: nn.Module,
    example: tuple[torch.Tensor, ...],
) -> bool:
    """Note the flags of layers that are known by their mode as training runs them; nothing, and
    False, where other operators have flags or training runs the layers in another way."""
    owners: defaultdict[str, list[fx.Node]] = defaultdict(list)
    first: dict[int, str] = {}  # a layer of several names is one layer
    for (path, operator), nodes in flagged.items():
        layer = _known_layer(network, path)
        if layer is None or operator != f"aten::{_LAYERS[type(layer)]}":
            return False
        owners[first.setdefault(id(layer), path)] += nodes
    calls = _calls(network, owners, example)
    for path, nodes in owners.items():
        if len(calls[path]) != len(nodes) or len({*calls[path]}) != 1:
            return False
    for path, nodes in owners.items():
        for node in nodes:
            _note(node, calls[path][0])
    return True


def _known_layer(network: nn.Module, path: str) -> nn.Module | None:
    """The layer of a name, where it is one whose flag is its mode."""
    try:
        layer = network.get_submodule(path)
    except AttributeError:
        return None
    own = "forward" in vars(layer)
    unnormed = getattr(layer, "track_running_stats", True) is False
    return None if own or unnormed or type(layer) not in _LAYERS else layer


def _calls(
    network: nn.Module, paths: Iterable[str], example: tuple[torch.Tensor, ...]
) -> Mapping[str, list[bool]]:
    """The modes of layers at each of their calls, as the network trains on the example; none
    where it cannot."""
    found: defaultdict[str, list[bool]] = defaultdict(list)
    other = _copied(network)
    for path in paths:
        other.get_submodule(path).register_forward_pre_hook(
            lambda layer, _inputs, path=path: found[path].append(layer.training)
        )
    try:
        other.train()
        with torch.random.fork_rng(devices=[]), torch.no_grad():
            other(*(tensor.clone() for tensor in example))
    except Exception:  # noqa: BLE001 (train() and forward() raise anything, or want targets)
        found.clear()
    return found


def _copied(network: nn.Module) -> nn.Module:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return copy.deepcopy(network)


def _flags(
    network: nn.Module, prepare: Callable[[nn.Module], None], export: Export
) -> dict[ModeKey, list[fx.Node]]:
    """The flagged operators of a trace in another mode; none where there is no such trace."""
    other = _copied(network)
    try:
        prepare(other)
        return _flagged(export(other))
    except Exception:  # noqa: BLE001 (train() and forward() raise anything, or want targets)
        return {}


def _trained(network: nn.Module) -> None:
    network.train()


def _trained_layers(network: nn.Module) -> None:
    """Training mode in the layers of torch.nn alone, so that the author's code stays on the path
    that it takes in evaluation; where the author's `train` keeps a layer out, it stays out."""
    network.train()
    for module in network.modules():
        module.training = module.training and _layer(module)


def _layer(module: nn.Module) -> bool:
    """Return whether a module is one of torch.nn's, or derives from one."""
    kinds = [kind for kind in type(module).__mro__ if kind is not nn.Module]
    return any(kind.__module__.startswith("torch.nn.") for kind in kinds)


def _flagged(graph: fx.Graph) -> dict[ModeKey, list[fx.Node]]:
    """The operators that have a flag, in order, by their place in the author's modules."""
    found: defaultdict[ModeKey, list[fx.Node]] = defaultdict(list)
    for node in graph.nodes:
        if _position(node.target) is not None:
            found[layer_of(node), _operator(node).removesuffix("_")].append(node)
    return found


def _operator(node: fx.Node) -> str:
    schema = getattr(node.target, "_schema", None)
    return schema.name if schema is not None else ""


def _position(target: object) -> int | None:
    """Where an operator takes its training flag."""
    if not isinstance(target, torch._ops.OpOverload):
        return None
    names = [argument.name for argument in target._schema.arguments]
    return next((i for i, name in enumerate(names) if name in _NAMES), None)


def _flag_of(node: fx.Node) -> int:
    """Where a flagged operator takes its flag; raises `ValueError` for another operator."""
    position = _position(node.target)
    if position is None:
        raise ValueError(f"{node.target} has no training flag.")
    return position


def _arguments(node: fx.Node) -> list[Any]:
    """All arguments by position, those left out at their defaults."""
    given = list(node.args)
    for argument in node.target._schema.arguments[len(given) :]:  # type: ignore[union-attr]
        if argument.kwarg_only:
            break
        given.append(node.kwargs.get(argument.name, argument.default_value))
    return given


def _value(node: fx.Node) -> bool:
    return bool(_arguments(node)[_flag_of(node)])


def _set(node: fx.Node, position: int, value: bool) -> None:
    if len(node.args) <= position:
        names = [a.name for a in node.target._schema.arguments]  # type: ignore[union-attr]
        given = _arguments(node)
        node.kwargs = {
            k: v for k, v in node.kwargs.items() if k not in names[: len(given)]
        }
        node.args = tuple(given)
    node.args = (*node.args[:position], value, *node.args[position + 1 :])


def _note_of(node: fx.Node) -> list[Any] | None:
    """The note at an operator, where there is one of its form."""
    custom = node.meta.get("custom")
    note = custom.get(_NOTE) if isinstance(custom, dict) else None
    return note if isinstance(note, list) and len(note) == 3 else None


def _note(node: fx.Node, training: bool) -> None:
    """Note a flag: where it is, its value in evaluation, and in training."""
    custom = node.meta.get("custom", {})
    note = [_position(node.target), _value(node), training]
    node.meta["custom"] = {**custom, _NOTE: note}


def _draws(node: fx.Node) -> bool:
    """Return whether an operator gives random numbers as its flags are set."""
    if torch.Tag.nondeterministic_seeded not in getattr(node.target, "tags", ()):
        return False
    names = [a.name for a in node.target._schema.arguments]  # type: ignore[union-attr]
    given = dict(zip(names, _arguments(node), strict=False))
    if any(given.get(name) == 0 for name in ("p", "dropout", "dropout_p")):
        return False
    return _position(node.target) is None or _value(node)


def _without_statistics(node: fx.Node) -> bool:
    norms = ("aten::batch_norm", "aten::instance_norm")
    return _operator(node) in norms and node.args[3] is None
