"""OpenVINO files that end as the network's own file did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import onnx

from edgekit.agent.runtimes.openvino import DEFAULTS
from edgekit.program.tail import OUTPUTS


def complete(source: Path, tail: Path, path: Path) -> None:
    """Write `source` with the operators of the ONNX file `tail` behind its outputs.

    Raises what OpenVINO raises where it cannot read or run them.
    """
    import openvino

    core = openvino.Core()
    model, behind = core.read_model(str(source)), core.read_model(str(tail))
    stored = onnx.load(str(tail))
    properties = {each.key: each.value for each in stored.metadata_props}
    own: dict[str, Any] = {}
    parameters = {name: each for each in behind.inputs for name in each.get_names()}
    for value, result in zip(stored.graph.input, model.get_results(), strict=True):
        own[value.name] = result
        given = result.input_value(0)
        for target in parameters[value.name].get_target_inputs():
            target.replace_source_output(given)
    ends = {
        value.name: result
        for value, result in zip(stored.graph.output, behind.get_results(), strict=True)
    }
    results = [(own | ends)[name] for name in json.loads(properties[OUTPUTS])]
    whole = openvino.Model(results, model.get_parameters(), model.get_friendly_name())
    for key, info in model.get_rt_info().items():
        whole.set_rt_info(info, key)
    core.compile_model(whole, "CPU", DEFAULTS)
    openvino.save_model(whole, str(path), compress_to_fp16=False)
