"""The table of operators: the newest entry that is not newer than the file."""

from __future__ import annotations

import onnx
import pytest

from edgekit.sources.onnx import operators
from edgekit.sources.onnx.operators import layers, resizing, shapes
from edgekit.sources.onnx.registry import MICROSOFT, find, find_known, names

operators.register()


@pytest.mark.parametrize(
    ("name", "version", "compute"),
    [
        ("Softmax", 12, layers.softmax_flat),
        ("Softmax", 13, layers.softmax),
        ("Softmax", 27, layers.softmax),
        ("Resize", 10, resizing.resize_10),
        ("Resize", 11, resizing.resize),
    ],
)
def test_the_version_of_a_file_chooses(
    name: str, version: int, compute: object
) -> None:
    found = find("", name, version)
    assert found is not None and found.compute is compute


def test_what_is_not_in_the_table_is_not_found() -> None:
    assert find("", "Scan", 8) is None
    assert find("", "FusedGemm", 17) is None
    assert find(MICROSOFT, "FusedGemm", 1) is not None
    assert find_known("", "Conv") is None
    assert find_known("", "Shape") is shapes.shape


def test_standard_operators_are_called_as_onnx_calls_them() -> None:
    ours = {name for domain, name in names() if domain == ""}
    theirs = {schema.name for schema in onnx.defs.get_all_schemas_with_history()}
    own = {
        "SimplifiedLayerNormalization",
        "QuickGelu",
    }  # ONNX Runtime's, without a domain
    assert ours - theirs <= own
