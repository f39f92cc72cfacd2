"""A server of a tiny model."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.runtime.agent.serving.test_server import Served, start
from tests.runtime.agent.serving.text_model import write_text_model
from tests.runtime.conftest import write_requantizing_tflite


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    model = write_requantizing_tflite(folder / "requantize.tflite")
    one = start(folder, model, "--max-body-kb", "64")
    yield one
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(timeout=30) == 0


@pytest.fixture(scope="module")
def served_text(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server of a model that takes texts of up to 1 KiB."""
    folder = tmp_path_factory.mktemp("served_text")
    one = start(folder, write_text_model(folder), "--max-text-kb", "1")
    yield one
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(timeout=30) == 0
