"""Previews of plans, before any training: the expected frontier on each target.

Accuracy is not known before training. Its proxy is the expected loss increase: the change of
the network's outputs, in nats a sample, measured cut by cut and added up
(`edgekit/prune/sensitivity.py`). It orders plans of one network, and does not predict accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial

from edgekit.graph.graph import WidthGraph
from edgekit.pipeline import cost_provider, left_out
from edgekit.pipeline.constraints import PlanConstraints, constraints_from_budget, met
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.loading import load_network, runtimes_of
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import BenchRunner, ExportRunner
from edgekit.pipeline.samples import BuildData, read_samples
from edgekit.pipeline.search import (
    Scores,
    build_planner,
    planned_precisions,
    probe,
    score_importance,
    solve_for,
)
from edgekit.program.program import Program
from edgekit.progress import Step
from edgekit.prune.objective import PlanObjective
from edgekit.prune.planner import Planner
from edgekit.prune.solution import Solution
from edgekit.scratch import folder as scratch_folder
from edgekit.types import (
    BlockSense,
    GroupSense,
    Plan,
    PlanPoint,
    Preview,
    Recipe,
    Sensitivity,
)
from edgekit.types.export_notes import LeftOut
from edgekit.types.notes import unique

SPEEDUPS = (1.25, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0)
_NEAR = 0.98
_Weighed = tuple[Mapping[str, Scores], Sensitivity]


@dataclass(frozen=True, kw_only=True)
class SolvedPreview:
    """An expected frontier, and what it was drawn from."""

    preview: Preview
    plans: tuple[Plan, ...]
    """One a point, in the same order: the last is for the budget."""
    graph: WidthGraph


@dataclass(kw_only=True)
class Previewer:
    """Expected frontiers of one network; the common part of several targets is computed
    once."""

    network: Program
    _samples: dict[object, BuildData] = field(default_factory=dict)
    _weighed: dict[object, _Weighed] = field(default_factory=dict)
    _left_out: dict[object, tuple[LeftOut, ...]] = field(default_factory=dict)

    @classmethod
    def of(cls, request: BuildRequest, env: Environment) -> Previewer:
        """Of a project's network."""
        return cls(network=load_network(request, env))

    def preview(self, request: BuildRequest, env: Environment) -> Preview:
        """The expected frontier on the request's target.

        Planned for the first runtime and precision that the network can be exported in; notes
        name the others. Raises `BudgetInfeasible` where its budget cannot be met by any plan,
        `ArtifactError` where the network cannot be exported at all.
        """
        return self.solved(request, env).preview

    def solved(self, request: BuildRequest, env: Environment) -> SolvedPreview:
        """The same, with the plan of each of its points."""
        recipe, target = request.project.recipe, request.target
        forms = left_out.planned_forms(
            runtimes_of(recipe.export, target, env), planned_precisions(recipe, target)
        )
        exporter = ExportRunner.of(request, env)
        attempt = partial(self._solved_in, request, env)
        solved, left = left_out.in_first_form(exporter, forms, attempt)
        preview = solved.preview
        noted = replace(preview, notes=unique((*left, *preview.notes)))
        return replace(solved, preview=noted)

    def _solved_in(
        self, request: BuildRequest, env: Environment, form: left_out.Form
    ) -> SolvedPreview:
        """In one runtime and precision, where the network can be exported in it."""
        recipe, target = request.project.recipe, request.target
        self._check_export(request, env, form)
        costs = cost_provider.choose(request, env)
        planner = build_planner(self.network, form, costs, recipe.prune, env.progress)
        scores, senses = self._scores(request, env, planner)
        constraints = constraints_from_budget(
            planner,
            request.project.budget,
            target.name,
            recipe.export.precisions or target.precisions,
            BenchRunner.of(request, env),
            None,
        )
        with env.progress.step(f"Solve for {target.name}") as step:
            return _solved(planner, constraints, (scores, senses), target.name, step)

    def _scores(
        self, request: BuildRequest, env: Environment, planner: Planner
    ) -> _Weighed:
        """Importance of units and blocks: the same where recipes draw and score alike."""
        recipe, progress = request.project.recipe, env.progress
        drawn = _drawn(recipe)
        criterion = recipe.prune.importance
        how = (drawn, criterion, recipe.prune.drop_blocks)
        if how not in self._weighed:
            train = self._data(request, env).train
            scores = score_importance(planner.graph, train, criterion, progress)
            senses = probe(planner, scores, train, progress)
            self._weighed[how] = scores, senses
        return self._weighed[how]

    def _data(self, request: BuildRequest, env: Environment) -> BuildData:
        """The samples: the same where recipes draw alike."""
        drawn = _drawn(request.project.recipe)
        if drawn not in self._samples:
            self._samples[drawn] = read_samples(
                request.project, self.network, env.held, env.progress
            )
        return self._samples[drawn]

    def _check_export(
        self, request: BuildRequest, env: Environment, form: left_out.Form
    ) -> None:
        """Raise `NotExportable` where the network cannot be exported in a form.

        Each form is tried once for all targets.
        """
        exporter = ExportRunner.of(request, env)
        asked = (*form, exporter.channels_last)
        if asked not in self._left_out:
            self._left_out[asked] = self._try_export(request, env, form)
        if notes := self._left_out[asked]:
            raise left_out.NotExportable(exporter.target, notes)

    def _try_export(
        self, request: BuildRequest, env: Environment, form: left_out.Form
    ) -> tuple[LeftOut, ...]:
        """Notes on a form that the network cannot be exported in; empty where it can be."""
        runtime, precision = form
        reduced = precision != "fp32"
        with scratch_folder() as folder:
            try:
                left_out.export(
                    ExportRunner.of(request, env),
                    self.network,
                    [form],
                    folder,
                    title=f"Export the network for {runtime} in {precision}",
                    calibration=self._data(request, env).calibration
                    if reduced
                    else None,
                )
            except left_out.NotExportable as error:
                return error.notes
        return ()


