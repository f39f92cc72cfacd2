"""Previews of plans, before any training: the expected frontier on each target.

The uncut network's files are measured; plans are not. Their expected loss increase is the change
of the network's outputs, in nats a sample, measured cut by cut and added up
(`edgekit/prune/sensitivity.py`). It orders plans of one network; the accuracy expected of it
follows from networks that were trained before (`expected_accuracy.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial

from edgekit.export import conversions, warm
from edgekit.graph.graph import WidthGraph
from edgekit.pipeline import left_out
from edgekit.pipeline.baselines import export_baselines
from edgekit.pipeline.constraints import PlanConstraints, met
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.expected_accuracy import ALONE, Expectations
from edgekit.pipeline.frontier import most_accurate
from edgekit.pipeline.loading import Shared, load, runtimes_of
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.resolution import Sizes, networks_of
from edgekit.pipeline.runners import ExportRunner
from edgekit.pipeline.unit_scores import Scores, probe, score_importance
from edgekit.pipeline.weighed import solve_for
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
from edgekit.types.notes import Note, unique

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

    _loaded: Shared = field(default_factory=dict)
    _weighed: dict[object, _Weighed] = field(default_factory=dict)

    def preview(self, request: BuildRequest, env: Environment) -> Preview:
        """The expected frontier on the request's target.

        The uncut network is measured first, in every precision that the profile allows, on the
        first runtime that it can be exported for; notes name the others. Plans are made in the
        precision in which least has to be cut. Raises `BudgetInfeasible` where its budget cannot
        be met by any plan, `ArtifactError` where the network cannot be exported at all.
        """
        return self.solved(request, env).preview

    def solved(self, request: BuildRequest, env: Environment) -> SolvedPreview:
        """The same, with the plan of each of its points."""
        runtimes = runtimes_of(request.project.recipe.export, request.target, env)
        forms: list[left_out.Form] = [(runtime, "fp32") for runtime in runtimes]
        attempt = partial(self._solved_on, request, env)
        return _in_first_form(request, env, forms, attempt)

    def _solved_on(
        self, request: BuildRequest, env: Environment, first: left_out.Form
    ) -> SolvedPreview:
        """On one runtime, in the first precision that the network can be exported in."""
        loaded = load(request, env, self._loaded)
        smaller = networks_of(request, loaded)
        with ExitStack() as stack:
            folder = stack.enter_context(scratch_folder())
            stack.enter_context(warm.kept())
            stack.enter_context(conversions.kept(folder / "conversions"))
            baselines = export_baselines(request, env, loaded, [first[0]], folder)
            sizes = Sizes(
                request=request,
                env=env,
                baselines=baselines,
                bundle=folder,
                scratch=folder,
            )
            at = sizes.decided(loaded, smaller)
            inputs, network = at.pruning, at.loaded.teacher
            forms = inputs.forms(inputs.precisions())

            def attempt(form: left_out.Form) -> SolvedPreview:
                there = inputs.in_form(form, network, folder)
                planner = there.planner(network)
                weighed = self._scores(request, there, planner)
                with env.progress.step(f"Solve for {request.target.name}") as step:
                    return _solved(there, planner, weighed, step)

            solved = _in_first_form(request, env, forms, attempt)
        uncut, size = at.points(final=False), at.smaller_size
        preview = replace(solved.preview, uncut=uncut, size=size)
        return _noted(replace(solved, preview=preview), after=at.loaded.notes)

    def _scores(
        self, request: BuildRequest, inputs: PruningInputs, planner: Planner
    ) -> _Weighed:
        """Importance of units and blocks: the same where recipes draw and score alike."""
        recipe, progress = request.project.recipe, inputs.progress
        criterion = recipe.prune.importance
        network = planner.graph.program.specs
        how = (_drawn(recipe), criterion, recipe.prune.drop_blocks, network)
        if how not in self._weighed:
            train, store = inputs.train, inputs.training.store
            graph = planner.graph
            scores = score_importance(graph, train, criterion, progress, store)
            senses = probe(planner, scores, train, progress, store)
            self._weighed[how] = scores, senses
        return self._weighed[how]


def _in_first_form(
    request: BuildRequest,
    env: Environment,
    forms: Sequence[left_out.Form],
    attempt: Callable[[left_out.Form], SolvedPreview],
) -> SolvedPreview:
    """The preview in the first form whose exports can be made; its notes name the others."""
    exporter = ExportRunner.of(request, env)
    solved, left = left_out.in_first_form(exporter, forms, attempt)
    return _noted(solved, before=left)


def _noted(
    solved: SolvedPreview, *, before: Sequence[Note] = (), after: Sequence[Note] = ()
) -> SolvedPreview:
    notes = unique((*before, *solved.preview.notes, *after))
    return replace(solved, preview=replace(solved.preview, notes=notes))


def _drawn(recipe: Recipe) -> tuple[object, ...]:
    """The settings by which samples are drawn."""
    return recipe.seed, recipe.distill.validation_fraction, recipe.calibration


def _solved(
    inputs: PruningInputs, planner: Planner, weighed: _Weighed, step: Step
) -> SolvedPreview:
    scores, senses = weighed
    constraints = inputs.constraints(planner)
    solve = partial(solve_for, planner, scores, senses)
    point = partial(
        _point, planner, constraints, inputs.expectations(planner.graph.program)
    )
    points, plans = [], []
    ladder = _ladder(_NEAR * constraints.full_cost / planner.cheapest().cost)
    for number, speedup in enumerate(ladder):
        asked = f"{constraints.gain * speedup:.2f}x"
        step.update(number, len(ladder) + 1, asked)
        solution = solve(
            PlanConstraints(speedup=None, full_cost=constraints.full_cost),
            constraints.full_cost / speedup,
        )
        points.append(point(asked, solution))
        plans.append(solution.plan)
    fastest = inputs.recipe.objective == "fastest"
    kept = None if fastest else most_accurate(inputs.uncut.safe)
    budgeted = _budgeted(planner, constraints, solve, cut=kept is None)
    last = point("the budget", budgeted)
    points.append(last if kept is None else replace(last, speedup=kept.speedup))
    plans.append(budgeted.plan)
    objective = PlanObjective(
        graph=planner.graph, importance=scores, sensitivity=senses
    )
    key, doubt = planner.table.key, planner.table.doubt
    preview = Preview(
        target=inputs.target.name,
        runtime=key.runtime,
        precision=key.precision,
        gain=constraints.gain,
        uncut=inputs.uncut.points("uncut"),
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


def _budgeted(
    planner: Planner,
    constraints: PlanConstraints,
    solve: Callable[[PlanConstraints, float | None], Solution],
    *,
    cut: bool,
) -> Solution:
    """The plan for the budget: the whole network unless it has to be `cut`."""
    if not cut or met(planner, constraints):
        whole = planner.whole()
        cost = constraints.full_cost
        return replace(whole, cost=cost, expected_loss_increase=0.0)
    cost_limit = None
    if constraints.speedup is not None:
        cost_limit = constraints.full_cost / constraints.speedup
    return solve(constraints, cost_limit)


def _ladder(ceiling: float) -> list[float]:
    """The speed-ups to solve for, up to the fastest that there is."""
    ladder = [speedup for speedup in SPEEDUPS if speedup < ceiling]
    return [*ladder, ceiling] if ceiling < SPEEDUPS[-1] else ladder


def _point(
    planner: Planner,
    constraints: PlanConstraints,
    expectations: Expectations | None,
    asked: str,
    solution: Solution,
) -> PlanPoint:
    gone, damage = planner.gone(solution.dropped), solution.predicted_loss
    return PlanPoint(
        asked=asked,
        speedup=constraints.gain * constraints.full_cost / solution.cost,
        expected_loss_increase=damage,
        outlook=expectations.outlook(damage, ALONE) if expectations else None,
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
