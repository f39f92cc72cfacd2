"""Inputs of a build: the runtimes, the trained network, its data and its accuracy."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit import sources
from edgekit.config.project import Project
from edgekit.data.metrics import named
from edgekit.distill import tasks
from edgekit.errors import DeviceError
from edgekit.export.checks import check_libraries
from edgekit.pipeline import stage_inputs
from edgekit.pipeline.check_data import judged
from edgekit.pipeline.decoder_file import with_decoder
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.io_fusion import prepared
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.samples import BuildData, read_samples
from edgekit.pipeline.sanity import at_chance, suspect_preprocessing
from edgekit.pipeline.training_inputs import task_of
from edgekit.program.program import Program
from edgekit.progress import Silent
from edgekit.report.note_words import sentence
from edgekit.runtimes import registry
from edgekit.store import Json, Stage, kept
from edgekit.tasks.reading import selected
from edgekit.tasks.scores import Metric
from edgekit.types import Evaluation, ExportRecipe, RuntimeName, Target
from edgekit.types.data_notes import PreprocessingSuspect
from edgekit.types.notes import Note


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """The trained network, the data, and how good the one is on the other."""

    teacher: Program
    samples: BuildData
    task: tasks.Task
    metric: Metric
    reference: Evaluation
    """Of the network at its own size."""
    notes: tuple[Note, ...]
    own: Loaded | None = None
    """The same at the network's own size, where its images have another here."""

    @property
    def original(self) -> Loaded:
        """The network and the data as the project has them."""
        return self.own or self


_Suspects = tuple[PreprocessingSuspect, ...]
_SUSPECTS = Json[_Suspects](_Suspects)
Shared = dict[object, Loaded]
"""The common part of builds of one project for several targets, by its dependencies."""


def load(request: BuildRequest, env: Environment, shared: Shared) -> Loaded:
    """Everything before the target matters, once for recipes that read it alike.

    What is in `shared` is not loaded again, and what is loaded is put there.
    """
    recipe = request.project.recipe
    drawn = (recipe.seed, recipe.distill.validation_fraction, recipe.calibration)
    ends = (recipe.export.fold_preprocessing, recipe.export.fold_postprocessing)
    key = (*drawn, repr(ends))
    if key not in shared:
        shared[key] = _loaded(request, env)
    return shared[key]


def _loaded(request: BuildRequest, env: Environment) -> Loaded:
    project, progress = request.project, env.progress
    teacher = load_network(request, env)
    samples = read_samples(project, teacher, env.held, progress)
    samples = prepared(project, teacher, samples)
    task = task_of(request, env)
    metric = task.metric or named(project.task, project.root)
    with progress.step("Evaluate the network"):
        samples, reference, notes = judged(
            teacher, samples, project.task, metric, env.store, progress
        )
        doubts = _doubts(request, env, teacher, samples, metric, reference)
        samples, left_out = with_decoder(project, teacher, samples)
    for doubt in (*doubts, *left_out):
        progress.say(f"Note: {sentence(doubt)}.")
    progress.say(
        f"Network: {reference.metric} {reference.shown} on {reference.samples} samples"
    )
    drawn = (*samples.train.notes, *samples.test.notes, *samples.calibrated.notes)
    return Loaded(
        teacher=teacher,
        samples=samples,
        task=task,
        metric=metric,
        reference=reference,
        notes=(*_unweighted(project, env), *drawn, *notes, *doubts, *left_out),
    )


def _doubts(
    request: BuildRequest,
    env: Environment,
    teacher: Program,
    samples: BuildData,
    metric: Metric,
    reference: Evaluation,
) -> tuple[Note, ...]:
    """Doubts about the network or its data."""
    project, test = request.project, samples.test
    how = project.data.preprocess
    stage = Stage(
        kind="doubts",
        title="Try other preprocessing",
        inputs={
            "network": stage_inputs.of_network(teacher),
            "test": test.fingerprint(),
            "preprocess": how,
            "reference": reference,
            "task": stage_inputs.of_task(project.task, project.root, env.mark),
            "versions": stage_inputs.training_versions(),
        },
        record=_SUSPECTS,
    )

    def make() -> _Suspects:
        found = suspect_preprocessing(teacher, test, how, metric)
        return () if found is None else (found,)

    chance = at_chance(reference, test, project.task)
    suspects = kept(env.store, stage, make, Silent())
    return suspects if chance is None else (chance, *suspects)


def load_network(request: BuildRequest, env: Environment) -> Program:
    """The trained network: the caller's, or the one that the project names."""
    project = request.project
    with env.progress.step("Load the network"):
        if env.in_memory is not None:
            return selected(env.in_memory.network, project.task)
        loaded = sources.load(
            project.model, root=project.root, allow_pickle=request.allow_pickle
        )
        network = selected(loaded, project.task)
    for remark in network.remarks:
        env.progress.say(remark)
    for note in _unweighted(project, env):
        env.progress.say(f"Note: {sentence(note)}.")
    return network


def _unweighted(project: Project, env: Environment) -> tuple[Note, ...]:
    """Return that no weights are named, where the network is read from a file without them."""
    if env.in_memory is not None:
        return ()
    note = sources.unweighted(project.model, project.root)
    return () if note is None else (note,)


def runtimes_of(
    recipe: ExportRecipe, target: Target, env: Environment
) -> tuple[RuntimeName, ...]:
    """The profile's runtimes that this device has; the first is the one the plan is for.

    Where one that has no format of its own is not there, that of its files stands in for it.
    Those whose files are only converted are not among them. Raises `DeviceError` where the profile
    or the device lacks a runtime that the recipe names, `RuntimeMissing` where a library that
    converts is not installed.
    """
    present = env.runtimes
    asked = recipe.runtimes or target.runtimes
    foreign = [name for name in asked if name not in target.runtimes]
    if foreign:
        raise DeviceError(
            f"{target.name} does not run {foreign[0]}: its profile has "
            f"{', '.join(target.runtimes)}. Change [recipe.export] runtimes."
        )
    for name in registry.converted(asked):
        check_libraries(registry.get(name))
    run = registry.measured(asked)
    if not run:
        raise DeviceError(
            f"{target.name} has {' and '.join(asked)} alone, whose files are converted and not "
            "run: there is nothing to plan or measure for. Add another runtime."
        )
    found = [name if name in present else registry.get(name).format for name in run]
    if found[0] not in present:
        extra = registry.get(found[0]).extra
        raise DeviceError(
            f"{env.device.name} has no {found[0]}, which {target.name} runs. "
            f"Install it: pip install 'edgekit[{extra}]'"
        )
    return tuple(dict.fromkeys(name for name in found if name in present))
