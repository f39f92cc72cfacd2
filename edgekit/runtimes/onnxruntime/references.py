"""The files that an ONNX file names beside itself."""

from __future__ import annotations

from pathlib import Path

from edgekit.bundle_files import inside
from edgekit.errors import ArtifactError
from edgekit.safe_io import read_bytes, reading


def check(path: Path) -> None:
    """Raise `ArtifactError` where weights lie outside of the folder, or behind a link."""
    if b"location" not in read_bytes(path, ArtifactError):
        return
    import onnx
    from onnx.external_data_helper import _get_all_tensors, uses_external_data

    with reading(path, ArtifactError, kind="an ONNX model"):
        model = onnx.load(str(path), load_external_data=False)
        for tensor in _get_all_tensors(model):
            if uses_external_data(tensor):
                places = [e.value for e in tensor.external_data if e.key == "location"]
                for place in places:
                    inside(path.parent, place)
