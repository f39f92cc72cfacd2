"""Sparsely stored constants are written out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from edgekit.runtimes.litert import flatbuffer, sparse
from edgekit.sources.tflite import load
from tests.runtime.sources.tflite.models import DATA, given


def test_sparse_weights_are_written_out(tmp_path: Path) -> None:
    whole = flatbuffer.unpacked((DATA / "net-fp32.tflite").read_bytes())
    graph = whole.subgraphs[0]
    for tensor in graph.tensors:
        data = whole.buffers[tensor.buffer].data
        if data is not None and tensor.type == 0 and len(tensor.shape) in (2, 4):
            numbers = np.array(data, np.uint8).view(np.float32).copy()
            numbers[np.arange(numbers.size) % 5 != 0] = 0
            whole.buffers[tensor.buffer].data = numbers.view(np.uint8)
    plain = flatbuffer.packed(whole, 1 << 16)
    packed, count = sparse.encode(plain)
    assert count >= 1
    (tmp_path / "plain.tflite").write_bytes(plain)
    (tmp_path / "sparse.tflite").write_bytes(packed)
    x, _ = given()
    dense, found = (
        load.load(tmp_path / f"{name}.tflite") for name in ("plain", "sparse")
    )
    with torch.no_grad():
        assert torch.allclose(found.module(x), dense.module(x), atol=1e-6)