def _drawn(recipe: Recipe) -> tuple[object, ...]:
    """The settings by which samples are drawn."""
    return recipe.seed, recipe.distill.validation_fraction, recipe.calibration


def _solved(
    planner: Planner,
    constraints: PlanConstraints,
    weighed: _Weighed,
    target: str,
    step: Step,
) -> SolvedPreview:
    scores, senses = weighed
    solve = partial(solve_for, planner, scores, senses)
    points, plans = [], []
    ladder = _ladder(_NEAR * constraints.full_cost / planner.cheapest().cost)
    for number, speedup in enumerate(ladder):
        step.update(number, len(ladder) + 1, f"{speedup:.2f}x")
        solution = solve(
            PlanConstraints(speedup=None, full_cost=constraints.full_cost),
            constraints.full_cost / speedup,
        )
        points.append(_point(planner, constraints, f"{speedup:.2f}x", solution))
        plans.append(solution.plan)
    if met(planner, constraints):
        budgeted = replace(
            planner.whole(), cost=constraints.full_cost, expected_loss_increase=0.0
        )
    else:
        budgeted = solve(
            constraints,
            constraints.full_cost / constraints.speedup
            if constraints.speedup
            else None,
        )
    points.append(_point(planner, constraints, "the budget", budgeted))
    plans.append(budgeted.plan)
    objective = PlanObjective(
        graph=planner.graph, importance=scores, sensitivity=senses
    )
    doubt = planner.table.doubt
    preview = Preview(
        target=target,
        runtime=planner.table.key.runtime,
        provenance=planner.table.provenance,
        unit=planner.table.unit,
        exact=planner.exact,
        operators=planner.rows(budgeted.widths, budgeted.dropped),
        barriers=planner.graph.barriers,
        groups=tuple(_groups(planner, objective, constraints.full_cost)),
        blocks=tuple(_blocks(planner, senses, constraints.full_cost)),
        points=tuple(points),
        notes=(*constraints.notes, *([doubt] if doubt else [])),
    )
    return SolvedPreview(preview=preview, plans=tuple(plans), graph=planner.graph)


def _ladder(ceiling: float) -> list[float]:
    """The speed-ups to solve for, up to the fastest that there is."""
    ladder = [speedup for speedup in SPEEDUPS if speedup < ceiling]
    return [*ladder, ceiling] if ceiling < SPEEDUPS[-1] else ladder


def _point(
    planner: Planner, constraints: PlanConstraints, asked: str, solution: Solution
) -> PlanPoint:
    gone = planner.gone(solution.dropped)
    return PlanPoint(
        asked=asked,
        speedup=constraints.full_cost / solution.cost,
        expected_loss_increase=solution.predicted_loss,
        gap=solution.gap,
        parameters=solution.parameters,
        macs=solution.macs,
        activation_bytes=solution.activation_bytes,
        dropped_blocks=solution.dropped,
        widths=tuple(
            row
            for row in planner.width_rows(solution.widths, solution.dropped)
            if row.after < row.before and row.group not in gone
        ),
    )


def _groups(
    planner: Planner, objective: PlanObjective, full_cost: float
) -> Iterator[GroupSense]:
    for group in planner.graph.groups:
        measured = objective.sensitivity.groups if objective.sensitivity else {}
        known = measured.get(group.id)
        yield GroupSense(
            group=group.id,
            kind=group.kind,
            units=group.units,
            offered=planner.options[group.id],
            time_fraction=planner.cost_at(group.id) / full_cost,
            loss_increase_at_half=known[0][1] if known else None,
        )


def _blocks(
    planner: Planner, senses: Sensitivity, full_cost: float
) -> Iterator[BlockSense]:
    for block in planner.blocks:
        without = sum(row.after for row in planner.rows({}, (block.id,)))
        yield BlockSense(
            block=block.id,
            time_fraction=1 - without / full_cost,
            expected_loss_increase=senses.blocks[block.id],
        )
