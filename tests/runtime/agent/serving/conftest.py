"""A server of a tiny model."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.runtime.agent.serving.test_server import Served, start
from tests.runtime.conftest import write_requantizing_tflite


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    model = write_requantizing_tflite(folder / "requantize.tflite")
    one = start(folder, model, "--max-body-kb", "64")
    yield one
    one.process.send_signal(signal.SIGTERM)
    assert one.process.wait(timeout=30) == 0
