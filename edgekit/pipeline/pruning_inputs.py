"""Common inputs of every cut of one build, in one runtime and precision."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.data import Dataset
from edgekit.pipeline import left_out
from edgekit.pipeline.constraints import PlanConstraints, constraints_from_budget
from edgekit.pipeline.cost_provider import CostProvider, choose
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import BenchRunner, ExportRunner
from edgekit.pipeline.search import PlanTimer, build_planner
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.prune.cost_terms import Options
from edgekit.prune.planner import Planner
from edgekit.types import Artifact, Budget, Precision, Recipe, Target


@dataclass(frozen=True, kw_only=True)
class PruningInputs:
    """Common inputs of every cut of one build, in one runtime and precision."""

    recipe: Recipe
    budget: Budget
    target: Target
    costs: CostProvider
    timer: PlanTimer
    """Beside the unpruned network in the runtime and precision that are planned for."""
    baselines: tuple[Artifact, ...]
    """The unpruned network in fp32 on every runtime that is allowed, the preferred one first."""
    refused: frozenset[left_out.Form] = frozenset()
    """Their forms in less than fp32 that the device cannot run."""
    training: TrainingInputs

    @classmethod
    def of(
        cls,
        request: BuildRequest,
        env: Environment,
        loaded: Loaded,
        baselines: Sequence[Artifact],
        refused: frozenset[left_out.Form] = frozenset(),
    ) -> PruningInputs:
        """Of a build, planned for the runtime of the first of its fp32 `baselines`."""
        return cls(
            recipe=request.project.recipe,
            budget=request.project.budget,
            target=request.target,
            costs=choose(request, env),
            timer=PlanTimer(
                exporter=ExportRunner.of(request, env),
                bench=BenchRunner.of(request, env),
                baseline=baselines[0],
                calibration=loaded.samples.calibration,
            ),
            training=TrainingInputs.of(request, env, loaded.samples, loaded.task),
            baselines=tuple(baselines),
            refused=refused,
        )

    @property
    def train(self) -> Dataset:
        """The training samples."""
        return self.training.samples.train

    @property
    def progress(self) -> Progress:
        """The display of progress."""
        return self.training.progress

    def forms(self, precisions: Sequence[Precision]) -> list[left_out.Form]:
        """Runtimes and precisions to plan for, the preferred one first."""
        runtimes = [one.runtime for one in self.baselines]
        return left_out.planned_forms(runtimes, precisions, self.refused)

    def in_form(
        self, form: left_out.Form, network: Program, folder: Path
    ) -> PruningInputs:
        """The same with plans timed beside the unpruned `network` in another form.

        Raises `left_out.NotExportable` where the network cannot be exported in it.
        """
        runtime, precision = form
        [baseline] = [one for one in self.baselines if one.runtime == runtime]
        if precision != baseline.precision:
            [artifact] = left_out.export(
                self.timer.exporter,
                network,
                [form],
                folder / f"unpruned-{precision}",
                title=f"Export the unpruned network in {precision}",
                calibration=self.timer.calibration,
            ).artifacts
            baseline = replace(artifact, name=f"unpruned-{artifact.name}")
        return replace(self, timer=replace(self.timer, baseline=baseline))

    def planner(self, network: Program, options: Options | None = None) -> Planner:
        """A planner of a network in the form that is planned for; see `build_planner`."""
        baseline = self.timer.baseline
        return build_planner(
            network,
            (baseline.runtime, baseline.precision or "fp32"),
            self.costs,
            self.recipe.prune,
            self.progress,
            options,
        )

    def constraints(self, planner: Planner) -> PlanConstraints:
        """Constraints on the unpruned network."""
        return constraints_from_budget(
            planner,
            self.budget,
            self.target.name,
            self.recipe.export.precisions or self.target.precisions,
            self.timer.bench,
            self.timer.baseline,
        )
