"""ncnn's files from TorchScript, traced from the exported program.

A `.param` has no shapes, types or names of a network's ends; they are kept in a line behind its
layers, where ncnn does not read (`agent.runtimes.ncnn`).
"""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path
from typing import Any

from edgekit.agent.runtimes.ncnn import trailer
from edgekit.errors import ArtifactError
from edgekit.program.program import Program
from edgekit.runtimes.ncnn import quantizer as quantize
from edgekit.runtimes.ncnn.metadata import with_trailer
from edgekit.runtimes.ncnn.pnnx import Blobs
from edgekit.runtimes.ncnn.pnnx import convert as by_pnnx
from edgekit.runtimes.protocol import Signature, input_names, layout, output_names
from edgekit.types import TensorSpec

quantizer = quantize.Quantizer
_WEIGHTS = ".bin"
_MOST_AXES = 4
"""Of ncnn's matrices."""


def convert(program: Program, path: Path) -> None:
    """Write `program` in fp32 with batch 1, and beside it the TorchScript that files in less
    are made from."""
    import torch

    example = program.example(1)
    module = program.exported(static_batch=1).module(check_guards=False)
    leaves = torch.utils._pytree.tree_leaves

    class Flat(torch.nn.Module):
        """The network with its outputs in a tuple, as TorchScript takes them."""

        def __init__(self) -> None:
            super().__init__()
            self.network = module

        def forward(self, *inputs: Any) -> tuple[Any, ...]:
            return tuple(leaves(self.network(*inputs)))

    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        outputs = leaves(module(*example))
        traced = torch.jit.trace(Flat(), example, check_trace=False)  # type: ignore[no-untyped-call]
    traced.save(str(path.with_suffix(quantize.SOURCE)))
    shapes = [(tuple(one.shape), _dtype(one)) for one in example]
    blobs = by_pnnx(path.with_suffix(quantize.SOURCE), shapes, path, fp16=False)
    names = input_names(program), output_names(program, len(outputs))
    if (len(blobs.inputs), len(blobs.outputs)) != (len(names[0]), len(names[1])):
        raise ArtifactError(
            f"pnnx has {len(blobs.inputs)} inputs and {len(blobs.outputs)} outputs of "
            f"{len(names[0])} and {len(names[1])}"
        )
    described = {
        "inputs": [
            _given(name, one, blobs, number)
            for number, (name, one) in enumerate(zip(names[0], example, strict=True))
        ],
        "outputs": [
            _end(name, one, blob)
            for name, one, blob in zip(names[1], outputs, blobs.outputs, strict=True)
        ],
    }
    text = path.read_text("utf-8")
    path.write_text(with_trailer(text, described), "utf-8")


def write(source: Path, labels: tuple[str, ...], path: Path) -> None:
    """Copy `source` with the names of its classes in its last line, and its weights."""
    text = source.read_text("utf-8")
    values = {**trailer(text), **({"labels": list(labels)} if labels else {})}
    path.write_text(with_trailer(text, values), "utf-8")
    shutil.copyfile(source.with_suffix(_WEIGHTS), path.with_suffix(_WEIGHTS))


def signature(path: Path) -> Signature:
    """The inputs and outputs by the last line of the file."""
    described = trailer(path.read_text("utf-8"))
    inputs, outputs = (described[side] for side in ("inputs", "outputs"))
    return (
        tuple(_spec(one, layout(tuple(one["shape"]))) for one in inputs),
        tuple(_spec(one, None) for one in outputs),
    )


def _spec(one: dict[str, Any], order: str | None) -> TensorSpec:
    return TensorSpec(
        name=one["name"], shape=tuple(one["shape"]), dtype=one["dtype"], layout=order
    )


def _given(name: str, example: Any, blobs: Blobs, number: int) -> dict[str, Any]:
    """An input, and the shape of ncnn's matrix for it."""
    matrix = list(example.shape)
    batch = blobs.batches[number]
    if batch is not None:
        del matrix[batch]
    if len(matrix) > _MOST_AXES:
        raise ArtifactError(
            f"input '{name}' has {len(matrix)} axes beside its batch; ncnn has {_MOST_AXES}"
        )
    end = _end(name, example, blobs.inputs[number])
    # ncnn reads whole numbers as of 32 bits.
    kind = end["dtype"] if example.dtype.is_floating_point else "int32"
    source = _dtype(example)
    return {**end, "dtype": kind, "matrix": matrix or [1], "source": source}


def _end(name: str, example: Any, blob: str) -> dict[str, Any]:
    shape = list(example.shape)
    return {"name": name, "blob": blob, "shape": shape, "dtype": "float32"}


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).removeprefix("torch.")
