"""Exports in forks of a process that keeps the libraries."""

from __future__ import annotations

import hashlib
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch
from torch import nn

from edgekit.errors import ArtifactError
from edgekit.export import warm
from edgekit.export.workers import Variant, export_all, prepare
from edgekit.program.program import Program, trace
from edgekit.types import InputSpec
from tests.processes import below

FORMS: list[Variant] = [("onnxruntime", "fp32")]


def dense(width: int) -> Program:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))
    return trace(network, (InputSpec(shape=(4,)),))


def digest(program: Program, folder: Path) -> str:
    [made] = export_all(program, FORMS, calibration=None, folder=folder)
    return hashlib.sha256(made.files[0].read_bytes()).hexdigest()


_OF_OTHER_TESTS: list[psutil.Process] = []


def libraries() -> list[psutil.Process]:
    found = below(f" {warm.__name__} ")
    return [one for one in found if one not in _OF_OTHER_TESTS]


@pytest.fixture(scope="module", autouse=True)
def _outside() -> Iterator[None]:
    """Nothing is kept at first, and what all tests keep is not looked at."""
    before, warm._pools[:] = [*warm._pools], []
    _OF_OTHER_TESTS[:] = libraries()
    yield
    warm._pools[:] = before


@pytest.fixture(scope="module")
def fresh(tmp_path_factory) -> str:
    """The file by a process of its own."""
    return digest(dense(8), tmp_path_factory.mktemp("fresh"))


def test_forks_make_the_bytes_that_a_fresh_process_makes(tmp_path, fresh) -> None:
    with warm.kept():
        with warm.kept():  # uses the outer block's
            first = digest(dense(8), tmp_path / "first")
            [process] = libraries()
        digest(dense(16), tmp_path / "other")  # leaves nothing behind
        began = time.monotonic()
        again = digest(dense(8), tmp_path / "again")
        seconds = time.monotonic() - began
        assert libraries() == [process]
    assert first == again == fresh
    assert not libraries()
    print(f"in a fork: {seconds:.1f} s")


def test_a_crashed_fork_is_replaced_and_its_job_done_alone(
    tmp_path, fresh, monkeypatch
) -> None:
    start, asked = warm.start, []

    def crash(*arguments, **named):
        fork = start(*arguments, **named)
        asked.append(fork)
        os.killpg(fork.warm._process.pid, signal.SIGKILL)
        return fork

    monkeypatch.setattr(warm, "start", crash)
    with warm.kept():
        assert digest(dense(8), tmp_path) == fresh
    assert len(asked) == 1
    assert not libraries()


def test_what_fails_twice_is_named_once(tmp_path) -> None:
    class Unsupported(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.special.bessel_j0(x)

    program = trace(Unsupported(), (InputSpec(shape=(4,)),))
    with warm.kept(), pytest.raises(ArtifactError, match="onnxruntime-fp32 failed"):
        export_all(program, FORMS, calibration=None, folder=tmp_path)
    assert not libraries()


def test_libraries_that_are_imported_ahead_are_those_of_the_export(
    tmp_path, fresh
) -> None:
    prepare(["onnxruntime"])
    assert not libraries()
    with warm.kept():
        prepare(["onnxruntime"])
        [process] = libraries()
        assert digest(dense(8), tmp_path) == fresh
        assert libraries() == [process]
        prepare(["openvino"])
        assert {one.cmdline()[-2] for one in libraries()} == {"onnxruntime", "openvino"}
    assert not libraries()


def test_libraries_found_elsewhere_are_imported_again(tmp_path, monkeypatch) -> None:
    with warm.kept():
        prepare(["onnxruntime"])
        [process] = libraries()
        monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path))
        prepare(["onnxruntime"])
        assert libraries() == [process]
        monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
        prepare(["onnxruntime"])
        [another] = libraries()
        assert another != process
    assert not libraries()


def test_an_environment_too_long_for_a_message_is_that_of_a_fresh_process(
    tmp_path, fresh, monkeypatch
) -> None:
    for number in range(4):  # a variable has 128 KiB at most
        monkeypatch.setenv(f"EDGEKIT_LONG_{number}", "x" * 100_000)
    with warm.kept():
        assert digest(dense(8), tmp_path) == fresh
    assert not libraries()


def test_nothing_is_kept_outside(tmp_path) -> None:
    request, log = tmp_path / "job.json", tmp_path / "log"
    assert warm.start("onnxruntime", request, log, {"OMP_NUM_THREADS": "1"}) is None
