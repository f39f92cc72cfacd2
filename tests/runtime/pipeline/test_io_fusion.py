"""Files of several inputs that prepare their own raw values, on every runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from edgekit.config import project
from edgekit.devices.local import LocalDevice
from edgekit.errors import DataError, ProjectError
from edgekit.evaluate.accuracy import predict
from edgekit.evaluate.run import infer
from edgekit.export.workers import export_all
from edgekit.pipeline.io_fusion import artifact_inputs, left_over, prepared
from edgekit.pipeline.samples import BuildData, read_samples
from edgekit.program.io_fusion import folded
from edgekit.program.program import Program, trace
from edgekit.progress import Silent
from edgekit.types import InputSpec
from tests.runtime.export.digits import RUNTIMES

PROJECT = """\
[model]
source = "student.pt2"
[[model.inputs]]
name = "image"
preprocess = {{ scale = 255.0, mean = [0.5], std = [0.25] }}
[[model.inputs]]
name = "measured"
preprocess = {{ scale = 10.0, mean = [1.0, 2.0, 3.0, 4.0], std = [0.5] }}
[data]
train = "data.npz"
test  = "data.npz"
[recipe.export]
fold_preprocessing = {how}
"""
RANDOM = np.random.default_rng(0)
ARRAYS = {
    "image": RANDOM.integers(0, 256, (60, 1, 6, 6), np.uint8),
    "measured": RANDOM.normal(size=(60, 4)).astype(np.float32) * 9,
    "words": RANDOM.integers(0, 10, (60, 5)),
    "labels": np.arange(60) % 3,
}


class Three(nn.Module):
    """An image, measured values and words, each of which decides."""

    def __init__(self) -> None:
        super().__init__()
        self.seen, self.felt = nn.Conv2d(1, 4, 3), nn.Linear(4, 4)
        self.read, self.head = nn.Embedding(10, 4), nn.Linear(12, 3)

    def forward(self, image: Tensor, measured: Tensor, words: Tensor) -> Tensor:
        seen = self.seen(image).relu().mean((2, 3))
        read = self.read(words).mean(1)
        return self.head(torch.cat([seen, self.felt(measured).relu(), read], 1))


@pytest.fixture(scope="module")
def program() -> Program:
    torch.manual_seed(0)
    specs = (
        InputSpec(name="image", shape=(1, 6, 6)),
        InputSpec(name="measured", shape=(4,)),
        InputSpec(name="words", shape=(5,)),
    )
    dtypes = (torch.float32, torch.float32, torch.int64)
    return trace(Three().eval(), specs, dtypes)


def read(root: Path, program: Program, how: str) -> BuildData:
    program.save(root / "student.pt2")
    np.savez(root / "data.npz", **ARRAYS)
    (root / "edgekit.toml").write_text(PROJECT.format(how=how))
    one = project.load(root)
    return prepared(one, program, read_samples(one, program, {}, Silent()))


def test_each_input_is_raw_in_its_own_type(tmp_path: Path, program: Program) -> None:
    how = '{ image = "uint8", measured = "float32" }'
    samples = read(tmp_path, program, how)
    raw = artifact_inputs(samples)
    for given, name in zip(raw.test.feeds()[0], program.inputs, strict=True):
        np.testing.assert_array_equal(given, ARRAYS[name.name])
    scored = predict(program, samples.test)
    made = export_all(
        folded(program, samples.folding),
        [(one, precision) for one in RUNTIMES for precision in ("fp32", "int8")],
        calibration=raw.calibration,
        folder=tmp_path / "made",
    )
    assert len(made) == 6
    for artifact in made:
        assert [one.name for one in artifact.inputs] == ["image", "measured", "words"]
        assert [one.dtype for one in artifact.inputs] == ["uint8", "float32", "int64"]
        answers = infer(artifact, raw.test.feeds()[0], LocalDevice())
        allowed = 1e-5 if artifact.precision == "fp32" else 0.1
        error = np.abs(answers - scored).max() / np.abs(scored).max()
        assert error < allowed, artifact.name


def test_inputs_that_are_not_named_stay_the_application_s(
    tmp_path: Path, program: Program
) -> None:
    samples = read(tmp_path, program, '{ image = "uint8" }')
    assert [how.scale for how in left_over(samples)] == [1.0, 10.0, 1.0]
    whole = folded(program, samples.folding)
    assert whole.dtypes == (torch.uint8, torch.float32, torch.int64)
    raw = whole.tensors(artifact_inputs(samples).test.feeds()[0])
    expected = program.module(*program.tensors(samples.test.feeds()[0]))
    torch.testing.assert_close(whole.module(*raw), expected)


def test_one_name_is_for_every_input_of_values(
    tmp_path: Path, program: Program
) -> None:
    samples = read(tmp_path, program, '"float32"')
    assert [one.name for one in samples.folding.inputs] == ["image", "measured"]
    assert [how.scale for how in left_over(samples)] == [1.0, 1.0, 1.0]


@pytest.mark.parametrize(
    ("how", "error", "message"),
    [
        ('"uint8"', DataError, r"of 'measured' hold values .* measured = 'float32'"),
        ('{ words = "uint8" }', ProjectError, "'words', which takes tokens"),
        (
            '{ picture = "uint8" }',
            ProjectError,
            "'picture', which the network lacks. .*image",
        ),
    ],
)
def test_what_cannot_be_raw_is_named(
    tmp_path: Path, program: Program, how: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        read(tmp_path, program, how)
