"""Weights that a network computes from other weights, folded into plain parameters.

Weight standardization, an equalized learning rate or a low-rank update run inside `forward` and
depend on no input. Where such a computation mixes the units of a weight (a mean, a norm, a
product), a unit cut from the weight changes the others: its value takes its place.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, fx, nn

_MIXES = frozenset(
    f"aten::{name}"
    for name in (
        *("mean", "sum", "std", "var", "std_mean", "var_mean", "prod", "cumsum"),
        *("norm", "linalg_vector_norm", "linalg_norm", "linalg_matrix_norm", "norm_except_dim"),
        *("softmax", "log_softmax", "amax", "amin", "max", "min", "aminmax", "logsumexp"),
        *("matmul", "mm", "bmm", "addmm", "mv", "dot", "einsum", "linear", "outer", "kron"),
        *("conv1d", "conv2d", "conv3d", "layer_norm", "batch_norm", "group_norm", "rms_norm"),
        *("linalg_svd", "linalg_qr", "linalg_inv", "linalg_solve", "linalg_multi_dot"),
        *("linalg_matrix_exp", "linalg_householder_product", "linalg_cross", "baddbmm"),
        *("_weight_norm", "_weight_norm_interface", "instance_norm", "fft_fft", "fft_rfft"),
        *("cosine_similarity", "cdist", "sort", "topk", "tensordot", "inner", "chain_matmul"),
        *("upsample_bicubic2d", "upsample_bilinear2d", "upsample_linear1d", "renorm"),
    )
)  # fmt: skip
"""Operators whose every output element depends on several elements of an input."""
_STATISTICS = ("aten::batch_norm", "aten::instance_norm")
_RANDOM = torch.Tag.nondeterministic_seeded


def fold_computed(module: fx.GraphModule) -> None:
    """Replace each computation among weights that mixes units by its value, in place."""
    computed = _computed(module.graph)
    mixing = {node for node in computed if _mixes(node, computed)}
    last = [
        node
        for node in mixing
        if any(user not in computed for user in node.users)
        and isinstance(node.meta.get("val"), Tensor)
        and node.meta["val"].is_floating_point()
    ]
    if not last:
        return
    values = _Values(module)
    places: dict[Any, str] = {}
    for node in last:
        _replace(module, node, values, places)
    read = {str(node.target) for node in computed if node.op == "get_attr"}
    module.graph.eliminate_dead_code()
    _forget(module, read - set(_targets(module.graph)))
    module.recompile()


def _computed(graph: fx.Graph) -> set[fx.Node]:
    """Nodes that depend on weights alone, and on at least one of them."""
    found: set[fx.Node] = set()
    state = set(_state(graph))
    for node in graph.nodes:
        if (node.op == "get_attr" and str(node.target) not in state) or (
            node.op == "call_function"
            and node.all_input_nodes
            and all(source in found for source in node.all_input_nodes)
            and _repeats(node)
        ):
            found.add(node)
    return found


def _repeats(node: fx.Node) -> bool:
    """Return whether an operator gives the same each time, and writes nowhere."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return getattr(node.target, "__module__", "") == "_operator"
    if node.target._schema.name in _STATISTICS and node.args[3] is None:
        return True  # batch norm as a means of standardizing a weight: it keeps nothing
    flags = [
        a for a in node.target._schema.arguments if a.name in ("train", "training")
    ]
    return not (flags or node.target._schema.is_mutable or _RANDOM in node.target.tags)


def _mixes(node: fx.Node, computed: set[fx.Node]) -> bool:
    """Return whether a value comes from several elements of some weight."""
    todo, seen = [node], set()
    while todo:
        one = todo.pop()
        schema = getattr(one.target, "_schema", None)
        if schema is not None and schema.name in _MIXES:
            return True
        if one not in seen:
            seen.add(one)
            todo += one.all_input_nodes
    return False


class _Values:
    """Evaluate nodes among weights, and distinguish them."""

    def __init__(self, module: fx.GraphModule) -> None:
        self._interpreter = fx.Interpreter(module)
        self._module = module
        self._known: dict[fx.Node, Any] = {}

    def value(self, node: fx.Node) -> Any:
        if node not in self._known:
            for source in node.all_input_nodes:
                self._interpreter.env[source] = self.value(source)
            with torch.no_grad():
                self._known[node] = self._interpreter.run_node(node)
        return self._known[node]

    def key(self, node: fx.Node) -> Any:
        """The same for nodes that compute the same from the same weights."""
        if node.op == "get_attr":
            return id(self.value(node))
        given = fx.map_arg((node.args, node.kwargs), self.key)
        return str(node.target), repr(given)

    def trained(self, node: fx.Node) -> bool:
        if node.op == "get_attr":
            return isinstance(self.value(node), nn.Parameter)
        return any(map(self.trained, node.all_input_nodes))


def _replace(
    module: fx.GraphModule, node: fx.Node, values: _Values, places: dict[Any, str]
) -> None:
    key = values.key(node)
    if key not in places:
        places[key] = _place(module, node)
        value = values.value(node).detach().clone().contiguous()
        owner, _, name = places[key].rpartition(".")
        into = module.get_submodule(owner)
        if values.trained(node):
            into.register_parameter(name, nn.Parameter(value))
        else:
            into.register_buffer(name, value)
    with module.graph.inserting_before(node):
        folded = module.graph.get_attr(places[key])
    folded.meta["val"] = node.meta["val"]
    node.replace_all_uses_with(folded)


def _place(module: fx.GraphModule, node: fx.Node) -> str:
    """A free name beside the weight it comes from: `conv.weight_computed`."""
    source = node
    while source.op != "get_attr":
        source = source.all_input_nodes[0]
    name = f"{source.target}_computed"
    owner = module.get_submodule(name.rpartition(".")[0])
    leaf = name.rpartition(".")[2]
    number = 1
    while hasattr(owner, leaf):
        number += 1
        leaf = f"{name.rpartition('.')[2]}_{number}"
    before = name.rpartition(".")[0]
    return f"{before}.{leaf}" if before else leaf


def _state(graph: fx.Graph) -> Iterator[str]:
    """Buffers that operators write into: the network's state, which changes."""
    for node in graph.find_nodes(op="get_attr"):
        for user in node.users:
            schema = getattr(user.target, "_schema", None)
            if schema is None:
                continue
            measured = schema.name in _STATISTICS and node in user.args[3:5]
            if measured or schema.is_mutable:
                yield str(node.target)


def _targets(graph: fx.Graph) -> Iterator[str]:
    return (str(node.target) for node in graph.find_nodes(op="get_attr"))


def _forget(module: fx.GraphModule, names: set[str]) -> None:
    """Drop weights that only took part in what was folded."""
    for name in names:
        owner, _, leaf = name.rpartition(".")
        delattr(module.get_submodule(owner), leaf)
