"""Students and teachers that the recipe names, and chains of them.

A link of a chain is the teacher cut to the budget, the teacher made narrower or shallower as a
whole, or a network of the user's; each is distilled from the one before, a teacher assistant
where the last is much smaller than the first (Mirzadeh et al., 2020, arXiv:1902.03393).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from edgekit import sources
from edgekit.data import Dataset
from edgekit.distill import Distilled
from edgekit.distill.train import check_outputs
from edgekit.errors import LockError, ModelError, ProjectError
from edgekit.graph.surgery import shrink
from edgekit.pipeline import left_out
from edgekit.pipeline.cost_model import operators_of
from edgekit.pipeline.cut_steps import link_of
from edgekit.pipeline.iterative import iterative_prune
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.search import (
    Own,
    PrunedCandidate,
)
from edgekit.pipeline.training import TeacherEnsemble, TrainingSpec, train_student
from edgekit.pipeline.training_inputs import TrainingInputs
from edgekit.pipeline.unit_scores import score_importance
from edgekit.program.program import Program
from edgekit.prune.objective import keep_best
from edgekit.prune.planner import Planner
from edgekit.tasks.reading import selected
from edgekit.types import (
    Link,
    ModelSpec,
    NetworkSpec,
    OperatorRow,
    Plan,
    StudentSpec,
    TaskKind,
)
from edgekit.types.export_notes import LeftOut, PlannedRuntime
from edgekit.types.notes import LinkTrained, Note, NothingCut, TeachersWeighted, unique

PRUNED = "pruned"


@dataclass(frozen=True, kw_only=True)
class _Named:
    """A network of the recipe's as it was found, and how it is called."""

    name: str
    program: Program


@dataclass(frozen=True, kw_only=True)
class _Finder:
    """Loads the networks that a recipe names, and checks them against the trained one."""

    model: ModelSpec
    root: Path
    allow_pickle: bool
    teacher: Program
    training: TrainingInputs

    def find(self, place: str, weights: str | None, role: str) -> Program:
        """The network at `place`; raises `ModelError` where it does not fit the trained one."""
        model = replace(self.model, source=place, weights=weights)
        with self.training.progress.step(f"Load {place}"):
            found = sources.load(model, root=self.root, allow_pickle=self.allow_pickle)
        try:
            found = selected(found, self.training.spec)
        except ProjectError as error:
            raise ModelError(f"The {role} {place} does not fit: {error}") from error
        train, kind = self.training.samples.train, self.training.spec.kind
        _agree(self.teacher, found, train, kind, f"The {role} {place}")
        return found


def prune_and_distill(
    request: BuildRequest, inputs: PruningInputs, teacher: Program, folder: Path
) -> tuple[PrunedCandidate, Distilled]:
    """The student and its training, by the recipe's chain; without one, the network is cut.

    Raises `ModelError` before any training where two networks do not agree on the task's
    outputs.
    """
    project, recipe = request.project, inputs.recipe.distill
    finder = _Finder(
        model=project.model,
        root=project.root,
        allow_pickle=request.allow_pickle,
        teacher=teacher,
        training=inputs.training,
    )
    others = _teachers(recipe.teachers, finder)
    if inputs.smaller is not None:
        others = replace(others, enlarging=inputs.smaller.teacher)
    chain = [_spec(link) for link in (*recipe.assistants, recipe.student or PRUNED)]
    if PRUNED in chain[1:]:
        raise ProjectError(
            f'{project.file}: [recipe.distill] has "{PRUNED}" after another student. It is '
            "the network itself, cut: name it first."
        )
    if inputs.locked is not None and chain != [PRUNED]:
        raise LockError(
            f"{project.file}: [recipe.distill] names students of their own, and a lock has the "
            "cuts of one network. Build without --locked."
        )
    planned = _planned(inputs, teacher, chain, finder)
    links: list[Link] = []
    students: list[PrunedCandidate] = []
    last = _Named(name="the unpruned network", program=teacher)
    for number, spec in enumerate(chain):
        if len(chain) > 1:
            inputs.progress.say(
                f"Link {number + 1} of {len(chain)}: {_described(spec)}"
            )
        teachers = others if number == 0 else others.led_by(last.program)
        if not isinstance(spec, StudentSpec):
            halfway = number < len(chain) - 1
            fitted, distilled = iterative_prune(
                inputs, teachers, folder, halfway=halfway
            )
            links += fitted.links
        else:
            fitted = planned[number](folder / f"link-{number + 1}")
            training_spec = TrainingSpec(
                recipe=recipe,
                title=f"Distill {_described(spec)}",
                pruned=spec.source is None,
            )
            distilled = train_student(
                inputs.training, teachers, fitted.student, training_spec
            )
            links.append(link_of(_described(spec), last.name, distilled))
        students.append(fitted)
        last = _Named(name=_described(spec), program=distilled.program)
    return _in_all(students, links, others), distilled


