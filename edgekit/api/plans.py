"""Planning and cutting: which units stay within a budget, and the network without the others."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from edgekit.api.datasets import Data
from edgekit.api.environment import attached_environment, profile, project_of
from edgekit.api.networks import Network
from edgekit.errors import ModelError, UsageError
from edgekit.graph.graph import WidthGraph, analyze
from edgekit.graph.surgery import shrink
from edgekit.pipeline.environment import InMemory
from edgekit.pipeline.preview import Previewer
from edgekit.pipeline.request import BuildRequest
from edgekit.program.resize import at_size
from edgekit.progress import Logged, Progress
from edgekit.report.plan_page import preview_page, write_preview
from edgekit.types import Budget, Plan, PlanPoint, Preview, Recipe, Target


@dataclass(frozen=True, kw_only=True)
class PruningPlan:
    """Units of a network that stay, and the frontier of plans that they were chosen from."""

    preview: Preview
    """Where time goes, what is sensitive, what blocks, and every point of the frontier."""
    plans: tuple[Plan, ...]
    """One a point of the frontier, in the same order."""
    groups: tuple[tuple[str, int], ...]
    """The network's groups of coupled widths and their units: what it has to be cut from."""
    chosen: int = -1
    """The point that `prune` cuts to; the last is the budget's."""

    def __repr__(self) -> str:
        point = self.point
        return (
            f"PruningPlan(target={self.preview.target!r}, speedup={point.speedup:.2f}, "
            f"parameters={point.parameters}, macs={point.macs})"
        )

    @property
    def point(self) -> PlanPoint:
        """Costs of the chosen plan, and its expected loss increase."""
        return self.preview.points[self.chosen]

    @property
    def plan(self) -> Plan:
        """The units that stay, by group, and the residual blocks that go."""
        return self.plans[self.chosen]

    @property
    def frontier(self) -> tuple[PlanPoint, ...]:
        """The plans from the mildest cut to the deepest, without the budget's."""
        return self.preview.points[:-1]

    def at(self, speedup: float) -> PruningPlan:
        """The mildest plan of the frontier that is expected to be this many times faster.

        Raises `UsageError`, naming the fastest, where none is.
        """
        for number, point in enumerate(self.frontier):
            if point.speedup >= speedup:
                return replace(self, chosen=number)
        fastest = max((point.speedup for point in self.frontier), default=1.0)
        raise UsageError(
            f"No plan is {speedup:g} times faster: the fastest is {fastest:.2f}."
        )

    def to_html(self, path: str | Path | None = None) -> str:
        """The frontier as a self-contained page, also written to `path` where one is given.

        Raises `OutputError` where it cannot be written.
        """
        if path is not None:
            write_preview("network", [self.preview], Path(path))
        return preview_page("network", [self.preview])


def plan(  # noqa: PLR0913
    model: Network,
    data: Data,
    *,
    target: str | Target,
    budget: Budget | None = None,
    device: str = "local",
    recipe: Recipe | None = None,
    progress: Progress | None = None,
) -> PruningPlan:
    """The plans that fit a network to a target, without training.

    `data` needs `train`: units are weighed, and cuts tried, on some of it. Operators are timed
    on the device at the address `device` (`local`, `ssh://user@host`, ...), or by the rules of
    `recipe.prune`. Without a `budget` the plan aims at a speed-up of 2. A budget in
    milliseconds needs the target attached; elsewhere the plan reaches a speed-up, which
    `preview.notes` states. Raises `BudgetInfeasible`, naming the nearest feasible figures,
    where no plan keeps the budget, `ModelError` where nothing can be cut, `DataError`,
    `DeviceError` and `TargetError`.
    """
    project = project_of(data, budget=budget, recipe=recipe)
    held = InMemory(network=model.program, samples=data.held)
    request = BuildRequest(project=project, target=profile(target))
    with attached_environment(
        request, device=device, progress=progress or Logged(), in_memory=held
    ) as env:
        solved = Previewer().solved(request, env)
    return PruningPlan(
        preview=solved.preview, plans=solved.plans, groups=_groups(solved.graph)
    )


def prune(model: Network, plan: PruningPlan | Plan) -> Network:
    """A copy of a network without the units and blocks that `plan` leaves out, for images of the
    plan's size.

    `model` is left as it is; its present weights are those that the student keeps. Raises
    `ModelError` where the plan is of a network with other widths.
    """
    size = plan.preview.size if isinstance(plan, PruningPlan) else None
    graph = analyze(at_size(model.program, size) if size else model.program)
    if isinstance(plan, PruningPlan):
        if plan.groups != _groups(graph):
            raise ModelError(
                "The plan was made for a network of other widths. Plan this one: edgekit.plan."
            )
        plan = plan.plan
    unknown = sorted(set(plan.kept) - {group.id for group in graph.groups})
    if unknown:
        raise ModelError(
            f"The network has no group of widths '{unknown[0]}', which the plan names. "
            "Plan this network: edgekit.plan."
        )
    return Network(shrink(graph, plan))


def _groups(graph: WidthGraph) -> tuple[tuple[str, int], ...]:
    return tuple((group.id, group.units) for group in graph.groups)
