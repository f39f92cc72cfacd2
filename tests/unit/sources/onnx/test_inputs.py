"""Whole-numbered inputs stay below the rows of the tables that they pick from."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto

from edgekit.sources.onnx.graph import parsed
from edgekit.sources.onnx.inputs import limits
from edgekit.sources.onnx.signature import signature
from tests.unit.sources.onnx.models import make, saved, weights


@pytest.mark.parametrize("large", [9, 70])
def test_the_smallest_table_that_an_input_reaches_is_its_limit(
    tmp_path: Path, large: int
) -> None:
    path = saved(
        tmp_path / "net.onnx",
        [
            make("Cast", ["ids"], ["whole"], to=TensorProto.INT64),
            make("Gather", ["words", "whole"], ["a"]),
            make("Gather", ["places", "ids"], ["b"], axis=1),
            make("Gather", ["other", "kinds"], ["c"]),
            make("Relu", ["free"], ["d"]),
        ],
        dict.fromkeys(("ids", "kinds", "free"), (1, 3)),
        dict.fromkeys("abcd"),
        weights(words=(30, 4), places=(4, large), other=(5, 4)),
        dtypes={"ids": TensorProto.INT32, "kinds": TensorProto.INT64},
    )
    graph = parsed(onnx.load(path))
    assert limits(signature(graph, (), {}), graph) == (min(30, large), 5, 2)
