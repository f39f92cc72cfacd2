"""Requests that are refused before any work."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import ArtifactError, RuntimeMissing
from edgekit.export.checks import check
from edgekit.export.workers import export_all
from edgekit.runtimes import registry


def test_a_missing_library_is_named_with_its_remedy() -> None:
    libraries = {"numpy": "numpy", "no_such_module": "litert-torch"}
    lacking = replace(registry.get("litert"), libraries=libraries)
    with pytest.raises(
        RuntimeMissing,
        match=r"^LiteRT export needs litert-torch: pip install 'edgekit\[litert\]'$",
    ):
        check(lacking, "litert-fp32", "fp32", calibrated=False)


def test_what_cannot_be_made_is_refused_before_any_work(
    convolutional_network, folder: Path
) -> None:
    program, _ = convolutional_network
    with pytest.raises(
        ArtifactError, match=r"LiteRT .* int8 needs calibration samples"
    ):
        export_all(program, [("litert", "int8")], calibration=None, folder=folder)
    with pytest.raises(ArtifactError, match=r"int16x8 is not supported; .* fp32, fp16"):
        export_all(
            program, [("onnxruntime", "int16x8")], calibration=None, folder=folder
        )
    assert not folder.exists()
