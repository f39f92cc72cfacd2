"""ExecuTorch programs, lowered from the exported program to XNNPACK's kernels.

A `.pte` has no names of its inputs and outputs; they are kept behind its end, where the runtime
does not look (`agent.runtimes.executorch`).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.agent.runtimes.executorch import load, trailer
from edgekit.program.program import Program
from edgekit.runtimes.executorch import quantizer as quantize
from edgekit.runtimes.executorch.lowering import lowered
from edgekit.runtimes.executorch.metadata import with_trailer
from edgekit.runtimes.protocol import Signature, input_names, layout, output_names
from edgekit.types import TensorSpec

quantizer = quantize.Quantizer


def convert(program: Program, path: Path) -> None:
    """Write `program` in fp32 with batch 1, and beside it the exported program that files in
    less are made from."""
    import torch

    exported = program.exported(static_batch=1)
    count = len(exported.graph_signature.user_outputs)
    names = {
        "inputs": input_names(program),
        "outputs": output_names(program, count),
    }
    torch.export.save(exported, path.with_suffix(quantize.SOURCE))
    path.write_bytes(with_trailer(lowered(exported), names))


def write(source: Path, labels: tuple[str, ...], path: Path) -> None:
    """Copy `source` with the names of its classes behind its end."""
    content = source.read_bytes()
    names = {**trailer(content)}
    if labels:
        names["labels"] = list(labels)
    path.write_bytes(with_trailer(content, names))


def signature(path: Path) -> Signature:
    """The inputs and outputs as ExecuTorch sees them, with the names behind the file's end."""
    session = load(str(path), 1, {})
    return (
        tuple(_spec(one, layout(one.shape)) for one in session.inputs),
        tuple(_spec(one, None) for one in session.outputs),
    )


def _spec(info: Any, order: str | None) -> TensorSpec:
    return TensorSpec(
        name=info.name, shape=tuple(info.shape), dtype=info.dtype, layout=order
    )