def _planned(
    inputs: PruningInputs,
    teacher: Program,
    chain: Sequence[StudentSpec | str],
    finder: _Finder,
) -> dict[int, Callable[[Path], PrunedCandidate]]:
    """Planners of the students of their own form, in a folder; networks are found at once."""
    given = {n: spec for n, spec in enumerate(chain) if isinstance(spec, StudentSpec)}
    if not given:
        return {}
    planner = inputs.planner(teacher)
    own: dict[int, Program | StudentSpec] = {
        number: finder.find(spec.source, spec.weights, "student")
        if spec.source is not None
        else spec
        for number, spec in given.items()
    }
    return {
        number: partial(_student, inputs, planner, found)
        for number, found in own.items()
    }


def _student(
    inputs: PruningInputs, first: Planner, found: Program | StudentSpec, folder: Path
) -> PrunedCandidate:
    """A student of the recipe, planned for in the first form that it can be exported in.

    `first` is the planner in the form of `inputs`.
    """
    network = first.graph.program

    def attempt(form: left_out.Form) -> PrunedCandidate:
        there = inputs.in_form(form, network, folder)
        planner = first if there.timer == inputs.timer else there.planner(network)
        if isinstance(found, Program):
            return _placed(there, planner, found, folder)
        return _scaled(there, planner, found, folder)

    exporter, forms = inputs.timer.exporter, inputs.forms(("fp32",))
    student, left = left_out.in_first_form(exporter, forms, attempt)
    return replace(student, notes=(*student.notes, *left))


def _in_all(
    students: Sequence[PrunedCandidate],
    links: Sequence[Link],
    others: TeacherEnsemble,
) -> PrunedCandidate:
    """The last student, with the links of the chain and the forms left out on the way."""
    *before, last = students
    notes: list[Note] = [
        note
        for student in before
        for note in student.notes
        if isinstance(note, LeftOut | PlannedRuntime)
    ]
    notes += last.notes
    if others.others:
        notes.append(TeachersWeighted(fractions=tuple(others.fractions())))
    if len(links) > 1:
        notes += [LinkTrained(link=link) for link in links]
    return replace(last, links=tuple(links), notes=unique(notes))


def _teachers(named: Sequence[str | NetworkSpec], finder: _Finder) -> TeacherEnsemble:
    """Further teachers of the recipe, checked against the network."""
    specs = [
        NetworkSpec(source=spec) if isinstance(spec, str) else spec for spec in named
    ]
    others = [finder.find(spec.source, spec.weights, "teacher") for spec in specs]
    return TeacherEnsemble(
        first=finder.teacher,
        others=tuple(others),
        weights=(1.0, *(spec.weight for spec in specs)) if specs else None,
    )


def _spec(link: str | StudentSpec) -> StudentSpec | str:
    if isinstance(link, str):
        return PRUNED if link == PRUNED else StudentSpec(source=link)
    if (link.source is None) == (link.width is None and link.depth is None):
        raise ProjectError(
            "[recipe.distill] A student has a source of its own, or a width or depth of the "
            'teacher\'s: "model.py:small", { width = 0.5 } or { depth = 0.5 }.'
        )
    return link


def _described(spec: StudentSpec | str) -> str:
    if isinstance(spec, str):
        return "the pruned network"
    if spec.source is not None:
        return spec.source
    parts = [
        f"{fraction:g} of its {name}"
        for name, fraction in (("width", spec.width), ("depth", spec.depth))
        if fraction is not None
    ]
    return f"the network at {' and '.join(parts)}"


