"""A setting is kept only where every turn gained; the report says what was seen."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.pipeline.runtime_options import _alternatives, _gaining, _note
from edgekit.types import Artifact, RuntimeOptions

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
    ("ratios", "kept"),
    [
        ([(OFF, [0.8, 0.9, 0.96])], OFF),
        ([(OFF, [0.5, 0.5, 0.98])], RuntimeOptions()),
        ([(OFF, [0.8, 0.9, 0.9]), (ONE, [0.7, 0.6, 0.7])], ONE),
        ([(OFF, [float("inf")] * 3)], RuntimeOptions()),
        ([], RuntimeOptions()),
    ],
)
def test_what_surely_gains_is_kept(artifact, ratios, kept) -> None:
    assert _gaining(artifact, ratios) == kept


def test_what_was_seen_is_said(artifact) -> None:
    seen = [(OFF, [2.0, 2.5, 3.0])]
    assert _note(artifact, seen, RuntimeOptions(), 9) == (
        "litert-int8: settings against the default's time: xnnpack = False 2.50x; "
        "defaults kept"
    )
    assert "no settings compared within 9 s" in _note(artifact, [], RuntimeOptions(), 9)


def test_threads_stay_within_the_profiles(artifact) -> None:
    assert {each.threads for each in _alternatives(artifact, 1)} == {None}
    assert {each.threads for each in _alternatives(artifact, 4)} == {None, 1, 2}
