"""Exports and timings in fresh processes, as one build asks for them; both are kept.

A timing is taken again after a month; until then it is named with its day and machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from edgekit.bench.protocol import Metering, measure
from edgekit.bench.tiers import Tier, tier_called
from edgekit.devices import Device
from edgekit.export.produce import ExportRequest
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.queues import Failure
from edgekit.export.workers import (
    Variant,
    artifact_name,
    export_all,
    export_request,
)
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.failed_exports import keep_failure, known_failure
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.stage_records import ArtifactRecord, copy_files
from edgekit.program.feeds import Feeds
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.report.measurement_words import taken_shown
from edgekit.store import Json, Record, Stage, Store, T, find, keep
from edgekit.types import Artifact, Measurement, RuntimeName
from edgekit.types.build_lock import LockedFile

LASTS = timedelta(days=30)
"""Age past which a timing is taken again: machines are updated, and wear."""
_MEASUREMENTS = Json[dict[str, Measurement]](dict[str, Measurement])


@dataclass(frozen=True, kw_only=True)
class ExportRunner:
    """Exports networks for one target."""

    target: str
    progress: Progress
    channels_last: bool = False
    """True where LiteRT's files take images with their channels last."""
    store: Store | None = None
    """Where files are kept for later builds; `None` keeps nothing."""
    mark: str = ""
    """Store keys of functions in memory."""
    settled: Mapping[str, ExportRequest] = field(default_factory=dict)
    """Requests of files that a lock has decided on, by their names."""

    @classmethod
    def of(cls, request: BuildRequest, env: Environment) -> ExportRunner:
        """As the recipe asks for it."""
        return cls(
            target=request.target.name,
            progress=env.progress,
            channels_last=request.project.recipe.export.litert_layout == "nhwc",
            store=env.store,
            mark=env.mark,
            settled=_settled(request.locked.files) if request.locked else {},
        )

    def after_rounding(self, suffix: str) -> ExportRunner:
        """The same for a student trained with rounding, whose files are called so."""
        ours = {n: one for n, one in self.settled.items() if n.endswith(suffix)}
        names = {name: name.removesuffix(suffix) for name in ours}
        settled = {names[n]: replace(one, name=names[n]) for n, one in ours.items()}
        return replace(self, settled=settled)

    def export(  # noqa: PLR0913
        self,
        program: Program,
        requested: Sequence[Variant],
        folder: Path,
        *,
        title: str,
        calibration: Feeds | None = None,
        labels: tuple[str, ...] = (),
        validation: Validation | None = None,
        on_failure: Callable[[Failure], None] | None = None,
    ) -> list[Artifact]:
        """Export `program` in every form `requested`, in processes of their own, with LiteRT's
        files in the layout that the recipe asks for; see `export_all`."""
        folder.mkdir(parents=True, exist_ok=True)
        stages = self._stages(
            program, requested, title, calibration, labels, validation
        )
        made = self._kept(stages, folder)
        asked = {artifact_name(*one): self._asked(one) for one in requested}
        missing = {name: one for name, one in asked.items() if name not in made}
        if on_failure is not None:
            on_failure = self._keeping(stages, missing, on_failure)
        done = [*made]
        if missing:
            with self.progress.step(title) as step:

                def on_done(name: str) -> None:
                    done.append(name)
                    step.update(len(done), len(requested), name)

                decided = missing.keys() <= self.settled.keys()
                fresh = export_all(
                    program,
                    [*missing.values()],
                    calibration=calibration,
                    folder=folder,
                    labels=labels,
                    validation=None if decided else validation,
                    channels_last=self.channels_last,
                    on_done=on_done,
                    on_failure=on_failure,
                )
            for one in fresh:
                made[one.name] = one
                if self.store is not None:
                    keep(self.store, stages[one.name], one)
        return [made[name] for name in asked if name in made]

    def _asked(self, variant: Variant) -> ExportRequest:
        return self.settled.get(artifact_name(*variant)) or export_request(*variant)

    def _keeping(
        self,
        stages: Mapping[str, Stage[Artifact]],
        missing: dict[str, ExportRequest],
        on_failure: Callable[[Failure], None],
    ) -> Callable[[Failure], None]:
        """`on_failure` that keeps what it is given; files that failed before leave `missing`."""
        for name, request in [*missing.items()]:
            known = known_failure(self.store, stages[name], request, self.progress)
            if known is not None:
                del missing[name]
                on_failure(known)

        def keeping(failure: Failure) -> None:
            keep_failure(self.store, stages[failure.request.name], failure)
            on_failure(failure)

        return keeping

    def _kept(
        self, stages: Mapping[str, Stage[Artifact]], folder: Path
    ) -> dict[str, Artifact]:
        """Copies in `folder` of the files that earlier builds made."""
        if self.store is None:
            return {}
        found = {
            name: find(self.store, stage, self.progress)
            for name, stage in stages.items()
        }
        return {name: copy_files(one, folder) for name, one in found.items() if one}

    def _stages(
        self,
        program: Program,
        requested: Sequence[Variant],
        title: str,
        calibration: Feeds | None,
        labels: tuple[str, ...],
        validation: Validation | None,
    ) -> dict[str, Stage[Artifact]]:
        """The stage of each artifact, by its name."""
        common = {
            "network": stage_inputs.of_network(program),
            "channels_last": self.channels_last,
            "labels": labels,
        }
        reduced = {
            "calibration": stage_inputs.of_samples(calibration),
            "validation": None if validation is None else self._judging(validation),
        }
        stages = {}
        for runtime, precision, *rest in requested:
            name = artifact_name(runtime, precision, *rest)
            variant = {"runtime": runtime, "precision": precision, "quantizer": rest}
            own: dict[str, Any] = {} if precision == "fp32" else reduced
            if name in self.settled:
                own = {**own, "validation": None, "settled": self.settled[name]}
            stages[name] = Stage(
                kind="exports",
                title=f"{title}: {name}",
                inputs={
                    **common,
                    **own,
                    **variant,
                    "versions": stage_inputs.libraries([runtime]),
                },
                record=ArtifactRecord(),
            )
        return stages

    def _judging(self, validation: Validation) -> dict[str, Any]:
        """Criteria of a quantized file that is good enough."""
        targets = validation.targets
        return {
            "samples": stage_inputs.of_samples(validation.inputs),
            "targets": None if targets is None else stage_inputs.of_samples(targets),
            "task": stage_inputs.of_task(validation.task, validation.root, self.mark),
            "allowed": validation.allowed,
            "recover": validation.recover,
            "folding": validation.folding,
            "reads": validation.reads,
        }


