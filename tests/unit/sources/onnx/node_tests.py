"""ONNX's own test cases of single operators, run through the reader."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from edgekit.errors import ModelError
from edgekit.sources.onnx import graph, registry
from edgekit.sources.onnx.batch import Batch
from edgekit.sources.onnx.constants import Constants
from edgekit.sources.onnx.file import inlined
from edgekit.sources.onnx.values import Known, Value, tensor_of
from edgekit.sources.onnx.walk import Walk

NUMBERS = "fiub"


@cache
def cases() -> tuple[Any, ...]:
    """Every case whose model has plain tensors, and operators that the reader has."""
    from onnx.backend.test.case.node import collect_testcases

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = collect_testcases(None)
    return tuple(case for case in found if _plain(case))


def _plain(case: Any) -> bool:
    if case.data_sets is None or len(case.model.graph.node) != 1:
        return False
    node = case.model.graph.node[0]
    values = [value for data in case.data_sets for side in data for value in side]
    return (node.domain, node.op_type) in registry.names() and all(
        isinstance(v, np.ndarray) and v.dtype.kind in NUMBERS for v in values
    )


def run(case: Any) -> str:
    """`passes`, or what is wrong: a refusal begins with `refused`."""
    try:
        parsed = graph.parsed(inlined(case.model))
        for given, expected in case.data_sets:
            for arrays in _splits(parsed, given):
                said = _compared(case, _outputs(parsed, arrays), expected)
                if said:
                    return said
    except ModelError as error:
        return f"refused: {error}" if "Cannot compute" not in str(error) else str(error)
    return "passes"


def _splits(parsed: graph.Graph, given: list[Known]) -> Iterator[dict[str, Value]]:
    """Inputs by name: those that have to be known as arrays, the rest as tensors."""
    (node,) = parsed.nodes[:1] if len(parsed.nodes) == 1 else (None,)
    names = [tensor.name for tensor in parsed.inputs]
    stay: set[str] = set()
    entry = node and registry.find(node.domain, node.kind, node.version)
    if node and entry:
        places = entry.known | (entry.raw if node.kind in _BY_NUMBER else frozenset())
        stay = {name for n, name in enumerate(node.inputs) if n in places}
    yield {
        name: array if name in stay else tensor_of(array)
        for name, array in zip(names, given, strict=True)
    }


_BY_NUMBER = {"TopK", "OneHot", "Loop", "If", "Dropout"}


def _outputs(parsed: graph.Graph, given: dict[str, Value]) -> list[Value]:
    walk = Walk(Constants(nn.Module()), Batch(1, 1))
    with torch.no_grad():
        return walk.run(parsed, given)


def _compared(case: Any, found: list[Value], expected: list[Known]) -> str:
    for name, (got, want) in enumerate(zip(found, expected, strict=True)):
        array = got.numpy() if isinstance(got, torch.Tensor) else got
        if array.shape != want.shape:
            return f"output {name} has shape {array.shape}, not {want.shape}"
        loose = 1e-2 if want.dtype.itemsize < 4 and want.dtype.kind == "f" else 1e-4
        scale = (
            float(np.abs(want[np.isfinite(want)]).max(initial=1)) if want.size else 1
        )
        if not np.allclose(
            array.astype(np.float64),
            want.astype(np.float64),
            rtol=max(loose, case.rtol or 0),
            atol=loose * min(scale, 1e3) if loose > 1e-3 else 1e-5 * scale,
            equal_nan=True,
        ):
            worst = np.nanmax(np.abs(array.astype(float) - want.astype(float)))
            return f"output {name} differs by {worst}"
    return ""


def main() -> None:
    """Print how many cases pass, and what is wrong with the rest."""
    outcomes: dict[str, list[str]] = {}
    for case in cases():
        said = run(case)
        outcomes.setdefault(said.partition(":")[0], []).append(f"{case.name}: {said}")
    passes = len(outcomes.pop("passes", []))
    for lines in outcomes.values():
        print("\n".join(line[:230] for line in lines))
    print(f"{passes} of {len(cases())} cases pass")


if __name__ == "__main__":
    onnx.checker  # noqa: B018
    main()
