"""The author's layer behind an operator of an exported file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import fx

from edgekit.program.module_path import layer
from edgekit.program.program import Program

ITSELF = "the network's own forward()"


def layer_behind(program: Program, kind: str, names: tuple[str, ...]) -> str:
    """The layer of an operator of type `kind` that reads or gives tensors of these `names`.

    LiteRT names tensors by classes and attributes, ONNX by the network's operators and
    parameters; where neither is conclusive, an operator of the same name decides.
    """
    nodes = {node.name: node for node in program.module.graph.nodes}
    for name in names:
        if name in nodes and nodes[name].op == "call_function":
            return layer(nodes[name]) or ITSELF
        owner = name.rpartition(".")[0]
        if owner and owner in set(_layers(program)):
            return owner
    found = [path for name in names if (path := _by_attributes(program, name))]
    if found:
        return max(found, key=len)
    for node in nodes.values():
        if (called := _called(node)) and called in kind.lower():
            return layer(node) or ITSELF
    return ITSELF


def _by_attributes(program: Program, name: str) -> str | None:
    """The longest path whose attributes end the parts of a LiteRT name, one after another."""
    parts = name.split(";;")[-1].split(";")[0].split("/")
    best = ""
    for path, attributes in _paths(program):
        if 0 < len(attributes) < len(parts) and len(path) > len(best):
            tails = parts[-len(attributes) :]
            if all(
                part.endswith(f"_{attribute}")
                for part, attribute in zip(tails, attributes, strict=True)
            ):
                best = path
    return best or None


def _layers(program: Program) -> Iterator[str]:
    for node in program.module.graph.nodes:
        if path := layer(node):
            yield path


def _paths(program: Program) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Every layer with the attribute that leads to each module on its way."""
    seen = set()
    for node in program.module.graph.nodes:
        stack: dict[str, Any] = node.meta.get("nn_module_stack") or {}
        paths = [str(value[0]) for value in stack.values()]
        attributes, above = [], ""
        for path in paths:
            if path and path != above:
                attributes.append(path.removeprefix(f"{above}.") if above else path)
                above = path
        if above and above not in seen:
            seen.add(above)
            yield above, tuple(attributes)


def _called(node: fx.Node) -> str | None:
    schema = getattr(node.target, "_schema", None)
    return None if schema is None else str(schema.name).rpartition("::")[2]
