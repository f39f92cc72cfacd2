"""Holds the program of a TFLite file against LiteRT."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from edgekit import child, scratch
from edgekit.errors import ModelError
from edgekit.program import parity
from edgekit.program.program import Program
from edgekit.safe_io import read_arrays, read_json
from edgekit.sources.tflite.file import IMAGE, Graph, Tensor

_SECONDS = 120
_SPREAD = 40
"""Steps of an 8-bit input that are a standard deviation of the samples."""


def check(program: Program, graph: Graph, path: Path) -> tuple[str, ...]:
    """Run both, and return a remark; raises `ModelError` where they differ.

    A file that computes with whole numbers is compared by the real numbers behind them, since
    the program computes with those; the remark has the distance of the file's own outputs from
    that.
    """
    real = graph.quantized
    against = "LiteRT with every number dequantized" if real else "LiteRT"
    alone = False

    def run(inputs: parity.Arrays, bare: Sequence[bool]) -> list[np.ndarray]:
        nonlocal alone
        outputs, at_once = _on_litert(path, graph, inputs, bare, real)
        alone = alone or not at_once
        return outputs

    found = parity.check(program, run, source=str(path), against=against)
    remarks = [found.line()]
    if alone:
        remarks.append(
            "The file holds a batch of 1: LiteRT ran the samples one at a time."
        )
    if real:
        remarks.append(_rounding(program, graph, path))
    return tuple(remarks)


def _rounding(program: Program, graph: Graph, path: Path) -> str:
    """Distance of the outputs of the file as it is from the dequantized network's."""
    _, flags = parity.unsaturated(program.module)
    samples = parity.samples(program, 1)
    inputs = [
        _within(each.numpy(), graph.tensors[number])
        for each, number in zip(samples, graph.inputs, strict=True)
    ]
    whole = [False] * len(flags)
    exact, _ = _on_litert(path, graph, inputs, whole, True)
    rounded, _ = _on_litert(path, graph, inputs, whole, False)
    apart = [parity.difference(a, b) for a, b in zip(rounded, exact, strict=True)]
    most = max((each for each in apart if each is not None), default=0.0)
    return (
        "The file computes with whole numbers and was dequantized: its own outputs lie up to "
        f"{most:.1%} of their range from the network's, on random inputs."
    )


def _within(sample: np.ndarray, tensor: Tensor) -> np.ndarray:
    """A normal sample moved to the middle of what an input of 8 bits can hold."""
    given = tensor.quantized
    if given is None or given.scale.size != 1:
        return sample
    middle = 127.5 if tensor.kind == "UINT8" else -0.5
    stored = middle + sample * _SPREAD
    return np.asarray((stored - given.zero) * given.scale, np.float32)


def _on_litert(
    path: Path, graph: Graph, inputs: parity.Arrays, bare: Sequence[bool], real: bool
) -> tuple[list[np.ndarray], bool]:
    """LiteRT's outputs in the program's order of dimensions, and whether it took the batch."""
    batch = len(inputs[0])
    with scratch.folder(of="litert") as folder:
        (folder / "model.tflite").write_bytes(path.read_bytes())
        given = {
            str(n): np.moveaxis(each, 1, -1) if graph.moves(number) else each
            for n, (number, each) in enumerate(zip(graph.inputs, inputs, strict=True))
        }
        np.savez(folder / f"x{batch}.npz", **given)  # type: ignore[arg-type]
        job = {"bare": list(bare), "real": real, "batches": [batch]}
        (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
        _start(path, folder)
        listed = read_json(folder / "told.json", ModelError)
        found = read_arrays(folder / f"y{batch}.npz", ModelError)
    outputs = [
        _program_order(graph, number, found[str(n)])
        for n, number in enumerate(graph.outputs)
    ]
    return outputs, bool(listed[str(batch)])


def _program_order(graph: Graph, number: int, array: np.ndarray) -> np.ndarray:
    """An output, or the scores that it is the largest of, with its channels first."""
    scores = array.ndim > len(graph.tensors[number].shape)
    image = array.ndim >= IMAGE and (scores or graph.moves(number))
    return np.moveaxis(array, -1, 1) if image else array


def _start(path: Path, folder: Path) -> None:
    script = str(Path(__file__).with_name("litert_child.py"))
    try:
        done = subprocess.run(
            child.python(script, str(folder)),
            env=child.environment(),
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"LiteRT does not end with {path} in {_SECONDS} s.") from error
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        listed = lines[-1] if done.returncode > 0 and lines else "its process ended"
        raise ModelError(
            f"LiteRT cannot run {path} ({listed.rstrip('.')[:200]}), so that what was read of it "
            "cannot be checked. Convert the model again."
        )
