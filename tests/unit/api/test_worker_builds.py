"""Builds of a worker: variables, and bundles and reports that come back."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import edgekit as ek
from edgekit.api import worker_builds
from edgekit.bundle_files import REPORT
from edgekit.errors import BudgetMissed, LockError, OutputError, UsageError
from edgekit.pipeline.fleet import transport
from edgekit.pipeline.fleet.records import Done, Failure, FleetTask, TaskState
from edgekit.progress import Silent
from edgekit.report.document import to_text
from edgekit.store import Store
from edgekit.store.shared import SHARED
from tests import reports
from tests.unit.pipeline import points


@pytest.fixture
def task(tmp_path: Path) -> FleetTask:
    project = tmp_path / "project"
    project.mkdir()
    request = ek.build_request(points.write(project), target="host")
    request = replace(request, lock_folder=None)
    return FleetTask(name="host", request=request, out=tmp_path / "out")


def test_machines_of_a_cluster_need_a_shared_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SHARED, raising=False)
    alone = worker_builds.environment(Store(tmp_path), shared=False)
    assert alone == {"OMP_WAIT_POLICY": "PASSIVE"}
    with pytest.raises(UsageError, match=f"Set {SHARED}"):
        worker_builds.environment(Store(tmp_path), shared=True)
    monkeypatch.setenv(SHARED, str(tmp_path / "shared"))
    found = worker_builds.environment(Store(tmp_path), shared=True)
    assert found[SHARED] == str(tmp_path / "shared")


def test_a_project_that_did_not_arrive_is_the_builds_error(
    task: FleetTask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    done = worker_builds.build(replace(task, project="0" * 64), "local", Silent())
    assert done.failure is not None and done.bundle is None
    assert done.failure.kind == OutputError.__name__
    assert "which another machine left there" in done.failure.message


def test_a_bundle_over_its_budget_comes_back_with_its_report(
    task: FleetTask, tmp_path: Path
) -> None:
    store, made = Store(tmp_path / "cache"), tmp_path / "made"
    made.mkdir()
    report = reports.report()
    (made / REPORT).write_text(to_text(report), encoding="utf-8")
    entry = transport.keep_bundle(made, store)
    failure = Failure.of(BudgetMissed("too slow", None))
    state = TaskState(task=task, done=Done(bundle=entry, failure=failure))
    worker_builds.delivered(state, store)
    assert worker_builds.report_of(state) == report
    other = Done(failure=Failure.of(LockError("no lock")))
    assert worker_builds.report_of(replace(state, done=other)) is None
