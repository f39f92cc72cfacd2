"""Common inputs of every cut of one build, in one runtime and precision."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from pathlib import Path
from types import MappingProxyType

from edgekit.bench.statistics import speedup
from edgekit.bench.tiers import planning
from edgekit.cost.table import TableState
from edgekit.data import Dataset
from edgekit.export.workers import Variant, artifact_name
from edgekit.pipeline import left_out, stage_inputs, variants
from edgekit.pipeline.check_data import relative
from edgekit.pipeline.constraints import (
    DEFAULT_SPEEDUP,
    PlanConstraints,
    constraints_from_budget,
    reachable,
)
from edgekit.pipeline.cost_model import calibrate
from edgekit.pipeline.cost_provider import CostProvider, choose
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.expected_accuracy import Expectations, read_outcomes
from edgekit.pipeline.frontier import Judged, NetworkEvaluator
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import BenchRunner, ExportRunner
from edgekit.pipeline.search import (
    PlanTimer,
    build_planner,
    planned_precisions,
    whole_planner,
)
from edgekit.pipeline.second_form import second_form
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.pipeline.weighed import Weighed, weigh
from edgekit.program.program import Program
from edgekit.progress import Progress
from edgekit.prune.cost_terms import Options
from edgekit.prune.planner import Planner
from edgekit.store import Json, Stage, find, keep, key
from edgekit.types import (
    Artifact,
    Budget,
    IOFusion,
    Precision,
    Recipe,
    RuntimeName,
    Target,
)
from edgekit.types.build_lock import BuildLock
from edgekit.types.notes import SpeedupAssumed


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """A table as a planner saw it, and the widths that it offered then."""

    table: TableState
    options: Mapping[str, tuple[int, ...]]


_SEEN = Json[_Seen](_Seen)


@dataclass(frozen=True, kw_only=True)
class SmallerInput:
    """A smaller size of the network's images, that its plans are made at."""

    teacher: Program
    """The network as a teacher there, which enlarges images to its own size."""
    damage: float
    """Loss increase by the size alone, in nats a sample."""
    drop: float
    """Of the metric on validation data by the size alone, in float and untrained."""


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
    uncut: Judged = field(default_factory=Judged)
    """The unpruned network in every precision, on validation data."""
    evaluator: NetworkEvaluator | None = None
    """Judges trained networks; `None` where the first one is taken as it is."""
    locked: BuildLock | None = None
    """Decisions of an earlier build; `None` where there are none to repeat."""
    gain: float = 1.0
    """Speed-up over fp32 by the precision that is planned for, and by a smaller size of images,
    without any cut."""
    smaller: SmallerInput | None = None
    """The size that is planned at; `None` is the network's own."""
    accept_doubts: bool = True
    """True where a network is trained though it surely misses the accuracy budget."""

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
            target=env.observed(request.target),
            costs=choose(request, env),
            timer=PlanTimer(
                exporter=ExportRunner.of(request, env),
                bench=BenchRunner.of(request, env),
                variant=(baselines[0].runtime, "fp32"),
                baseline=baselines[0],
                calibration=loaded.samples.calibration,
            ),
            training=TrainingInputs.of(request, env, loaded.samples, loaded.task),
            baselines=tuple(baselines),
            refused=refused,
            accept_doubts=request.accept_doubts,
            locked=request.locked,
        )

    def judged_by(self, evaluator: NetworkEvaluator, uncut: Judged) -> PruningInputs:
        """The same with trained networks judged, after the `uncut` one."""
        return replace(self, evaluator=evaluator, uncut=uncut)

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

    def precisions(self) -> tuple[Precision, ...]:
        """Precisions to plan in, the one first in which least has to be cut.

        A precision that falls off the runtime's fast path, or takes much of the accuracy budget
        by itself, is after fp32. The order is the recipe's where it names a precision.
        """
        precisions = planned_precisions(self.recipe, self.target)
        if self.recipe.prune.precision != "auto":
            return precisions
        return tuple(sorted(precisions, key=self._precision_gain, reverse=True))

    def _precision_gain(self, precision: Precision) -> float:
        """Speed-up by the precision alone, on the runtime that gains most."""
        limit, lost = (
            self.budget.accuracy_drop,
            self.smaller.drop if self.smaller else 0,
        )
        return max(
            self.uncut.gain(self._planned((one.runtime, precision)), limit, lost)
            for one in self.baselines
        )

    def _planned(self, form: left_out.Form) -> Variant:
        return variants.planned(*form, self.target)

    def _mixed(self, runtime: RuntimeName) -> Variant | None:
        """The file that mixes precisions, where the plan chooses each operator's."""
        if self.recipe.prune.precision != "mixed" or self.smaller is not None:
            return None
        return variants.mixed_file(runtime, self.target)

    def in_form(
        self, form: left_out.Form, network: Program, folder: Path
    ) -> PruningInputs:
        """The same with plans timed beside the unpruned `network` in another form, whose own
        gain over fp32 is known: only what is missing of the budget has to be cut.

        Raises `left_out.NotExportable` where the network cannot be exported in it.
        """
        runtime, precision = form
        [baseline] = [one for one in self.baselines if one.runtime == runtime]
        if precision == baseline.precision and self.smaller is None:
            return self._beside(self._mixed(runtime) or form, baseline, 1.0)
        variant = self._planned(form)
        judged = self.uncut.plain(variant)
        if judged is not None and self.training.samples.folding == IOFusion():
            return self._beside(variant, _unpruned(judged.artifact), judged.speedup)
        [artifact] = left_out.export(
            self.timer.exporter,
            network,
            [variant],
            folder / f"unpruned-{precision}",
            title=f"Export the unpruned network in {precision}",
            calibration=self.timer.calibration,
        ).artifacts
        whole = _unpruned(artifact)
        return self._beside(variant, whole, _gain(self.timer.bench, baseline, whole))

    def _beside(
        self, variant: Variant, baseline: Artifact, gain: float
    ) -> PruningInputs:
        timer = replace(self.timer, variant=variant, baseline=baseline)
        return replace(self, timer=timer, gain=gain)

    @property
    def in_fp32(self) -> Artifact:
        """The unpruned network in fp32 on the runtime that is planned for."""
        runtime = self.timer.baseline.runtime
        return next(one for one in self.baselines if one.runtime == runtime)

    @property
    def gain_at_its_size(self) -> float:
        """Speed-up over fp32 by the precision alone, at the size that is planned at."""
        fp32 = self.uncut.plain((self.in_fp32.runtime, "fp32"))
        return self.gain / fp32.speedup if self.smaller and fp32 else self.gain

    @property
    def _in_fp32_at_its_size(self) -> Artifact | None:
        """The same at the smaller size that is planned at; `None` at the network's own."""
        if self.smaller is None:
            return None
        judged = self.uncut.plain((self.in_fp32.runtime, "fp32"))
        return self.timer.baseline if judged is None else _unpruned(judged.artifact)

    def planner(
        self,
        network: Program,
        options: Options | None = None,
        corrected_in: Path | None = None,
    ) -> Planner:
        """A planner of a network in the form that is planned for; see `build_planner`.

        Its costs are corrected by whole networks, exported in the folder `corrected_in`, where
        one is given. The table is as an earlier build of the same network saw it.
        """
        recipe, progress, store = self.recipe.prune, self.progress, self.training.store
        table, timer = self.costs.table(*self.form), self.timer
        stage = Stage(
            kind="cost-tables",
            title=f"Costs of operators on {table.key.runtime}",
            inputs={
                "network": stage_inputs.of_network(network),
                "table": {**asdict(table.key), "provenance": table.provenance},
                "tile": self.costs.tiles.get(table.key.precision, 1),
                "min_keep": recipe.min_keep,
                "drop_blocks": recipe.drop_blocks,
                "options": options,
                "corrected": corrected_in is not None,
                "file": artifact_name(*timer.variant),
            },
            record=_SEEN,
            portable=False,
        )
        found = find(store, stage, progress)
        if found is not None:
            table.restore(found.table)
            options = found.options
        form, second = self.form, None
        if self._mixed(form[0]) is not None:
            second = partial(
                second_form,
                runtime=form[0],
                costs=self.costs,
                train=self.train,
                progress=progress,
                store=store,
            )
            timer = replace(timer, variant=form)  # whole networks of the first form
        made = build_planner(
            network, form, self.costs, recipe, progress, options, second
        )
        if corrected_in is not None:
            calibrate(made, timer, corrected_in)
        if found is None:
            seen = _Seen(table=table.state(), options=made.options)
            keep(store, stage, seen)
        return made

    def weighed(self, planner: Planner) -> Weighed:
        """The worth of the units of a planner's network, on the training samples."""
        criterion, store = self.recipe.prune.importance, self.training.store
        return weigh(planner, self.train, criterion, self.progress, store)

    def whole_planner(
        self, network: Program, widths: Mapping[str, int] = MappingProxyType({})
    ) -> Planner:
        """The same for a network that nothing is cut from, or that gets these `widths`: no
        others are offered."""
        return whole_planner(network, self.form, self.costs, self.recipe.prune, widths)

    @property
    def form(self) -> left_out.Form:
        """The runtime and precision that are planned for: fp32 where the plan chooses each
        operator's."""
        runtime, precision, *_ = self.timer.variant
        return runtime, "fp32" if self._mixed(runtime) else precision

    def expectations(self, network: Program) -> Expectations | None:
        """Accuracy expected of this network in the form that is planned for; `None`
        where trained networks are not judged."""
        if self.evaluator is None:
            return None
        evaluation = self.evaluator.evaluation
        uncut, reference = self.uncut.of(self.timer.variant), evaluation.reference
        size = self.smaller
        lost = uncut.accuracy_drop if uncut else 0.0
        return Expectations(
            outcomes=read_outcomes(self.training.store),
            family=key(network.fingerprint(), self.recipe.distill.epochs),
            reference=reference,
            relative=relative(evaluation.spec, reference),
            lost=lost - size.drop if uncut and size else lost,
            before=size.damage if size else 0.0,
        )

    def constraints(self, planner: Planner) -> PlanConstraints:
        """Constraints on the unpruned network in the precision that is planned for.

        The fastest network is cut by all of the speed-up, whatever precision gives besides.
        """
        constraints = constraints_from_budget(
            planner,
            self.budget,
            self.target.name,
            self.recipe.export.precisions or self.target.precisions,
            self.timer.bench,
            self.in_fp32,
            planned=self._in_fp32_at_its_size,
        )
        assumed = any(isinstance(n, SpeedupAssumed) for n in constraints.notes)
        required = 1.0 if assumed else constraints.speedup or 1.0
        if self.recipe.objective == "fastest":
            cut = max(required, DEFAULT_SPEEDUP)
            return reachable(planner, replace(constraints, speedup=cut), required)
        return reachable(
            planner, constraints.with_gain(self.gain), required / self.gain
        )


def _unpruned(artifact: Artifact) -> Artifact:
    return replace(artifact, name=f"unpruned-{artifact.name}")


def _gain(bench: BenchRunner, fp32: Artifact, other: Artifact) -> float:
    """Speed-up of the unpruned network in another precision over its fp32 file."""
    title = f"Time the unpruned network in {other.precision}"
    timed = bench.measure([fp32, other], title, planning())
    gain = speedup(timed[fp32.name], timed[other.name])
    bench.progress.say(f"{other.precision} alone: {gain:.2f}x on {other.runtime}")
    return gain
