"""A whole build, kept: the next one of the same inputs copies its bundle.

It is used again while every stage that it was made of is still kept and whole, and its times are
recent: removing what one stage left has that stage run again.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from edgekit.errors import OutputError
from edgekit.pipeline import locked, stage_inputs
from edgekit.pipeline.assemble import times_reused, versions, write_bundle
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import recent
from edgekit.report.document import from_json
from edgekit.report.measurement_words import taken_shown
from edgekit.store import Outcome, Stage, Store, find, keep, key, listed
from edgekit.types import Measurement, Report

_BUNDLE, _STAGES = "bundle", "stages.json"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A bundle, its report, and the stages that made it."""

    folder: Path
    """The bundle's files."""
    report: Report
    stages: tuple[Outcome, ...]


class _Record:
    """The bundle as it lies in its folder, and its stages in JSON."""

    def write(self, value: Finished, folder: Path) -> None:
        """Copy the bundle, and list the stages."""
        shutil.copytree(value.folder, folder / _BUNDLE)
        text = json.dumps([asdict(one) for one in value.stages])
        (folder / _STAGES).write_text(text, encoding="utf-8")

    def read(self, folder: Path) -> Finished:
        """The bundle; its files are the store's, and must not be written to."""
        bundle = folder / _BUNDLE
        report = json.loads((bundle / "report.json").read_text(encoding="utf-8"))
        stages = json.loads((folder / _STAGES).read_text(encoding="utf-8"))
        return Finished(
            folder=bundle,
            report=from_json(report),
            stages=tuple(Outcome(**one) for one in stages),
        )


@dataclass(frozen=True, kw_only=True)
class Builds:
    """Earlier builds of the same inputs."""

    request: BuildRequest
    env: Environment
    loaded: Loaded
    stage: Stage[Finished]
    began: int
    """Stages of this process before the build."""

    @classmethod
    def of(cls, request: BuildRequest, env: Environment, loaded: Loaded) -> Builds:
        """By everything that a build depends on."""
        store = env.store
        stage = Stage(
            kind="bundles",
            title="Bundle",
            inputs=_inputs(request, env, loaded),
            record=_Record(),
            portable=False,
            holds=lambda found: _recent(found.report) and _whole(store, found.stages),
            words=_words,
        )
        began = len(store.outcomes)
        return cls(request=request, env=env, loaded=loaded, stage=stage, began=began)

    @property
    def known(self) -> bool:
        """Return whether all is declared: no functions in memory, no networks of the recipe's."""
        distill = self.request.project.recipe.distill
        named = (distill.student, distill.assistants, distill.teachers)
        return not (self.env.mark or any(named))

    def again(self, folder: Path) -> Report | None:
        """The report of an earlier build, its bundle in `folder`; `None` without one."""
        store = self.env.store
        found = find(store, self.stage, self.env.progress) if self.known else None
        if found is None:
            return None
        store.outcomes += [replace(one, kept=True) for one in found.stages]
        shutil.copytree(found.folder, folder, dirs_exist_ok=True)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        report = replace(times_reused(found.report), created=created)
        write_bundle(report, None, self.loaded, folder)
        return report

    def keep(self, report: Report, folder: Path) -> None:
        """Keep the bundle that lies finished in `folder`; without space for it, it is not."""
        if not self.known:
            return
        store = self.env.store
        stages = tuple(store.outcomes[self.began :])
        done = Finished(folder=folder, report=report, stages=stages)
        try:
            keep(store, self.stage, done)
        except OutputError as error:
            self.env.progress.say(f"The bundle is not kept for the next build: {error}")


def is_first(request: BuildRequest, store: Store) -> bool:
    """Return whether no bundle of the project is kept for the target: little is there to reuse."""
    named = (request.project.name, request.target.name)
    return named not in {
        tuple(one.get(name, "").strip('"') for name in ("project.name", "target.name"))
        for one in listed(store, "bundles")
    }


def _inputs(
    request: BuildRequest, env: Environment, loaded: Loaded
) -> dict[str, object]:
    project, samples = request.project, loaded.samples
    return {
        **locked.conditions(request, loaded),
        "project": {
            "name": project.name,
            "budget": project.budget,
            "priority": project.priority,
            "recipe": project.recipe,
            "data": project.data,
        },
        "network": stage_inputs.of_network(loaded.teacher),
        "test": samples.test.fingerprint(),
        "pool": samples.pool.fingerprint(),
        "reference": loaded.reference,
        "labels": samples.labels,
        "folding": samples.folding,
        "notes": loaded.notes,
        "target": request.target,
        "lock": request.locked,
        "device": stage_inputs.of_device(env.device),
        "runtimes": env.runtimes,
        "machine": locked.here(),
        "libraries": versions(),
    }


def _measurements(report: Report) -> list[Measurement]:
    return [*report.baselines, *(one.measurement for one in report.candidates)]


def _recent(report: Report) -> bool:
    return recent(_measurements(report))


def _whole(store: Store, stages: Sequence[Outcome]) -> bool:
    """Return whether what the stages left is still there, as it was written."""
    return all(store.find(one.kind, key(one.inputs)) is not None for one in stages)


def _words(found: Finished) -> str:
    oldest = min(_measurements(found.report), key=lambda one: one.taken or "")
    taken = taken_shown(oldest.taken, oldest.device)
    return f"kept, with its {len(found.stages)} stages; measured {taken}, reused"
