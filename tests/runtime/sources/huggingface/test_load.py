"""A text network of a folder, cut and exported, gives the same on every runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edgekit import sources
from edgekit.devices.local import LocalDevice
from edgekit.evaluate.run import infer
from edgekit.export.workers import export_all
from edgekit.graph.graph import analyze
from edgekit.graph.surgery import shrink
from edgekit.types import InputSpec, ModelSpec
from tests.runtime.export.apart import relative_error
from tests.unit.sources.huggingface import folders
from tests.zoo.exactness import random_plan

pytest.importorskip("transformers")


@pytest.mark.parametrize("runtime", ["onnxruntime", "litert", "openvino"])
def test_a_cut_text_network_keeps_its_inputs_and_logits(
    runtime: str, tmp_path: Path
) -> None:
    folders.bert(tmp_path / "folder")
    spec = ModelSpec(source="folder", input=InputSpec(shape=(8,)))
    graph = analyze(sources.load(spec, root=tmp_path))
    exact = [group for group in graph.groups if group.exact]
    cut = shrink(graph, random_plan(exact, 0.3))
    chance = np.random.default_rng(0)
    ids = chance.integers(0, folders.VOCABULARY, (3, 8))
    mask = (np.arange(8)[None] < np.array([[8], [5], [2]])).astype(np.int64)
    given = (ids, mask, ids % 2)
    [artifact] = export_all(
        cut, [(runtime, "fp32")], calibration=None, folder=tmp_path / "made"
    )
    names = ["input_ids", "attention_mask", "token_type_ids"]
    assert [one.name for one in artifact.inputs] == names
    assert [one.name for one in artifact.outputs] == ["logits"]
    with torch.no_grad():
        expected = cut.module(*map(torch.from_numpy, given)).numpy()
    assert relative_error(infer(artifact, given, LocalDevice()), expected) < 1e-4
