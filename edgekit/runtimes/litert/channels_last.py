"""Rules for operators that the converter leaves channels first.

LiteRT computes channels last. The converter turns a whole region of the network, and puts a
transposition at each end of every operator that it has no rule for: "same" padding of a network
from TensorFlow came to three times the time of its convolution.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import fx


def teach() -> None:
    """Give the converter its missing rules, once or again."""
    import torch
    from litert_torch._convert.fx_passes.optimize_layout_transposes_pass import (
        layout_check,
        layout_rewrite,
    )

    aten, rules = torch.ops.aten, layout_rewrite.rewriters
    rules[aten.constant_pad_nd.default] = _pad
    rules[aten.elu.default] = layout_rewrite.noop
    for reduction in (aten.amin.default, aten.linalg_vector_norm.default):
        rules[reduction] = layout_rewrite.dim_attr_rewriter
    # Their rules take indices that are expanded for channels last, and mix up dimensions.
    for indexing in (aten.gather, aten.scatter, aten.scatter_add, aten.scatter_reduce,
                     aten.select_scatter):  # fmt: skip
        layout_check.nhwcable_node_checkers.register(indexing)(layout_check._not_nhwc)
    otherwise = layout_check.nhwcable_node_checkers.__missing__(None)
    for reduction in (aten.mean.dim, aten.sum.dim_IntList):
        layout_check.nhwcable_node_checkers[reduction] = partial(_reduced, otherwise)


def _reduced(otherwise: Callable[[fx.Node], Any], node: fx.Node) -> Any:
    """A reduction over height and width: its result is turned at no cost."""
    found = otherwise(node)
    dims: Any = node.args[1] if len(node.args) > 1 else None
    found.must_be = found.can_be and {dim % 4 for dim in dims or ()} == {2, 3}
    return found


def _pad(node: fx.Node) -> None:
    """The amounts for (batch, height, width, channels), the last dimension's first."""
    image, amounts, *value = node.args
    given: list[Any] = [*amounts]  # type: ignore[misc]
    given += [0] * (8 - len(given))
    width, height, channels, batch = (given[n : n + 2] for n in range(0, 8, 2))
    node.args = (image, [*channels, *width, *height, *batch], *value)
