"""EdgeKit in `benchmarks/latency_frontier.py`: cut as a build cuts, not yet trained.

The unpruned network is measured in every precision, a plan made in the one in which least has to
be cut, on costs of this machine, and repeated where the exported network misses or loses more than
was expected. Layers that lost inputs are refitted. It is always one cut: a build takes steep ones
in several, trained in between, and all methods get the same training here. These are timings: the
machine ought to be idle.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from edgekit.config import targets
from edgekit.config.project import Project
from edgekit.devices.local import LocalDevice
from edgekit.export.checks import check_libraries
from edgekit.pipeline.baselines import export_baselines
from edgekit.pipeline.constraints import PlanConstraints
from edgekit.pipeline.cutter import Cutter
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.loading import Loaded, load
from edgekit.pipeline.measured_damage import MeasuredDamage
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.resolution import AtSize
from edgekit.pipeline.training import TeacherEnsemble
from edgekit.program.program import Program
from edgekit.progress import Silent
from edgekit.runtimes import registry
from edgekit.scratch import folder as scratch_folder
from edgekit.store import Store
from edgekit.types import Precision, RuntimeName, Target

METHOD = "edgekit"


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One network with its data, for one runtime of this machine."""

    request: BuildRequest
    env: Environment
    loaded: Loaded

    @classmethod
    def of(
        cls,
        project: Project,
        runtime: RuntimeName,
        precisions: tuple[Precision, ...] | None = None,
    ) -> Bench:
        """The project for this machine, with one runtime; `None` is its every precision."""
        check_libraries(registry.get(runtime))
        target = host(runtime)
        target = replace(target, precisions=precisions or target.precisions)
        request = BuildRequest(project=project, target=target)
        device = LocalDevice(provenance="device")
        env = Environment(device=device, store=Store(), progress=Silent())
        return cls(request=request, env=env, loaded=load(request, env, {}))


def host(runtime: RuntimeName) -> Target:
    """This machine with one of its runtimes."""
    return replace(targets.load("host"), runtimes=(runtime,))


@dataclass(frozen=True, kw_only=True)
class Cut:
    """A network cut for a speed-up, before any training."""

    program: Program
    precision: str
    """That it was planned in."""
    predicted: float
    """Speed-up over the unpruned network in that precision, by the last round's prediction."""
    measured: float
    damage: float | None
    """The plan's expected loss increase in nats."""


def cut_for(bench: Bench, speedup: float) -> Cut:
    """The network for a speed-up over the unpruned one, in the precision that is planned in.

    Raises `BudgetInfeasible` where no plan is so fast.
    """
    request, env, loaded = bench.request, bench.env, bench.loaded
    teacher, runtimes = loaded.teacher, request.target.runtimes
    with scratch_folder() as folder:
        baselines = export_baselines(request, env, loaded, runtimes, folder)
        own = AtSize.of(request, env, loaded, baselines, folder)
        inputs = own.judged(folder / "uncut").pruning
        form = inputs.forms(inputs.precisions())[0]
        inputs = inputs.in_form(form, teacher, folder)
        planner = inputs.planner(teacher, corrected_in=folder)
        constraints = PlanConstraints(
            speedup=speedup, full_cost=planner.cost({}, planner.device)
        )
        cutter = Cutter(
            inputs=inputs,
            teachers=TeacherEnsemble(first=teacher),
            first=planner,
            final=constraints,
            folder=folder / "rounds",
            damages=MeasuredDamage(training=inputs.training),
        )
        found = cutter.untrained(inputs.weighed(planner), constraints)
    measured = found.measured_speedup
    last = next(one for one in found.rounds if one.measured_speedup == measured)
    return Cut(
        program=found.student,
        precision=form[1],
        predicted=last.predicted_speedup,
        measured=last.measured_speedup,
        damage=found.solution.expected_loss_increase,
    )
