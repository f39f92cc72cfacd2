"""The size of images as a further choice of the plan.

A size changes all costs at once: each has a plan of its own, by the same solver, and the one ends
whose size and cuts together are expected to lose least. The loss by the size alone is measured.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from edgekit import tasks
from edgekit.errors import BudgetInfeasible, ModelError, ProjectError
from edgekit.evaluate.accuracy import evaluate, predict
from edgekit.pipeline import left_out
from edgekit.pipeline.baselines import Baselines
from edgekit.pipeline.check_data import relative
from edgekit.pipeline.constraints import check_possible, met
from edgekit.pipeline.cutter import expected_damage
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.exports import StudentExports
from edgekit.pipeline.frontier import NetworkEvaluator, most_accurate
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.pruning_inputs import PruningInputs, SmallerInput
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.samples import BuildData
from edgekit.program.ends import in_logarithms
from edgekit.program.program import Program
from edgekit.program.resize import Size, at_size, enlarging, size_of, smaller_sizes
from edgekit.prune.sensitivity import divergence
from edgekit.report.note_words import sentence
from edgekit.types import FrontierPoint
from edgekit.types.notes import ResolutionPlanned


@dataclass(frozen=True, kw_only=True)
class AtSize:
    """Everything that plans are made from, at one size of the network's images."""

    loaded: Loaded
    exporting: StudentExports
    evaluator: NetworkEvaluator
    pruning: PruningInputs
    own_points: tuple[FrontierPoint, ...] = ()
    """The uncut network's files at its own size, where that is another."""

    @classmethod
    def of(
        cls,
        request: BuildRequest,
        env: Environment,
        loaded: Loaded,
        baselines: Baselines,
        folder: Path,
    ) -> AtSize:
        """Of a network and its data; its files are for the bundle in `folder`."""
        exporting = StudentExports.of(request, env, loaded, baselines.allowed, folder)
        files, refused = baselines.artifacts, baselines.allowed.refused
        return cls(
            loaded=loaded,
            exporting=exporting,
            evaluator=NetworkEvaluator.of(request, env, loaded, baselines, exporting),
            pruning=PruningInputs.of(request, env, loaded, files, refused),
        )

    def judged(self, folder: Path) -> AtSize:
        """The same with trained networks judged on validation data, after the uncut one."""
        evaluator = self.evaluator.on_validation()
        uncut = evaluator.unpruned(self.loaded.teacher, folder)
        return replace(self, pruning=self.pruning.judged_by(evaluator, uncut))

    @property
    def smaller_size(self) -> Size | None:
        """The size of images; `None` is the network's own."""
        return None if self.pruning.smaller is None else size_of(self.loaded.teacher)

    def points(self, *, final: bool) -> tuple[FrontierPoint, ...]:
        """The files of the uncut network on validation data, at its own size first; `final` where
        it is what ends."""
        size = self.smaller_size
        name = "uncut" if size is None else f"uncut at {_shown(size)}"
        return (*self.own_points, *self.pruning.uncut.points(name, final=final))


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """Decides on the size of a network's images."""

    request: BuildRequest
    env: Environment
    baselines: Baselines
    bundle: Path
    """The folder that the student's files are for."""
    scratch: Path

    def decided(self, loaded: Loaded, smaller: Sequence[Program]) -> AtSize:
        """Everything that a build's plans are made from: its network `loaded`, or that at one of
        `smaller` sizes, or at the size that a lock has."""
        own = AtSize.of(self.request, self.env, loaded, self.baselines, self.bundle)
        locked = self.request.locked
        if locked is None:
            return self._choose(own.judged(self.scratch / "uncut"), smaller)
        return (
            own
            if locked.size is None
            else self._at(own, at_size(loaded.teacher, locked.size))
        )

    def _at(self, own: AtSize, network: Program) -> AtSize:
        """The same for a `network` that is the one of `own` at another size."""
        size = size_of(network)
        loaded = replace(
            own.loaded,
            teacher=network,
            samples=_at_size(own.loaded.samples, size),
            own=own.loaded,
        )
        found = AtSize.of(self.request, self.env, loaded, self.baselines, self.bundle)
        smaller = _measured(found.evaluator.on_validation(), loaded)
        return replace(found, pruning=replace(found.pruning, smaller=smaller))

    def _choose(self, own: AtSize, networks: Sequence[Program]) -> AtSize:
        """The size whose plan is expected to lose least: that of `own` or of one of `networks`.

        A size that loses more by itself than another one with its cuts is not planned for. Where
        the network as it is keeps every budget, its size does not change.
        """
        if not networks or most_accurate(own.pruning.uncut.safe):
            return own
        best = own
        whole = least = self._loss(own, self.scratch / "own-size")
        tried = [self._at(own, each) for each in networks]
        for each in sorted(tried, key=_size_loss):
            if _size_loss(each) >= least:
                break
            height, width = size_of(each.loaded.teacher)
            place = self.scratch / f"{height}x{width}"
            there = each.judged(place / "uncut")
            loss = self._loss(there, place)
            self.env.progress.say(
                f"Images of {height} x {width}: {_size_loss(each):.3g} nats are lost by the size, "
                + (
                    f"{loss:.3g} with the cuts"
                    if loss < math.inf
                    else "and no plan fits"
                )
            )
            if loss < least:
                best, least = there, loss
        note = ResolutionPlanned(
            size=size_of(best.loaded.teacher),
            own_size=size_of(own.loaded.teacher),
            size_loss=_size_loss(best),
            expected_loss_increase=least if least < math.inf else None,
            at_own_size=whole if whole < math.inf else None,
        )
        self.env.progress.say(sentence(note))
        loaded = replace(best.loaded, notes=(*best.loaded.notes, note))
        points = () if best is own else own.points(final=False)
        return replace(best, loaded=loaded, own_points=points)

    def _loss(self, at: AtSize, folder: Path) -> float:
        """Expected loss increase of size and cuts; infinite where no plan keeps the budget."""
        pruning, network = at.pruning, at.loaded.teacher
        if most_accurate(pruning.uncut.safe):
            return _size_loss(at)

        def attempt(form: left_out.Form) -> float:
            there = pruning.in_form(form, network, folder)
            planner = there.planner(network, corrected_in=folder)
            final = there.constraints(planner)
            if met(planner, final):
                return 0.0
            check_possible(planner, final)
            damage = expected_damage(there, planner, final)
            return math.inf if damage is None else damage

        forms = pruning.forms(pruning.precisions())
        try:
            cuts, _ = left_out.in_first_form(pruning.timer.exporter, forms, attempt)
        except (BudgetInfeasible, left_out.NotExportable):
            return math.inf
        return _size_loss(at) + cuts


