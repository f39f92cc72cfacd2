"""The smallest file of ncnn: ReLU of four numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.runtimes.ncnn.metadata import with_trailer

LAYERS = "7767517\n2 2\nInput in0 0 1 in0\nReLU relu 1 1 in0 out0\n"
ENDS: dict[str, Any] = {
    "inputs": [
        {
            "name": "x",
            "blob": "in0",
            "shape": [1, 4],
            "matrix": [4],
            "dtype": "float32",
            "source": "float32",
        }
    ],
    "outputs": [{"name": "y", "blob": "out0", "shape": [1, 4], "dtype": "float32"}],
}


def write_relu(path: Path) -> Path:
    """Write it, with no weights beside it."""
    path.write_text(with_trailer(LAYERS, ENDS))
    path.with_suffix(".bin").write_bytes(b"")
    return path
