"""Faults of a worker's process."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path

import pytest

from edgekit.errors import ArtifactError
from edgekit.export.workers import export_all
from tests.runtime.export.test_workers import VARIANTS, workers


@pytest.mark.usefixtures("fresh_processes")
def test_an_interruption_ends_the_workers_and_leaves_nothing(
    convolutional_network, folder: Path
) -> None:
    program, samples = convolutional_network

    def interrupt(name: str) -> None:
        assert workers()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_all(
            program, VARIANTS, calibration=samples, folder=folder, on_done=interrupt
        )
    assert not workers()
    assert not list(folder.iterdir())


@pytest.mark.usefixtures("fresh_processes")
def test_a_crash_is_an_error_by_name(convolutional_network, folder: Path) -> None:
    program, samples = convolutional_network
    titles = {"litert-fp32": "LiteRT", "onnxruntime-fp32": "ONNX"}
    crashed: list[str] = []

    def crash(name: str) -> None:
        """Of the worker that is not done, whichever was faster."""
        [last] = titles.keys() - {name}
        [running] = [
            one
            for one in workers()
            if one.cmdline()[-1].endswith(f"{last.removesuffix('-fp32')}.json")
        ]
        os.kill(running.pid, signal.SIGSEGV)
        crashed.append(last)

    with pytest.raises(ArtifactError) as caught:
        export_all(
            program,
            [("litert", "fp32"), ("onnxruntime", "fp32")],
            calibration=samples,
            folder=folder,
            on_done=crash,
        )
    [last] = crashed
    words = rf"^{titles[last]} export of {last} failed: .* SIGSEGV"
    assert re.match(words, str(caught.value))
    assert not list(folder.iterdir())
