from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from edgekit.pipeline.stage_records import (
    ArraysRecord,
    ArtifactRecord,
    NetworkRecord,
    copy_files,
)
from edgekit.program.program import trace
from edgekit.types import Artifact, InputSpec, QuantConfig, QuantResult, TensorSpec


def test_a_network_is_itself_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.1))
    network = trace(layers, (InputSpec(shape=(1, 8, 8)),))
    record = NetworkRecord()
    record.write(network, tmp_path)
    again = record.read(tmp_path)
    assert again.fingerprint() == network.fingerprint()
    inputs = network.example(3)
    assert torch.equal(again.module(*inputs), network.module(*inputs))
    assert again.specs == network.specs


def test_arrays_keep_their_order_bits_and_names(tmp_path: Path) -> None:
    arrays = {
        "b.weight": np.array([0.1, 1 / 3, np.nan, np.inf]),
        "a": np.arange(6, dtype=np.float32).reshape(2, 3).T,
        "empty": np.zeros((0, 3), np.int64),
    }
    record = ArraysRecord()
    record.write(arrays, tmp_path)
    again = record.read(tmp_path)
    assert list(again) == list(arrays)
    for name, values in arrays.items():
        assert again[name].dtype == values.dtype
        np.testing.assert_array_equal(again[name], values)


@pytest.fixture
def artifact(tmp_path: Path) -> Artifact:
    files = tuple(tmp_path / f"made/x{suffix}" for suffix in (".xml", ".bin"))
    files[0].parent.mkdir()
    for file in files:
        file.write_bytes(file.name.encode())
    (tmp_path / "made/x-complete.xml").write_bytes(b"with its tail")
    how = QuantResult(
        quant_config=QuantConfig(float_layers=("a",)),
        accuracy_drop=0.1,
        allowed=0.2,
        metric="accuracy",
        samples=3,
        trials=(),
    )
    spec = TensorSpec(name="in", shape=(1, 3), dtype="float32")
    return Artifact(
        name="openvino-int8",
        runtime="openvino",
        precision="int8",
        files=files,
        inputs=(spec,),
        outputs=(spec,),
        quantized=how,
    )


def test_an_artifact_comes_with_all_its_files(
    artifact: Artifact, tmp_path: Path
) -> None:
    entry, place = tmp_path / "entry", tmp_path / "place"
    entry.mkdir()
    ArtifactRecord().write(artifact, entry)
    again = copy_files(ArtifactRecord().read(entry), place)
    assert [file.read_bytes() for file in again.files] == [b"x.xml", b"x.bin"]
    assert (place / "x-complete.xml").read_bytes() == b"with its tail"
    assert again.quantized == artifact.quantized
    assert again.inputs == artifact.inputs
    # A contract that is written into the copy leaves the kept file as it was.
    again.files[0].write_bytes(b"described")
    assert (entry / "x.xml").read_bytes() == b"x.xml"
