"""The two sides of a comparison."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit.devices.local import LocalDevice
from edgekit.diff import inputs
from edgekit.diff.diff import diff
from edgekit.diff.inputs import Question
from edgekit.errors import UsageError
from edgekit.program import tokenizer
from edgekit.program.program import trace
from edgekit.progress import Silent
from edgekit.types import InputSpec
from tests import texts


def test_what_is_not_a_source_is_refused_with_the_forms(exported_project: Path) -> None:
    artifact = exported_project / "files/onnxruntime-fp32.onnx"
    question = Question(
        artifact=artifact,
        folder=exported_project,
        against=exported_project / "data.npz",
    )
    with pytest.raises(UsageError, match=r"--against .*data.npz .*file.py:function"):
        diff(question, LocalDevice(), Silent())


def test_a_bundles_student_reads_texts_by_the_tokenizer_beside_it(
    tmp_path: Path,
) -> None:
    network = torch.nn.Embedding(len(texts.vocabulary()), 2)
    spec = InputSpec(name="input_ids", shape=(texts.LENGTH,), dtype="int64")
    trace(network, (spec,), (torch.int64,)).save(tmp_path / inputs.STUDENT)
    texts.write(tmp_path)
    asked = Question(artifact=tmp_path / "model.onnx")
    found, reference = inputs._reference(asked, asked.artifact, None)
    assert reference == inputs.STUDENT
    assert found.tokenizer == tokenizer.read(tmp_path)
