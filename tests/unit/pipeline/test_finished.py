"""Whole builds that are kept: copied for the same inputs, and made again for others."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edgekit.package import bundle
from edgekit.pipeline import locked
from edgekit.pipeline.assemble import write_bundle
from edgekit.pipeline.finished import Builds, is_first
from edgekit.pipeline.loading import Loaded
from edgekit.pipeline.request import BuildRequest
from edgekit.progress import Silent
from edgekit.store import Json, Stage, kept
from edgekit.types import Measurement, Report
from edgekit.types.build_lock import BuildLock
from edgekit.types.export_notes import TimesReused
from tests import reports
from tests.unit.pipeline.points import environment


def dated(one: Measurement, taken: str) -> Measurement:
    return replace(one, taken=taken, reused=False)


def report_of(folder: Path, age: timedelta) -> Report:
    """A report whose candidates are files in the bundle `folder`."""
    taken = (datetime.now(UTC) - age).isoformat(timespec="seconds")
    made = reports.report(Path("exported"))
    for candidate in made.candidates:
        for file in candidate.artifact.files:
            (folder / file).parent.mkdir(exist_ok=True)
            (folder / file).write_text(candidate.artifact.name)
    candidates = tuple(
        replace(one, measurement=dated(one.measurement, taken))
        for one in made.candidates
    )
    baselines = tuple(dated(one, taken) for one in made.baselines)
    return replace(made, baselines=baselines, candidates=candidates)


def keep(
    request: BuildRequest, loaded: Loaded, root: Path, age: timedelta = timedelta()
) -> Path:
    """A finished bundle that one stage led to; its folder."""
    env = environment(root / "cache")
    builds = Builds.of(request, env, loaded)
    stage = Stage(kind="exports", inputs={"n": 1}, record=Json[int](int))
    kept(env.store, stage, lambda: 1, Silent())
    folder = root / "made"
    folder.mkdir()
    report = report_of(folder, age)
    write_bundle(report, loaded.teacher, loaded, folder)
    builds.keep(report, folder)
    return folder


def again(request: BuildRequest, loaded: Loaded, root: Path) -> Report | None:
    env = environment(root / "cache")
    folder = root / "again"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return Builds.of(request, env, loaded).again(folder)


@pytest.fixture(scope="module")
def once(request_: BuildRequest, loaded: Loaded, tmp_path_factory) -> Path:
    """A kept bundle, made three days ago, for tests that only read it."""
    root: Path = tmp_path_factory.mktemp("once")
    keep(request_, loaded, root, age=timedelta(days=3))
    return root


def test_the_same_inputs_copy_the_bundle_and_name_its_stages(
    request_: BuildRequest, loaded: Loaded, once: Path, tmp_path: Path
) -> None:
    env = environment(once / "cache")
    report = Builds.of(request_, env, loaded).again(tmp_path)
    assert report is not None
    assert [(o.kind, o.kept) for o in env.store.outcomes][-2:] == [
        ("bundles", True),
        ("exports", True),
    ]
    made = {p.relative_to(once / "made"): p for p in (once / "made").rglob("*.*")}
    copied = {p.relative_to(tmp_path): p for p in tmp_path.rglob("*.*")}
    assert copied.keys() == made.keys()
    assert bundle.check(tmp_path) == []
    differ = {
        name.name
        for name in made
        if made[name].read_bytes() != copied[name].read_bytes()
    }
    assert differ == {"report.json", "report.html", "manifest.json"}


def test_a_copied_bundle_names_the_age_of_its_times(
    request_: BuildRequest, loaded: Loaded, once: Path
) -> None:
    report = again(request_, loaded, once)
    assert report is not None
    assert all(one.reused for one in report.baselines)
    assert all(one.measurement.reused for one in report.candidates)
    [note] = [one for one in report.notes if isinstance(one, TimesReused)]
    assert note.measurements == len(report.baselines) + len(report.candidates)
    written = json.loads((once / "again/report.json").read_text())
    assert written["baselines"][0]["reused"] is True
    assert (once / "again/report.html").stat().st_size > 1000


def lock() -> BuildLock:
    return BuildLock(
        conditions={}, machine={}, costs="", cuts=(), student="", files={}, chosen=""
    )


@pytest.mark.parametrize(
    "change",
    [
        lambda r: replace(r, locked=lock()),
        lambda r: replace(r, target=replace(r.target, threads=r.target.threads + 1)),
        lambda r: replace(r, project=r.project.with_settings(["budget.speedup=3.0"])),
        lambda r: replace(r, project=r.project.with_settings(["recipe.seed=5"])),
        lambda r: replace(r, project=r.project.with_settings(["recipe.minutes=5.0"])),
        lambda r: replace(
            r, project=r.project.with_settings(["recipe.bench.tier=report"])
        ),
        lambda r: replace(r, project=replace(r.project, name="another")),
    ],
    ids=["lock", "target", "budget", "seed", "minutes", "tier", "name"],
)
def test_other_inputs_are_another_build(
    request_: BuildRequest, loaded: Loaded, once: Path, change
) -> None:
    assert again(change(request_), loaded, once) is None


def test_another_network_or_other_data_are_another_build(
    request_: BuildRequest, loaded: Loaded, once: Path
) -> None:
    other = loaded.teacher.copy()
    next(iter(other.module.parameters())).data[0] += 1e-3
    assert again(request_, replace(loaded, teacher=other), once) is None
    for name in ("train", "validation", "test", "pool"):
        few = getattr(loaded.samples, name).subset([0, 1, 2])
        samples = replace(loaded.samples, **{name: few})
        assert again(request_, replace(loaded, samples=samples), once) is None, name


def test_a_build_is_the_first_of_its_project_and_target(
    request_: BuildRequest, once: Path, tmp_path: Path
) -> None:
    other = replace(request_, target=replace(request_.target, name="another"))
    renamed = replace(request_, project=replace(request_.project, name="another"))
    kept_store = environment(once / "cache").store
    assert not is_first(request_, kept_store)
    assert is_first(other, kept_store)
    assert is_first(renamed, kept_store)
    assert is_first(request_, environment(tmp_path).store)


def test_old_times_are_taken_again(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    keep(request_, loaded, tmp_path, age=timedelta(days=31))
    assert again(request_, loaded, tmp_path) is None


@pytest.mark.parametrize("way", ["removed", "damaged"])
def test_a_bundle_is_kept_as_long_as_all_its_stages_are(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path, way: str
) -> None:
    """So that `edgekit cache clean measurements` has times taken again."""
    keep(request_, loaded, tmp_path)
    [entry] = (tmp_path / "cache/exports").glob("[!.]*")
    if way == "removed":
        shutil.rmtree(entry)
    else:
        (entry / "files/value.json").write_text("2")
    assert again(request_, loaded, tmp_path) is None
    assert list((tmp_path / "cache/bundles").glob("[!.]*")) == []


def test_a_damaged_bundle_is_made_again(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    keep(request_, loaded, tmp_path)
    [student] = (tmp_path / "cache").rglob("student.pt2")
    student.write_bytes(student.read_bytes()[:-1] + b"x")
    assert again(request_, loaded, tmp_path) is None


def test_networks_that_the_recipe_names_are_not_among_the_inputs(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    """Their files may change, so a build with them is never kept as a whole."""
    recipe = request_.project.recipe
    distill = replace(recipe.distill, teachers=("model.py:layers",))
    project = replace(request_.project, recipe=replace(recipe, distill=distill))
    request = replace(request_, project=project)
    keep(request, loaded, tmp_path)
    assert again(request, loaded, tmp_path) is None
    assert not (tmp_path / "cache/bundles").exists()


def test_a_full_disk_costs_no_bundle(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/bundles").write_text("in the way")
    made = keep(request_, loaded, tmp_path)
    assert bundle.check(made) == []


def test_the_machine_of_the_weights_last_bits_is_an_input(
    request_: BuildRequest, loaded: Loaded, tmp_path: Path
) -> None:
    listed = Builds.of(request_, environment(tmp_path), loaded).stage.listed
    for name, value in locked.here().items():
        assert json.loads(listed[f"machine.{name}"]) == value or len(value) > 90
