"""Builds on the machines of a cluster: projects go there, and bundles come back.

Both travel through the store; a worker is given records alone.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
from dataclasses import replace
from pathlib import Path

from edgekit import scratch
from edgekit.api.environment import attached_environment
from edgekit.bundle_files import REPORT
from edgekit.config import lock_file, project
from edgekit.errors import BudgetMissed, EdgeKitError, UsageError
from edgekit.package import bundle
from edgekit.pipeline.build import build as run_build
from edgekit.pipeline.fleet import transport
from edgekit.pipeline.fleet.records import Done, Failure, FleetTask, TaskState
from edgekit.progress import Progress
from edgekit.report.document import from_json
from edgekit.store import Store
from edgekit.store.shared import SHARED
from edgekit.types import Report

_LOG = logging.getLogger("edgekit")
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}
"""Threads that wait by spinning slow down the builds beside them."""


def environment(store: Store, *, shared: bool) -> dict[str, str]:
    """Variables of every worker.

    Raises `UsageError` without a shared cache where the machines are `shared` ones of a cluster.
    """
    if shared and store.shared is None:
        raise UsageError(
            f"The machines of a cluster exchange files through a shared cache. Set {SHARED} to a "
            "folder that each of them has, or to a URL."
        )
    return _WAITING | (
        {SHARED: store.shared.address} if store.shared is not None else {}
    )


def build(task: FleetTask, address: str, progress: Progress) -> Done:
    """Build on a worker, into the store; every error is in the result."""
    stages, place = Stages(), Path()
    bundle_entry, failure = None, None
    try:
        store = Store()
        with transport.project_files(store, task.project or "") as root:
            place, asked = root.resolve(), task.request
            moved = replace(asked.project, root=place, file=place / project.FILE)
            request = replace(asked, project=moved, lock_folder=None)
            attached = attached_environment(request, device=address, progress=progress)
            with attached as env, scratch.folder() as aside:
                stages.store = env.store
                try:
                    run_build(request, env, aside / "bundle")
                except BudgetMissed as error:
                    failure = Failure.of(error)
                bundle_entry = transport.keep_bundle(aside / "bundle", store)
    except Exception as error:  # noqa: BLE001 - the other builds go on, and it is named there
        _LOG.exception("%s failed", task.name)
        failure = Failure.of(error)
    if failure is not None and place != Path():  # the user's folder, not the copy of it
        own = str(task.request.project.root)
        failure = replace(failure, message=failure.message.replace(str(place), own))
    return Done(
        bundle=bundle_entry,
        failure=failure,
        stages_kept=stages.kept,
        stages_run=stages.run,
    )


class Stages:
    """The stages of a build so far, whatever ends it."""

    store: Store | None = None

    @property
    def kept(self) -> int:
        """Those that were kept from before."""
        return sum(one.kept for one in self.store.outcomes) if self.store else 0

    @property
    def run(self) -> int:
        """Those that were run."""
        return len(self.store.outcomes) - self.kept if self.store else 0


def delivered(state: TaskState, store: Store) -> TaskState:
    """The bundle of a task that ended on a worker, in its folder, and its lock by the project."""
    if state.done is None or state.done.bundle is None:
        return state
    try:
        files = transport.bundle_files(store, state.done.bundle)
        with bundle.replacing(state.task.out) as folder:
            shutil.copytree(files, folder, dirs_exist_ok=True)
        _publish_lock(state.task)
    except EdgeKitError as error:
        state.fail(error)
    return state


def _publish_lock(task: FleetTask) -> None:
    request = task.request
    if request.lock_folder is None or request.locked is not None:
        return
    name = request.target.name
    if not os.access(request.lock_folder, os.W_OK):
        return  # the lock is in the bundle
    lock_file.write(request.lock_folder, name, lock_file.read(task.out, name))


def report_of(state: TaskState) -> Report | None:
    """The report of a bundle in its folder; `None` where nothing was built."""
    done = state.done or Done()
    if done.failure is not None and not done.missed:
        return None
    text = (state.task.out / REPORT).read_text(encoding="utf-8")
    return from_json(json.loads(text))
