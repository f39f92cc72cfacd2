"""Layers behind the operators of files."""

from __future__ import annotations

import pytest

from edgekit.export.workers import export_all
from edgekit.program.layer_attribution import layer_behind
from edgekit.program.program import Program, trace
from edgekit.runtimes.operators import of_file
from edgekit.types import Artifact, InputSpec
from tests.runtime.pipeline.test_compatibility import Network


@pytest.fixture(scope="module")
def exported(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Program, list[Artifact]]:
    program = trace(Network(), (InputSpec(shape=(3, 8, 8)),))
    expected = [("litert", "fp32"), ("onnxruntime", "fp32")]
    folder = tmp_path_factory.mktemp("exported")
    return program, export_all(program, expected, calibration=None, folder=folder)


def test_operators_lead_back_to_layers_in_both_formats(exported) -> None:
    program, artifacts = exported
    for artifact in artifacts:
        convolutions = [
            layer_behind(program, one.kind, one.names)
            for one in of_file(artifact.runtime, artifact.files[0])
            if one.kind in ("CONV_2D", "Conv")
        ]
        assert convolutions == ["stem", "blocks.0.conv_in"], artifact.name