def _agree(
    teacher: Program, other: Program, train: Dataset, kind: TaskKind, name: str
) -> None:
    """Raise where two networks differ in what they take or give."""
    expected, own = (
        ", ".join(
            f"{dtype} {list(spec.shape)}"
            for spec, dtype in zip(p.inputs, p.dtypes, strict=True)
        )
        for p in (teacher, other)
    )
    if own != expected:
        raise ModelError(
            f"{name} takes {own} and the network {expected}. They must take the same inputs."
        )
    names = [[spec.name for spec in program.inputs] for program in (other, teacher)]
    if names[0] != names[1] and sorted(names[0]) == sorted(names[1]):
        raise ModelError(
            f"{name} takes {', '.join(names[0])} and the network {', '.join(names[1])}: the "
            "order of the inputs differs. Give both the same."
        )
    try:
        check_outputs(teacher, other, train, kind)
    except ModelError as error:
        raise ModelError(f"{name} does not fit the network: {error}") from error


def _scaled(
    inputs: PruningInputs, planner: Planner, spec: StudentSpec, folder: Path
) -> PrunedCandidate:
    """The network with a fraction of every width, a fraction of its residual blocks, or both."""
    groups = planner.graph.groups
    dropped = _dropped(planner, spec.depth)
    gone = planner.gone(dropped)
    widths = {
        group.id: group.units
        if group.id in gone
        else _nearest(planner.options[group.id], group.units, spec.width)
        for group in groups
    }
    scores = score_importance(
        planner.graph,
        inputs.train,
        inputs.recipe.prune.importance,
        inputs.progress,
        inputs.training.store,
    )
    kept = keep_best(groups, widths, scores).kept
    plan = Plan(kept=kept, dropped_blocks=dropped)
    solution = planner.planned(plan)
    student = shrink(planner.graph, plan)
    full = planner.cost({}, planner.device)
    cost = planner.cost(solution.widths, planner.device, dropped)
    return PrunedCandidate(
        student=student,
        graph=planner.graph,
        planner=planner,
        solution=solution,
        rounds=(inputs.timer.time(student, full / cost, folder),),
        notes=(),
    )


def _nearest(options: Sequence[int], units: int, fraction: float | None) -> int:
    """The width on offer that is nearest to a fraction of all units."""
    target_width = units * (fraction or 1.0)
    return min((*options, units), key=lambda width: abs(width - target_width))


def _dropped(planner: Planner, depth: float | None) -> tuple[str, ...]:
    """Blocks that leave, evenly spread; the first stays while any does."""
    if depth is None:
        return ()
    blocks = planner.graph.blocks
    if not blocks:
        raise ModelError(
            "The network has no residual blocks that could be left out. Leave depth out of "
            "[recipe.distill] student, or name a network of your own."
        )
    keep = max(1, round(depth * len(blocks)))
    stay = {int(n) for n in np.linspace(0, len(blocks) - 1, keep).round()}
    return tuple(block.id for number, block in enumerate(blocks) if number not in stay)


def _placed(
    inputs: PruningInputs, planner: Planner, student: Program, folder: Path
) -> PrunedCandidate:
    """A network of the user's, its speed measured before any training."""
    operators = operators_of(student)
    planner.table.measure(operators, planner.device)
    costs = [planner.table.cost(operator) for operator in operators]
    full = planner.cost({}, planner.device)
    timed = inputs.timer.time(student, full / sum(costs), folder)
    own = Own(
        parameters=sum(p.numel() for p in student.module.parameters()),
        macs=sum(operator.macs for operator in operators),
        operators=tuple(
            OperatorRow(
                name=f"student {number}", kind=operator.kind, before=0.0, after=cost
            )
            for number, (operator, cost) in enumerate(
                zip(operators, costs, strict=True), 1
            )
        ),
    )
    return PrunedCandidate(
        student=student,
        graph=planner.graph,
        planner=planner,
        solution=planner.whole(),
        rounds=(timed,),
        notes=(NothingCut(reason="own_architecture"),),
        own=own,
    )
