"""Reports of stages, as log records."""

from __future__ import annotations

import logging

import pytest

from edgekit.progress import Logged


def test_lines_and_stages_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG, "edgekit"):
        progress = Logged()
        progress.say("A line of 100 %")
        with progress.step("Distill") as step:
            step.update(1, 2, "loss 0.5")
    levels = [record.levelname for record in caplog.records]
    assert levels == ["INFO", "INFO", "DEBUG", "INFO"]
    said = caplog.messages
    assert said[:3] == ["A line of 100 %", "Distill ...", "1 of 2: loss 0.5"]
    assert said[3].startswith("Distill: ")
