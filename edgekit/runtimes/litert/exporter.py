"""TFLite files, which LiteRT and tflite-runtime run; int8 by the AI Edge Quantizer."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.program.named_outputs import tensors
from edgekit.program.program import Program
from edgekit.runtimes.litert import channels_last, flatbuffer
from edgekit.runtimes.litert import quantizer as quantize
from edgekit.runtimes.litert.decompose import LITERT
from edgekit.runtimes.litert.lowering import lowered
from edgekit.runtimes.litert.quantizer import plain_interpreter
from edgekit.runtimes.litert.wide_ends import separate, widen
from edgekit.runtimes.protocol import Signature, input_names, layout, output_names
from edgekit.types import Quantization, TensorSpec

quantizer = quantize.Quantizer


def convert(program: Program, path: Path) -> None:
    """Write `program` in fp32 with batch 1; the layout of its inputs stays PyTorch's."""
    import litert_torch

    channels_last.teach()
    low = lowered(program, LITERT)
    litert_torch.convert(low.module, low.example()).export(str(path))
    path.write_bytes(named(path.read_bytes(), program))


def named(content: bytes, program: Program) -> bytes:
    """The file with the program's names of inputs and outputs, which the converter numbers, and
    with int64 where the program has it."""
    import torch

    model = flatbuffer.unpacked(content)
    separate(model)
    graph = model.subgraphs[0]
    [signature] = model.signatureDefs
    names = input_names(program), output_names(program, len(graph.outputs))
    for places, ends, side in (
        (graph.inputs, signature.inputs, names[0]),
        (graph.outputs, signature.outputs, names[1]),
    ):
        known = {
            int(place): name.encode() for place, name in zip(places, side, strict=True)
        }
        for place, name in known.items():
            graph.tensors[place].name = name
        for end in ends:
            end.name = known[end.tensorIndex]
    with torch.inference_mode():
        given = tensors(program.module(*program.example()))
    wide = [value.dtype == torch.int64 for value in given]
    widen(model, [dtype == torch.int64 for dtype in program.dtypes], wide)
    return flatbuffer.packed(model, len(content))


def write(source: Path, labels: tuple[str, ...], path: Path) -> None:
    """Copy `source`, with the names of its classes.

    They are appended as `labels.txt` in a zip archive, where TFLite's own tools look for
    associated files; the runtimes ignore it.
    """
    path.write_bytes(source.read_bytes())
    if labels:
        with zipfile.ZipFile(path, "a") as archive:
            archive.writestr(zipfile.ZipInfo("labels.txt"), "\n".join(labels) + "\n")


def signature(path: Path) -> Signature:
    """The inputs and outputs as LiteRT sees them, in the order of the network's own."""
    return _signature(plain_interpreter(path.read_bytes()))


def _signature(interpreter: Any) -> Signature:
    return (
        tuple(_spec(detail, image=True) for detail in interpreter.get_input_details()),
        tuple(
            _spec(detail, image=False) for detail in interpreter.get_output_details()
        ),
    )


def _spec(detail: dict[str, Any], *, image: bool) -> TensorSpec:
    shape = tuple(int(size) for size in detail["shape"])
    scale, zero_point = detail["quantization"]
    return TensorSpec(
        name=detail["name"],
        shape=shape,
        dtype=np.dtype(detail["dtype"]).name,
        layout=layout(shape) if image else None,
        quantization=Quantization(scale=float(scale), zero_point=int(zero_point))
        if scale
        else None,
    )
