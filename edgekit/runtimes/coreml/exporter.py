"""Core ML packages from the exported program. Nothing runs them here."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from edgekit.program.program import Program
from edgekit.runtimes.coreml import converter, metadata
from edgekit.runtimes.coreml import quantizer as quantize
from edgekit.runtimes.protocol import Signature, input_names, layout, output_names
from edgekit.types import TensorSpec

quantizer = quantize.Quantizer
_LABELS = "labels"


def convert(program: Program, path: Path) -> None:
    """Write `program` in fp32 with batch 1, and beside it the exported program that files in
    less are made from."""
    import torch

    exported = program.exported(static_batch=1)
    torch.export.save(exported, path.with_suffix(quantize.SOURCE))
    count = len(exported.graph_signature.user_outputs)
    names = input_names(program), output_names(program, count)
    converter.save(converter.converted(exported, names, half=False), path)


def write(source: Path, labels: tuple[str, ...], path: Path) -> None:
    """Copy `source` with the names of its classes."""
    values = {_LABELS: json.dumps(labels, ensure_ascii=False)} if labels else {}
    metadata.put(source, path, values)


def signature(path: Path) -> Signature:
    """The inputs and outputs as the model describes them."""
    found = metadata.model_of(path).description
    return (
        tuple(_spec(one, with_layout=True) for one in found.input),
        tuple(_spec(one, with_layout=False) for one in found.output),
    )


def _spec(one: Any, *, with_layout: bool) -> TensorSpec:
    array = one.type.multiArrayType
    shape = tuple(int(size) for size in array.shape)
    kinds = type(array).ArrayDataType
    return TensorSpec(
        name=one.name,
        shape=shape,
        dtype=kinds.Name(array.dataType).lower(),
        layout=layout(shape) if with_layout else None,
    )
