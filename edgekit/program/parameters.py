"""Map parameters of a program to the operators that use them."""

from __future__ import annotations

import operator
from collections import Counter

from torch import fx, nn


def argument_name(node: fx.Node, position: int) -> str:
    """The parameter or buffer that an operator takes at a position; empty where there is none."""
    if node.op != "call_function" or len(node.args) <= position:
        return ""
    given = node.args[position]
    if isinstance(given, fx.Node) and given.op == "get_attr":
        return str(given.target)
    return ""


def serving_once(module: fx.GraphModule) -> dict[str, nn.Parameter]:
    """The parameters, by name, that one operator alone takes: changed, they change nothing else."""
    uses = Counter(
        id(operator.attrgetter(str(node.target))(module))
        for node in module.graph.find_nodes(op="get_attr")
        for _ in node.users
    )
    named = module.named_parameters(remove_duplicate=False)
    return {name: parameter for name, parameter in named if uses[id(parameter)] == 1}
