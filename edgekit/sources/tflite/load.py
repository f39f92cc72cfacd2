"""A TFLite file as a `Program`, checked against LiteRT."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import torch

from edgekit.errors import ModelError
from edgekit.program import program
from edgekit.program.program import Program
from edgekit.safe_io import reading
from edgekit.sources.tflite import file, operators
from edgekit.sources.tflite.check import check
from edgekit.sources.tflite.file import Graph
from edgekit.sources.tflite.walk import Walk
from edgekit.types import InputSpec

__all__ = ["load", "network", "operators"]
_KIND = "a TensorFlow Lite model"
_LARGEST = 1 << 26


def load(path: Path) -> Program:
    """The trainable program of a file. Images go in and come out with their channels first.

    Whole numbers are dequantized. Raises `ModelError` for states, custom operators and what is
    damaged or not supported, and where the program computes something else than LiteRT.
    """
    graph = file.read(path)
    with reading(path, ModelError, kind=_KIND):
        specs = tuple(_spec(graph, number) for number in graph.inputs)
        dtypes = tuple(getattr(torch, spec.dtype or "float32") for spec in specs)
        module = network(graph, specs)
        made = program.trace(module, specs, dtypes, owned=True)
        for parameter in made.module.parameters():
            parameter.requires_grad_(True)
        remarks = check(made, module, path)
    names = tuple(graph.tensors[n].name.removesuffix(":0") for n in graph.outputs)
    known = all(names) and len(set(names)) == len(names)
    return replace(made, outputs=names if known else (), remarks=remarks)


def network(graph: Graph, specs: tuple[InputSpec, ...] = ()) -> Walk:
    """The file's graph as a module; run once, so that it has its parameters."""
    specs = specs or tuple(_spec(graph, number) for number in graph.inputs)
    module = Walk(graph).eval()
    example = [
        torch.zeros(2, *spec.shape, dtype=getattr(torch, spec.dtype or "float32"))
        for spec in specs
    ]
    with torch.no_grad():
        module(*example)
    return module


def _spec(graph: Graph, number: int) -> InputSpec:
    tensor = graph.tensors[number]
    sizes = tensor.shape[1:]
    if not sizes or min(sizes) < 1 or torch.Size(sizes).numel() > _LARGEST:
        raise ValueError(
            f"the input '{tensor.name[:40]}' is of shape {list(tensor.shape)}"
        )
    kinds: dict[str, Literal["int32", "int64"]] = {"INT32": "int32", "INT64": "int64"}
    if graph.moves(number):
        sizes = (sizes[-1], *sizes[:-1])
    whole = None if tensor.quantized is not None else kinds.get(tensor.kind)
    name = tensor.name.removesuffix(":0") or "input"
    return InputSpec(shape=tuple(sizes), name=name, dtype=whole)