@dataclass(frozen=True, kw_only=True)
class BenchRunner:
    """Times artifacts on one device."""

    device: Device
    progress: Progress
    tier: str | Tier
    threads: int
    store: Store | None = None
    """Where timings are kept for later builds; `None` keeps nothing."""
    runtimes: Callable[[], Mapping[RuntimeName, str]] = dict
    """Versions of the device's runtimes, which a probe of it takes seconds for."""

    @classmethod
    def of(cls, request: BuildRequest, env: Environment) -> BenchRunner:
        """With the recipe's tier and threads."""
        return cls(
            device=env.device,
            progress=env.progress,
            tier=request.project.recipe.bench.tier,
            threads=request.threads,
            store=env.store,
            runtimes=lambda: env.runtimes,
        )

    @property
    def proven(self) -> bool:
        """Return whether timings taken here are the target's own."""
        return self.device.provenance == "device"

    def measure(
        self, artifacts: Sequence[Artifact], title: str, tier: Tier | None = None
    ) -> dict[str, Measurement]:
        """Time artifacts in fresh processes, interleaved: one run, comparable figures.

        Where `tier` is the recipe's own, energy is measured too, if there is a meter. Timings
        under this title, at most `LASTS` old and of this machine, are reused.
        """
        if self.store is None:
            return self._measure(artifacts, title, tier)
        settings = {
            "tier": tier_called(tier or self.tier).name,
            "meter": "none" if tier else "auto",
        }
        stage = self.stage(title, _MEASUREMENTS, artifacts, settings)
        stage = replace(
            stage, holds=lambda found: recent(found.values()), words=_reused
        )
        found = find(self.store, stage, self.progress)
        if found is None:
            return keep(self.store, stage, self._measure(artifacts, title, tier))
        return {name: replace(one, reused=True) for name, one in found.items()}

    def stage(
        self,
        title: str,
        record: Record[T],
        artifacts: Sequence[Artifact],
        settings: Mapping[str, object],
    ) -> Stage[T]:
        """A stage of this machine alone, by its files, its runtimes and how they are run."""
        runtimes = self.runtimes()
        used = {name: runtimes.get(name) for name in {a.runtime for a in artifacts}}
        return Stage(
            kind="measurements",
            title=title,
            inputs={
                "title": title,
                "device": stage_inputs.of_device(self.device),
                "runtimes": dict(sorted(used.items())),
                "threads": self.threads,
                "artifacts": [stage_inputs.of_files(one) for one in artifacts],
                **settings,
            },
            record=record,
            portable=False,
        )

    def _measure(
        self, artifacts: Sequence[Artifact], title: str, tier: Tier | None
    ) -> dict[str, Measurement]:
        with self.progress.step(title) as step:
            return measure(
                artifacts,
                self.device,
                tier=tier or self.tier,
                threads=self.threads,
                on_launch=step.update,
                metering=Metering(meter="none" if tier else "auto"),
            )


def _settled(files: Mapping[str, LockedFile]) -> dict[str, ExportRequest]:
    """How to make each file, by its name: with the configuration that was found."""
    return {
        name: ExportRequest(
            name=name,
            runtime=one.runtime,
            precision=one.precision,
            quant_config=one.quantizer,
            equalized=one.equalized,
        )
        for name, one in files.items()
    }


def recent(found: Iterable[Measurement]) -> bool:
    """Return whether timings are not old, and not of a time that has not come."""
    ages = [datetime.now(UTC) - _taken(one) for one in found]
    return all(timedelta(0) <= age <= LASTS for age in ages)


def _taken(one: Measurement) -> datetime:
    never = datetime.min.replace(tzinfo=UTC)
    return never if one.taken is None else datetime.fromisoformat(one.taken)


def _reused(found: Mapping[str, Measurement]) -> str:
    one = next(iter(found.values()))
    return f"measured {taken_shown(one.taken, one.device)}, reused"
