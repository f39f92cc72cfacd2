"""The author's module behind an operator."""

from __future__ import annotations

from typing import Any

from torch import fx


def layer(node: fx.Node) -> str:
    """The author's module that an operator belongs to, dotted; empty for the network itself."""
    stack: dict[str, Any] = node.meta.get("nn_module_stack") or {}
    paths = [str(value[0]) for value in stack.values()]
    known = [path for path in paths if not path.startswith("_empty")]
    return known[-1] if known else ""
