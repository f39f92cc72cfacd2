"""Layers behind the operators of files."""

from __future__ import annotations

from edgekit.program.layer_attribution import layer_behind
from edgekit.runtimes.operators import of_file


def test_operators_lead_back_to_layers_in_both_formats(shuffled) -> None:
    program, artifacts = shuffled
    for artifact in artifacts:
        convolutions = [
            layer_behind(program, one.kind, one.names)
            for one in of_file(artifact.runtime, artifact.files[0])
            if one.kind in ("CONV_2D", "Conv")
        ]
        assert convolutions == ["stem", "blocks.0.conv_in"], artifact.name
