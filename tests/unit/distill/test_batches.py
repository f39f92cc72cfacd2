"""Batches of a data set."""

from __future__ import annotations

import pytest

from edgekit.distill import batches
from edgekit.program.program import Program
from tests.unit.distill.test_train import distilled, network


def test_streamed_samples_teach_the_same(
    teacher: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    student = network(4, 1)
    held = distilled(teacher, student)
    monkeypatch.setattr(batches, "MEMORY", 0)
    assert (
        distilled(teacher, student).program.fingerprint() == held.program.fingerprint()
    )
