"""Files of a network in memory, on their runtimes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import edgekit as ek
from edgekit.errors import ArtifactError, DataError, DeviceError, UsageError
from edgekit.types import Artifact
from tests import texts
from tests.shapes import loader, samples, trained


@pytest.fixture(scope="module")
def model() -> ek.Network:
    return ek.load(trained(), example_input=torch.zeros(1, 1, 8, 8))


@pytest.fixture(scope="module")
def data() -> ek.Data:
    return ek.Data(train=loader(96, seed=1), test=loader(30, seed=2))


@pytest.fixture(scope="module")
def files(
    model: ek.Network, data: ek.Data, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Artifact, ...]:
    return ek.export(
        model,
        target="raspberrypi4",
        precisions=["fp32", "int8"],
        runtimes=["onnxruntime"],
        calibration=data,
        out=tmp_path_factory.mktemp("files"),
    )


def test_files_answer_as_the_network(
    model: ek.Network, data: ek.Data, files: tuple[Artifact, ...]
) -> None:
    assert [one.name for one in files] == ["onnxruntime-fp32", "onnxruntime-int8"]
    assert all(one.files[0].is_file() for one in files)
    assert files[1].quantized is not None
    assert files[1].quantized.metric == "accuracy"
    found = ek.evaluate(files, data)
    reference = ek.evaluate(model, data)
    assert found["onnxruntime-fp32"] == reference
    assert found["onnxruntime-int8"].value >= reference.value - 0.1
    assert ek.evaluate(files[0], data) == reference


def test_a_metric_of_the_callers(
    model: ek.Network, data: ek.Data, files: tuple[Artifact, ...]
) -> None:
    def first_class(outputs: np.ndarray, targets: np.ndarray) -> float:
        return float((outputs.argmax(1) == 0)[targets == 0].mean())

    expected = ek.evaluate(model, data, metric=first_class)
    assert expected.metric == "first class"
    assert ek.evaluate(files[0], data, metric=first_class) == expected
    assert ek.evaluate(files[0], data, metric="balanced-accuracy").value > 0.9


def test_a_metric_that_is_a_module(model: ek.Network, data: ek.Data) -> None:
    from torchmetrics.classification import MulticlassAccuracy

    metric = MulticlassAccuracy(num_classes=3, average="micro")
    found = ek.evaluate(model, data, metric=metric)
    assert found.value == pytest.approx(ek.evaluate(model, data).value)


def test_what_cannot_be_exported(model: ek.Network, tmp_path: Path) -> None:
    out = tmp_path / "files"
    with pytest.raises(ArtifactError, match="calibration"):
        ek.export(model, target="raspberrypi4", precisions=["int8"], out=out)
    with pytest.raises(DeviceError, match="does not run openvino"):
        ek.export(model, target="raspberrypi4", runtimes=["openvino"], out=out)
    with pytest.raises(DataError, match="shape"):
        ek.export(
            model,
            target="raspberrypi4",
            calibration=torch.zeros(4, 3, 8, 8),
            out=out,
        )
    assert not out.exists() or not any(out.iterdir())


def test_files_and_samples_that_do_not_fit(files: tuple[Artifact, ...]) -> None:
    with pytest.raises(DataError, match=r"samples of shape \[2\]"):
        ek.evaluate(files[0], ek.Data(test=(torch.zeros(4, 2), torch.zeros(4))))
    unlabeled = ek.Data(test=samples(8, seed=1).tensors[0])
    with pytest.raises(DataError, match="no labels"):
        ek.evaluate(files[0], unlabeled)


def test_one_quantized_file(model: ek.Network, data: ek.Data, tmp_path: Path) -> None:
    student = tmp_path / "student.pt2"
    model.save(student)
    one = ek.quantize(
        student, runtime="onnxruntime", calibration=data, out=tmp_path / "files"
    )
    assert one.precision == "int8" and one.files[0].parent == tmp_path / "files"
    assert one.quantized is not None and one.quantized.metric == "accuracy"
    assert ek.evaluate(one, data).value >= ek.evaluate(model, data).value - 0.1


def test_a_float_precision_quantizes_nothing(
    model: ek.Network, data: ek.Data, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="precision = 'fp32' quantizes nothing"):
        ek.quantize(
            model,
            runtime="litert",
            calibration=data,
            precision="fp32",
            out=tmp_path / "files",
        )
    assert not (tmp_path / "files").exists()


class Opinion(nn.Module):
    """More good words than bad ones, by their token numbers."""

    def __init__(self) -> None:
        super().__init__()
        weights = torch.zeros(len(texts.vocabulary()), 2)
        for place, word in enumerate(("bad", "good")):
            weights[texts.vocabulary().index(word), place] = 1.0
        self.votes = nn.Embedding.from_pretrained(weights, freeze=False)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        return self.votes(input_ids).sum(1)


def test_texts_are_read_by_the_tokenizer_that_files_bring(tmp_path: Path) -> None:
    """Beside an exported file, and in the bundle whose candidate it is."""
    given = (["good film", "bad", "very good", "not the bad film"], [1, 0, 1, 0])
    example, out = torch.zeros(1, texts.LENGTH).long(), tmp_path / "bundle/candidates"
    named = ek.Data(calibration=given[0], tokenizer=texts.write(tmp_path / "tokenizer"))
    [made] = ek.export(
        ek.load(Opinion(), example_input=example),
        target="host",
        runtimes=["onnxruntime"],
        precisions=["fp32"],
        calibration=named,
        out=out,
    )
    beside = out / "tokenizer.json"
    content = json.loads(beside.read_text("utf-8"))
    assert content["truncation"]["max_length"] == texts.LENGTH
    assert ek.evaluate(made, ek.Data(test=given)).value == 1.0
    above = beside.rename(tmp_path / "bundle/tokenizer.json")
    assert ek.evaluate(made, ek.Data(test=given)).value == 1.0
    above.unlink()
    with pytest.raises(DataError, match="tokenizer"):
        ek.evaluate(made, ek.Data(test=given))
