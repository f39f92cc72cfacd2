"""The data of a build, as its network takes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from edgekit import data, tasks
from edgekit.config.project import Project
from edgekit.data import Dataset, calibration
from edgekit.data.check_images import check_images, image_notes
from edgekit.data.request import Request, RequestedInput, requested
from edgekit.data.splits import check_apart
from edgekit.data.text_input import TextInput, text_input_of
from edgekit.program.features import features
from edgekit.program.feeds import Feeds
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.report.note_words import sentence
from edgekit.tasks.decoding import described
from edgekit.types import (
    DEFAULT_TASK,
    Calibration,
    DecoderCode,
    IOFusion,
    TaskKind,
    TaskSpec,
)


class Held(Protocol):
    """Samples that the caller holds in memory."""

    def read(self, request: Request) -> Dataset:
        """The samples as `request` has them; raises `DataError` where they cannot be."""


@dataclass(frozen=True, kw_only=True)
class DecoderFile:
    """The user's own decoder for a bundle, which holds its file."""

    contract: DecoderCode
    content: bytes


@dataclass(frozen=True, kw_only=True)
class BuildData:
    """The data of a build: training, validation split off it, calibration, evaluation."""

    train: Dataset
    validation: Dataset
    test: Dataset
    calibrated: calibration.CalibrationSet
    calibration_facts: dict[str, Any]
    pool: Dataset
    """Source of the calibration samples."""
    folding: IOFusion = field(default_factory=IOFusion)
    """Steps of files besides the network."""
    kind: TaskKind = DEFAULT_TASK
    decoder: Mapping[str, Any] | None = None
    """From the output to boxes, as a manifest has it; `None` where it has none."""
    decoder_file: DecoderFile | None = None
    """The same by the user's own function; `None` where it does not run on devices."""

    @property
    def calibration(self) -> Feeds:
        """Drawn samples (n, *shape) of each input."""
        return self.calibrated.feeds

    @property
    def text(self) -> TextInput | None:
        """Conversion of texts to the inputs; `None` for other samples."""
        return self.test.text

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the classes that outputs decide for, from whichever set has them."""
        task = tasks.of(self.kind)
        if task.class_axis is None and not (task.located or task.finds_masks):
            return ()
        return self.train.labels or self.test.labels


@dataclass(frozen=True, kw_only=True)
class _Reader:
    """Reads the data sets of a project, or takes those that the caller holds."""

    project: Project
    held: Mapping[str, Held]
    inputs: tuple[RequestedInput, ...]
    text: TextInput | None

    def read(self, place: str, labels: tuple[str, ...] | None = None) -> Dataset:
        spec = self.project.data
        request = Request(
            inputs=self.inputs,
            labels=labels,
            kind=self.project.task.kind,
            text=self.text,
            group=spec.group if place in (spec.train, spec.validation) else None,
            columns=spec.columns,
            categories=tuple(spec.categories.items()),
            frame_stride=spec.frame_stride,
        )
        if place in self.held:
            return self.held[place].read(request)
        return data.read(place, root=self.project.root, request=request)


def read_samples(
    project: Project, network: Program, held: Mapping[str, Held], progress: Progress
) -> BuildData:
    """Load every data set the project names, preprocessed for `network`'s inputs.

    Those in `held` are the caller's own. Raises `DataError` for data that cannot be read.
    """
    spec, recipe = project.data, project.recipe
    inputs = requested(network, project.model, project.data.preprocess)
    text = text_input_of(network, spec.text, project.root)
    reader = _Reader(project=project, held=held, inputs=inputs, text=text)
    with progress.step("Read the data"):
        train = reader.read(spec.train, project.task.classes)
        labels = train.labels or None
        test = reader.read(spec.test, labels)
        validation = reader.read(spec.validation, labels) if spec.validation else None
        _look_at_images({"train": train, "test": test, "validation": validation})
        if validation is None:
            fraction = recipe.distill.validation_fraction
            train, validation = data.split(train, fraction, recipe.seed)
        check_apart(train, validation)
        preset = calibration.load_preset(
            recipe.calibration.preset, folders=[project.calibration_folder]
        )
        place = preset.data or spec.calibration
        pool = reader.read(place, labels) if place else train
        preset, drawn = _drawn(preset, pool, network)
    for note in (*train.notes, *test.notes):
        progress.say(f"Note: {sentence(note)}.")
    progress.say(
        f"Data: {len(train)} samples to train on, {len(validation)} to choose the epoch "
        f"by, {len(drawn.indices)} to calibrate, {len(test)} to evaluate"
    )
    return BuildData(
        train=train,
        validation=validation,
        test=test,
        calibrated=drawn,
        calibration_facts={
            **asdict(preset),
            "drawn": len(drawn.indices),
            "sha256": drawn.sha256,
        },
        pool=pool,
        kind=project.task.kind,
        decoder=_decoder(project.task, network),
    )


def _decoder(task: TaskSpec, network: Program) -> dict[str, Any] | None:
    """The decoder of boxes for a manifest, with the size of the network's image."""
    found = described(task)
    shape = network.specs[0].shape
    if found is not None and found["size"] is None and len(shape) == 3:
        return {**found, "size": shape[1:]}
    return found


def _look_at_images(datasets: Mapping[str, Dataset | None]) -> None:
    """Refuse images that cannot be read, all at once; note what is done to the others."""
    known = {place: each for place, each in datasets.items() if each is not None}
    check_images(list(known.values()))
    for place, each in known.items():
        each.notes = (*each.notes, *image_notes(each, place))


def _drawn(
    preset: Calibration, pool: Dataset, network: Program
) -> tuple[Calibration, calibration.CalibrationSet]:
    """The preset as far as the data allow it, and the samples drawn by it."""
    if not pool.classed and preset.strategy == "class-balanced":
        preset = replace(preset, strategy="random")
    targets = pool.targets if pool.classed else None
    return preset, calibration.draw(
        preset, pool, targets, features=partial(features, network)
    )
