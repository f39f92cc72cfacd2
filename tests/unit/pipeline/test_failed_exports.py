"""Exports that failed: reported with their reasons, and not tried again."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.errors import ArtifactError
from edgekit.export.queues import Failure
from edgekit.export.workers import export_request
from edgekit.pipeline.failed_exports import keep_failure, known_failure
from edgekit.pipeline.runners import ExportRunner
from edgekit.program.program import Program, trace
from edgekit.progress import Silent
from edgekit.store import Store, stages
from edgekit.types import InputSpec

REQUEST = export_request("litert", "fp32")


@pytest.fixture(scope="module")
def network() -> Program:
    torch.manual_seed(0)
    return trace(nn.Linear(4, 2), (InputSpec(shape=(4,)),))


def failure(*, passing: bool = False) -> Failure:
    error = ArtifactError(
        "LiteRT export of litert-fp32 failed: no kernel for aten.sort"
    )
    error.add_note("printed by the converter")
    return Failure(request=REQUEST, error=error, converting=True, passing=passing)


def runner(root: Path) -> ExportRunner:
    return ExportRunner(target="raspberrypi4", progress=Silent(), store=Store(root))


def stage(one: ExportRunner, network: Program):
    [found] = one._stages(
        network, [("litert", "fp32")], "Export", None, (), None
    ).values()
    return found


def exported(one: ExportRunner, network: Program, folder: Path) -> list[Failure]:
    """The failures of an export that may start no process."""
    failed: list[Failure] = []
    made = one.export(
        network, [("litert", "fp32")], folder, title="Export", on_failure=failed.append
    )
    assert made == []
    return failed


@pytest.fixture
def no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_arguments: object, **_named: object) -> None:
        raise AssertionError("an export was tried")

    monkeypatch.setattr(sys.modules[Failure.__module__], "start", refuse)


@pytest.mark.usefixtures("no_process")
def test_a_kept_failure_has_its_reason_and_starts_nothing(
    network: Program, tmp_path: Path
) -> None:
    one = runner(tmp_path / "cache")
    keep_failure(one.store, stage(one, network), failure())
    again = runner(tmp_path / "cache")
    [found] = exported(again, network, tmp_path)
    assert (found.request, found.converting) == (REQUEST, True)
    assert str(found.error) == str(failure().error)
    assert found.error.__notes__ == ["printed by the converter"]
    assert again.store is not None
    assert [(o.kind, o.kept) for o in again.store.outcomes] == [
        ("failed-exports", True)
    ]


@pytest.mark.usefixtures("no_process")
def test_a_failure_is_tried_again_where_its_inputs_or_the_code_changed(
    network: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = runner(tmp_path / "cache")
    keep_failure(one.store, stage(one, network), failure())
    turned = replace(one, channels_last=True)
    versions = {**stage(one, network).inputs, "versions": {"litert-torch": "99"}}
    newer = replace(stage(one, network), inputs=versions)
    for changed in (stage(turned, network), newer):
        assert known_failure(one.store, changed, REQUEST, Silent()) is None
    monkeypatch.setattr(stages, "_digest", lambda _folders: "another code")
    with pytest.raises(AssertionError, match="an export was tried"):
        exported(runner(tmp_path / "cache"), network, tmp_path)


def test_a_failure_that_may_pass_is_not_kept(network: Program, tmp_path: Path) -> None:
    one = runner(tmp_path)
    keep_failure(one.store, stage(one, network), failure(passing=True))
    assert known_failure(one.store, stage(one, network), REQUEST, Silent()) is None