def networks_of(request: BuildRequest, loaded: Loaded) -> tuple[Program, ...]:
    """The network at the smaller sizes that the recipe lets a plan choose, the largest first; none
    where a lock has decided.

    Raises `ProjectError` where the recipe or the task leave no choice of a size, `ModelError`,
    naming the layer, where the network takes none of the sizes, or not one that is listed.
    """
    asked = request.project.recipe.prune.resolution
    if asked == "fixed" or request.locked is not None:
        return ()
    _refuse(request)
    network = loaded.teacher
    listed = None if asked == "free" else [*asked]
    sizes = smaller_sizes(network, listed)
    if not sizes:
        raise ProjectError(
            f"[recipe.prune] resolution = {listed or asked} has no size below "
            f"{_shown(size_of(network))} pixels, which the network takes."
        )
    found, errors = [], []
    for size in sizes:
        try:
            found.append(at_size(network, size))
        except ModelError as error:
            errors.append(error)
    if errors and (listed or not found):
        raise errors[0]
    return tuple(found)


def _refuse(request: BuildRequest) -> None:
    """Raise `ProjectError` where a project does not go with a choice of sizes."""
    project = request.project
    task, distill = tasks.of(project.task), project.recipe.distill
    placed = task.located or task.finds_masks or task.maps or task.points
    why = None
    if placed or task.targets.from_inputs or project.data.preprocess.audio:
        why = f"of images whose targets have no places, and this is {project.task.kind}"
    elif distill.teachers or distill.assistants or distill.student:
        why = "without teachers, assistants or a student of [recipe.distill]"
    elif project.recipe.objective == "fastest":
        why = 'for objective = "most-accurate"'
    if why is not None:
        raise ProjectError(
            f'{project.file}: [recipe.prune] resolution is {why}. Set it to "fixed".'
        )


def _at_size(samples: BuildData, size: Size) -> BuildData:
    """The same data for a network of images of `size`."""
    pool = samples.pool.at_size(size)
    feeds, _ = pool.feeds(np.array(samples.calibrated.indices))
    calibrated = samples.calibrated.of(feeds)
    return replace(
        samples,
        train=samples.train.at_size(size),
        validation=samples.validation.at_size(size),
        test=samples.test.at_size(size),
        pool=pool,
        calibrated=calibrated,
        calibration_facts={
            **samples.calibration_facts,
            "sha256": calibrated.sha256,
        },
    )


def _measured(evaluator: NetworkEvaluator, loaded: Loaded) -> SmallerInput:
    """The size of a network's images, with what it alone loses on validation data."""
    given, network = evaluator.evaluation, loaded.teacher
    pairs = ((network, given.samples.test), (given.network, given.before))
    found, desired = (
        torch.from_numpy(predict(in_logarithms(one), samples)) for one, samples in pairs
    )
    evaluation = evaluate(network, given.samples.test, metric=given.metric)
    return SmallerInput(
        teacher=enlarging(given.network, size_of(network)),
        damage=divergence(found, desired),
        drop=given.reference.drop(
            evaluation, relative=relative(given.spec, given.reference)
        ),
    )


def _size_loss(at: AtSize) -> float:
    smaller = at.pruning.smaller
    return 0.0 if smaller is None else smaller.damage


def _shown(size: Size) -> str:
    return f"{size[0]} x {size[1]}"
