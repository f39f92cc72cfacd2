"""The result of onnx2torch for one ONNX file: the last line that this script prints.

Its module is held against ONNX Runtime, exported by `torch.export` with a free batch, and asked
for gradients. Imports nothing of EdgeKit: it runs on the Python that has onnx2torch.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
import torch
from onnx2torch import convert

FIXED = {"sr": np.array(16000, np.int64)}
"""Inputs that are settings."""
FREE = {("input", 1): 576}
"""Sizes that files leave free, by input and dimension; others are 1."""


def main(file: str) -> None:
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    inputs = {each.name: _input(each) for each in session.get_inputs()}
    found: dict[str, Any] = {"version": _version()}
    made = _tried(found, "error", lambda: convert(file).eval())
    if made is not None:
        given = [torch.from_numpy(each) for each in inputs.values()]
        _tried(found, "parity", lambda: _apart(made(*given), session.run(None, inputs)))
        _tried(found, "free_batch", lambda: _exported(made, given))
        _tried(found, "gradients", lambda: _gradients(made, given))
    print(json.dumps({"error": None, **found}))


def _version() -> str:
    from importlib.metadata import version

    return version("onnx2torch")


def _tried(found: dict[str, Any], name: str, step: Callable[[], Any]) -> Any:
    """The step's result, or its error in `found`."""
    try:
        result = step()
    except Exception as error:  # noqa: BLE001 - whatever the peer raises is its result
        first = (str(error).splitlines() or [""])[0]
        found[name] = f"{type(error).__name__}: {first}"[:160]
        return None
    if name != "error":
        found[name] = result
    return result


def _input(each: Any) -> np.ndarray:
    if each.name in FIXED:
        return FIXED[each.name]
    sizes = [
        size if isinstance(size, int) else FREE.get((each.name, place), 1)
        for place, size in enumerate(each.shape)
    ]
    return np.random.default_rng(0).standard_normal(sizes).astype(np.float32)


def _apart(ours: Any, theirs: list[np.ndarray]) -> float:
    tensors = ours if isinstance(ours, list | tuple) else [ours]
    return max(
        float(np.abs(a.detach().numpy() - b).max() / np.ptp(b))
        for a, b in zip(tensors, theirs, strict=True)
    )


def _exported(module: torch.nn.Module, given: list[torch.Tensor]) -> bool:
    twice = tuple(torch.cat([each, each]) if each.ndim else each for each in given)
    free = {0: torch.export.Dim("batch")}
    shapes = tuple(free if each.ndim else None for each in given)
    torch.export.export(module, twice, dynamic_shapes={"input_args": shapes})
    return True


def _gradients(module: torch.nn.Module, given: list[torch.Tensor]) -> bool:
    found = module(*given)
    first = found[0] if isinstance(found, list | tuple) else found
    first.sum().backward()
    return any(each.grad is not None for each in module.parameters())


if __name__ == "__main__":
    main(*sys.argv[1:])
