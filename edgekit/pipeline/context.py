"""What one build was asked for and works with, handed to every stage."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from edgekit import data, sources
from edgekit.bench.protocol import Metering, measure
from edgekit.config.project import Project
from edgekit.data import Dataset, calibration
from edgekit.data.metrics import DECIDE
from edgekit.data.request import Request
from edgekit.devices import Device
from edgekit.distill import tasks
from edgekit.export.quantization_accuracy import Validation
from edgekit.export.workers import Failure, Wanted, export_all
from edgekit.pipeline import cost_source
from edgekit.program.features import features
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.report.note_words import sentence
from edgekit.store import Store
from edgekit.types import (
    Artifact,
    InputSpec,
    IOFusion,
    Measurement,
    Target,
    TaskKind,
)

Array = npt.NDArray[np.float32]


class Held(Protocol):
    """Samples that the caller holds in memory."""

    def read(self, request: Request) -> Dataset:
        """The samples as `request` has them; raises `DataError` where they cannot be."""


@dataclass(frozen=True, kw_only=True)
class InMemory:
    """What a caller holds in memory, in place of what the project's files name."""

    network: Program
    samples: Mapping[str, Held] = field(default_factory=dict)
    """By the name that `[data]` gives them; other names are read from files."""
    task: tasks.Task | None = None
    """Where losses or metric are functions in memory."""
    mark: str = ""
    """What those functions are known by in the store; empty where there are none."""


@dataclass(frozen=True, kw_only=True)
class Job:
    project: Project
    target: Target
    device: Device
    store: Store
    progress: Progress
    allow_pickle: bool = False
    in_memory: InMemory | None = None

    @property
    def threads(self) -> int:
        return self.project.recipe.bench.threads or self.target.threads

    @property
    def proven(self) -> bool:
        """Whether timings taken here are the target's own."""
        return self.device.source == "device"

    @cached_property
    def probe(self) -> dict[str, Any]:
        """What the device has, asked once: each probe loads every runtime in a process."""
        return self.device.probe()

    @property
    def runtimes(self) -> dict[str, str]:
        """The runtimes the device has, and their versions."""
        found = self.probe["runtimes"]
        return {
            name: fact["version"] for name, fact in found.items() if fact["version"]
        }

    @cached_property
    def task(self) -> tasks.Task:
        """The project's task with its losses and its metric, the user's functions read once."""
        if self.in_memory is not None and self.in_memory.task is not None:
            return self.in_memory.task
        return tasks.of_spec(self.project.task, self.project.root)

    @cached_property
    def costing(self) -> cost_source.CostProvider:
        """Where the costs that plans go by come from."""
        return cost_source.choose(self)

    def load_network(self) -> Program:
        """The trained network: the caller's, or the one that the project names."""
        with self.progress.step("Load the network"):
            if self.in_memory is not None:
                return self.in_memory.network
            network = sources.load(
                self.project.model,
                root=self.project.root,
                allow_pickle=self.allow_pickle,
            )
        for remark in network.remarks:
            self.progress.say(remark)
        if note := sources.unweighted(self.project.model, self.project.root):
            self.progress.say(f"Note: {sentence(note)}.")
        return network

    def export(  # noqa: PLR0913
        self,
        program: Program,
        wanted: Sequence[Wanted],
        folder: Path,
        *,
        title: str,
        calibration: Array | None = None,
        labels: tuple[str, ...] = (),
        validation: Validation | None = None,
        on_failure: Callable[[Failure], None] | None = None,
    ) -> list[Artifact]:
        """Export `program` in every form `wanted`, in processes of their own, with LiteRT's files
        in the layout that the recipe asks for; see `export_all`."""
        folder.mkdir(parents=True, exist_ok=True)
        done: list[str] = []
        with self.progress.step(title) as step:

            def on_done(name: str) -> None:
                done.append(name)
                step.update(len(done), len(wanted), name)

            return export_all(
                program,
                wanted,
                calibration=calibration,
                folder=folder,
                labels=labels,
                validation=validation,
                channels_last=self.project.recipe.export.litert_layout == "nhwc",
                on_done=on_done,
                on_failure=on_failure,
            )

    def measure(
        self, artifacts: Sequence[Artifact], title: str, tier: str | None = None
    ) -> dict[str, Measurement]:
        """Time artifacts in fresh processes, interleaved: one run, comparable figures.

        Where `tier` is the recipe's own, energy is measured too, if there is a meter.
        """
        with self.progress.step(title) as step:
            return measure(
                artifacts,
                self.device,
                tier=tier or self.project.recipe.bench.tier,
                threads=self.threads,
                on_launch=step.update,
                metering=Metering(meter="none" if tier else "auto"),
            )


@dataclass(frozen=True, kw_only=True)
class BuildData:
    """The data of a build: training, validation split off it, calibration, evaluation."""

    train: Dataset
    validation: Dataset
    test: Dataset
    calibrated: calibration.CalibrationSet
    calibration_facts: dict[str, Any]
    pool: Dataset
    """What calibration was drawn from."""
    folding: IOFusion = field(default_factory=IOFusion)
    """What files do besides the network."""
    kind: TaskKind = "classification"

    @property
    def calibration(self) -> Array:
        """Drawn samples (n, *input shape)."""
        return self.calibrated.samples

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes that outputs decide for, from whichever set has them."""
        return (self.train.labels or self.test.labels) if self.kind in DECIDE else ()


def read_samples(job: Job, network: Program) -> BuildData:
    """Load every data set the project names, preprocessed for `network`'s input."""
    project, spec, task = job.project, job.project.data, job.project.task
    held = job.in_memory.samples if job.in_memory else {}
    taken = input_of(network)

    def read(place: str, labels: tuple[str, ...] | None = None) -> Dataset:
        request = Request(
            input=taken,
            preprocess=spec.preprocess,
            labels=labels,
            kind=task.kind,
        )
        if place in held:
            return held[place].read(request)
        return data.read(place, root=project.root, request=request)

    with job.progress.step("Read the data"):
        train = read(spec.train, task.classes)
        labels = train.labels or None
        test = read(spec.test, labels)
        if spec.validation:
            validation = read(spec.validation, labels)
        else:
            share = project.recipe.distill.validation_share
            train, validation = data.split(train, share, project.recipe.seed)
        preset = calibration.load_preset(
            project.recipe.calibration.preset, folders=[project.calibration_folder]
        )
        place = preset.source or spec.calibration
        pool = read(place, labels) if place else train
        if not pool.classed and preset.strategy == "class-balanced":
            preset = replace(preset, strategy="random")
        drawn = calibration.draw(
            preset,
            pool,
            pool.targets if pool.classed else None,
            features=partial(features, network),
        )
    job.progress.say(
        f"Data: {len(train)} samples to train on, {len(validation)} to choose the epoch "
        f"by, {len(drawn.samples)} to calibrate, {len(test)} to evaluate"
    )
    return BuildData(
        train=train,
        validation=validation,
        test=test,
        calibrated=drawn,
        calibration_facts={
            **asdict(preset),
            "drawn": len(drawn.samples),
            "sha256": drawn.sha256,
        },
        pool=pool,
        kind=task.kind,
    )


def input_of(network: Program) -> InputSpec:
    """What a network takes: its first input, with the dtype of tokens where it takes those."""
    dtype = network.dtypes[0]
    tokens = None if dtype.is_floating_point else str(dtype).removeprefix("torch.")
    return replace(network.inputs[0], dtype=tokens)  # type: ignore[arg-type]
