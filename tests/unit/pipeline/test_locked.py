"""The lock of a build, and networks that are made again by it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.errors import LockError
from edgekit.pipeline import locked
from edgekit.pipeline.chain import prune_and_distill
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.pruning_inputs import PruningInputs
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.unit_scores import probe, score_importance
from edgekit.prune.solution import Limits
from edgekit.types import RuntimeOptions
from edgekit.types.build_lock import BuildLock, LockedCut, LockedFile
from tests.unit.pipeline.artifacts import artifact
from tests.unit.pipeline.points import environment


def inputs_of(request: BuildRequest, loaded: Loaded, root: Path) -> PruningInputs:
    return PruningInputs.of(request, environment(root), loaded, [artifact("fp32")])


def cut_of(request: BuildRequest, loaded: Loaded, root: Path) -> LockedCut:
    """A plan of half of the operations."""
    inputs = inputs_of(request, loaded, root)
    planner, store = inputs.planner(loaded.teacher), inputs.training.store
    train, progress = inputs.train, inputs.progress
    scores = score_importance(planner.graph, train, "activation", progress, store)
    senses = probe(planner, scores, train, progress, store)
    found = planner.solve(scores, Limits(macs=planner.macs() // 2), senses)
    return LockedCut(plan=found.plan, widths=found.widths, trainings=2)


def lock_of(request: BuildRequest, loaded: Loaded, *cuts: LockedCut) -> BuildLock:
    file = LockedFile(runtime="litert", precision="fp32", sha256={".tflite": "ab"})
    return BuildLock(
        conditions=locked.conditions(request, loaded),
        machine=locked.here(),
        costs="estimated",
        cuts=cuts,
        student="",
        files={"litert-fp32": file},
        chosen="litert-fp32",
        options=RuntimeOptions(threads=1),
    )


def test_scores_tables_and_plans_are_kept(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    first = cut_of(request_, loaded, tmp_path)
    assert cut_of(request_, loaded, tmp_path) == first
    inputs = inputs_of(request_, loaded, tmp_path)
    inputs.planner(loaded.teacher)
    assert [one.kept for one in inputs.training.store.outcomes] == [True]
    assert inputs.training.store.outcomes[0].kind == "cost-tables"


def test_a_lock_makes_the_same_network_in_two_empty_caches(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    cut = cut_of(request_, loaded, tmp_path / "planned")
    again = replace(request_, locked=lock_of(request_, loaded, cut))
    made = []
    for name in ("one", "two", "two"):
        inputs = inputs_of(again, loaded, tmp_path / name)
        made.append(prune_and_distill(again, inputs, loaded.teacher, tmp_path))
        ran = {one.kind: one.kept for one in inputs.training.store.outcomes}
    assert len({student.program.fingerprint() for _, student in made}) == 1
    assert ran == {"reconstruction": True, "distilled": True}
    pruned, student = made[0]
    assert pruned.cuts == (cut,)
    assert pruned.solution.widths == cut.widths
    assert len(student.epochs) == 3  # before, and two trainings of one epoch
    assert pruned.table.provenance == "estimated"


def test_an_uncut_network_stays_as_it_is(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    again = replace(request_, locked=lock_of(request_, loaded))
    inputs = inputs_of(again, loaded, tmp_path)
    pruned, student = prune_and_distill(again, inputs, loaded.teacher, tmp_path)
    assert student.program.fingerprint() == loaded.teacher.fingerprint()
    assert pruned.cuts == ()


def test_a_condition_that_differs_is_named_with_its_fix(
    request_: BuildRequest, loaded: Loaded
) -> None:
    lock = lock_of(request_, loaded)
    locked.check(replace(request_, locked=lock), loaded)

    def message(**changes: str) -> str:
        conditions = {**lock.conditions, **changes}
        other = replace(request_, locked=replace(lock, conditions=conditions))
        with pytest.raises(LockError) as error:
            locked.check(other, loaded)
        return str(error.value)

    said = message(**{"recipe.distill.epochs": "20"})
    assert "recipe.distill.epochs was 20 and is 1. Restore it, or build" in said
    said = message(**{"versions.torch": '"1.0"'})
    assert "versions.torch was 1.0 and is" in said
    assert "pip install torch==1.0" in said
    assert "model was gone and is" in message(model='"gone"')
    several = dict.fromkeys(list(lock.conditions)[:6], '"x"')
    assert "; and 3 more. " in message(**several)


def test_a_recipe_with_students_of_its_own_has_no_lock(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    project = request_.project
    distill = replace(project.recipe.distill, student="model.py:layers")
    recipe = replace(project.recipe, distill=distill)
    named = replace(request_, project=replace(project, recipe=recipe))
    named = replace(named, locked=lock_of(named, loaded))
    inputs = inputs_of(named, loaded, tmp_path)
    with pytest.raises(LockError, match=r"students of their own"):
        prune_and_distill(named, inputs, loaded.teacher, tmp_path)


def test_other_bytes_are_an_error_unless_the_machine_is_another(
    request_: BuildRequest, loaded: Loaded
) -> None:
    lock = lock_of(request_, loaded)
    assert locked.verify(lock, None) == locked.verify(lock, lock) == ()
    file = replace(lock.files["litert-fp32"], sha256={".tflite": "cd"})
    other = replace(lock, files={"litert-fp32": file})
    with pytest.raises(LockError, match=r"litert-fp32 is not what edgekit\.lock has"):
        locked.verify(other, lock)
    with pytest.raises(LockError, match="litert-fp32"):
        locked.verify(replace(lock, files={}), lock)
    [note] = locked.verify(replace(other, machine={"threads": "9"}), lock)
    assert note.files == ("litert-fp32",)
    assert "threads" in note.machine


def test_nothing_is_left_to_decide(request_: BuildRequest, loaded: Loaded) -> None:
    recipe, lock = request_.project.recipe, lock_of(request_, loaded)
    assert locked.settled(recipe, None) == recipe
    assert locked.settled(recipe, lock).quantize.qat == "never"
    rounded = locked.settled(recipe, replace(lock, rounding=True))
    assert rounded.quantize.qat == "always"
    assert rounded.bench.runtime_options_s == 0.0
