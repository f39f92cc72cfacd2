"""A setting is kept only where every turn gained; the report lists the trials."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.pipeline.runtime_options import _alternatives, _gaining
from edgekit.types import Artifact, RuntimeOptions
from edgekit.types.export_notes import OptionTrial

OFF = RuntimeOptions(options={"xnnpack": False})
ONE = RuntimeOptions(threads=1)


@pytest.fixture
def artifact() -> Artifact:
    return Artifact(
        name="litert-int8",
        runtime="litert",
        precision="int8",
        files=(Path("x.tflite"),),
        inputs=(),
        outputs=(),
    )


@pytest.mark.parametrize(
    ("tried", "kept"),
    [
        ([(OFF, (0.8, 0.9, 0.96))], OFF),
        ([(OFF, (0.5, 0.5, 0.98))], RuntimeOptions()),
        ([(OFF, (0.8, 0.9, 0.9)), (ONE, (0.7, 0.6, 0.7))], ONE),
        ([(OFF, ())], RuntimeOptions()),
        ([], RuntimeOptions()),
    ],
)
def test_what_surely_gains_is_kept(tried, kept) -> None:
    trials = [OptionTrial(options=how, time_ratios=each) for how, each in tried]
    assert _gaining(trials) == kept


def test_threads_stay_within_the_profiles(artifact) -> None:
    assert {each.threads for each in _alternatives(artifact, 1)} == {None}
    assert {each.threads for each in _alternatives(artifact, 4)} == {None, 1, 2}
