"""Holds the program of a TFLite file against LiteRT."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from edgekit import child, scratch
from edgekit.errors import ModelError
from edgekit.program import parity
from edgekit.program.channel_order import Value
from edgekit.program.program import Program
from edgekit.safe_io import read_arrays, read_json
from edgekit.sources.tflite.file import IMAGE, Graph, Tensor
from edgekit.sources.tflite.walk import Walk

_SECONDS = 120
_SPREAD = 40
"""Steps of an 8-bit input that are a standard deviation of the samples."""


def check(program: Program, module: Walk, path: Path) -> tuple[str, ...]:
    """Run both, and return remarks; raises `ModelError` where they differ.

    A file that computes with whole numbers is compared by the real numbers behind them, since
    the program computes with those; a remark has the distance of the file's own outputs.
    """
    file = _File(path=path, module=module, real=module.graph.quantized)
    tops = tuple(module.graph.table(number) for number in module.graph.inputs)
    found = parity.check(program, file, source=str(path), limits=tops)
    remarks = [found.line()]
    if file.real:
        samples = parity.samples(program, 4, limits=tops)
        remarks.append(_noise(file, samples, found.outputs))
    return tuple(remarks)


def _noise(file: _File, samples: parity.Inputs, count: int) -> str:
    """Distance of the outputs of the file as it is from the dequantized network's."""
    graph, nothing = file.module.graph, [False] * count
    given = tuple(
        _within(each, graph.tensors[number])
        for each, number in zip(samples, graph.inputs, strict=True)
    )
    [exact] = file.run([given], nothing).rows
    [rounded] = replace(file, real=False).run([given], nothing).rows
    apart = [
        parity.noise(a, b)
        for a, b in zip(rounded, exact, strict=True)
        if a is not None and b is not None
    ]
    return parity.noise_line("int8", "dequantized", max(apart))


def _within(sample: torch.Tensor, tensor: Tensor) -> torch.Tensor:
    """A normal sample moved to the middle of what an input of 8 bits can hold."""
    given = tensor.quantized
    if given is None or given.scale.size != 1:
        return sample
    middle = 127.5 if tensor.kind == "UINT8" else -0.5
    stored = middle + sample * _SPREAD
    scale, zero = float(given.scale.item()), float(given.zero.item())
    return ((stored - zero) * scale).float()


@dataclass(frozen=True, kw_only=True)
class _File:
    """A file on LiteRT, a `parity.Reference`; where `real`, with every number dequantized."""

    path: Path
    module: Walk
    real: bool

    @property
    def against(self) -> str:
        return "LiteRT with every number dequantized" if self.real else "LiteRT"

    def run(self, given: Sequence[parity.Inputs], ends: Sequence[bool]) -> parity.Ran:
        """Outputs, and the ends that LiteRT has an operator for, channels first."""
        ran = [self._on_litert(each, ends, ()) for each in given]
        return parity.Ran(
            rows=[row for row, _ in ran], whole=all(whole for _, whole in ran)
        )

    def inner(self, given: parity.Inputs) -> Iterator[parity.Inner]:
        """Each operator's results in real numbers, in the file's order of dimensions."""
        seen: dict[int, np.ndarray] = {}
        graph = self.module.graph

        def watch(number: int, value: Any) -> None:
            if isinstance(value, Value) and value.data.is_floating_point():
                seen[number] = value.last().numpy()

        with torch.no_grad():
            self.module.values(given, watch)
        none = (False,) * len(graph.outputs)
        row, _ = self._on_litert(given, none, tuple(seen))
        theirs = row[len(graph.outputs) :]
        makers = {n: each.kind for each in graph.operators for n in each.outputs}
        for (number, ours), their in zip(seen.items(), theirs, strict=True):
            if their is not None:
                name = graph.tensors[number].name
                yield parity.Inner(
                    name=name, operator=makers[number], ours=ours, theirs=their
                )

    def _on_litert(
        self, inputs: parity.Inputs, ends: Sequence[bool], more: Sequence[int]
    ) -> tuple[list[np.ndarray | None], bool]:
        """LiteRT's outputs and ends in the program's order of dimensions, the tensors `more` in
        the file's, and whether it took the batch at once."""
        graph = self.module.graph
        with scratch.folder(of="litert") as folder:
            (folder / "model.tflite").write_bytes(self.path.read_bytes())
            given = {
                str(n): np.moveaxis(each.numpy(), 1, -1)
                if graph.moves(number)
                else each.numpy()
                for n, (number, each) in enumerate(
                    zip(graph.inputs, inputs, strict=True)
                )
            }
            np.savez(folder / "inputs.npz", **given)  # type: ignore[arg-type]
            job = {"ends": list(ends), "real": self.real, "more": list(more)}
            (folder / "job.json").write_text(json.dumps(job), encoding="utf-8")
            _start(self.path, folder)
            listed = read_json(folder / "told.json", ModelError)
            found = read_arrays(folder / "outputs.npz", ModelError)
        marked = [n for n, end in zip(graph.outputs, ends, strict=True) if end]
        places = [*graph.outputs, *marked]
        arrays = [found.get(str(n)) for n in range(len(places) + len(more))]
        row = [
            None if each is None else _program_order(graph, number, each)
            for number, each in zip(places, arrays, strict=False)
        ]
        return [*row, *arrays[len(places) :]], bool(listed["at_once"])


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
