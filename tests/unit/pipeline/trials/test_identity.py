"""The identity of a search."""

from __future__ import annotations

import shutil
from pathlib import Path

from edgekit.config import project
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.trials import identity
from edgekit.pipeline.trials.space import parse
from tests.unit.pipeline import points

VARIED = parse(["recipe.distill.epochs=4..8"])


def of(folder: Path, settings: tuple[str, ...] = (), rungs: int = 3) -> dict[str, str]:
    request = BuildRequest.of(project.load(folder), "host", settings=settings)
    return identity.of(request, settings, VARIED, rungs, "local")


def changed(one: dict[str, str], other: dict[str, str]) -> set[str]:
    return {name.partition(" (")[0] for name in one if one[name] != other[name]}


def test_each_thing_that_trials_depend_on_makes_another_search(tmp_path: Path) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    before = of(points.write(folder))
    assert before["project"] == "project" and before["space"] == VARIED[0].text
    assert changed(before, of(folder, ("recipe.seed=1",))) == {"configuration"}
    assert changed(before, of(folder, rungs=2)) == {"number of rungs"}
    (folder / "edgekit.toml").write_text(f"# the same\n{points.PROJECT}")
    assert of(folder) == before
    (folder / "model.py").write_text(f"{points.MODEL}\n# other weights\n")
    assert changed(before, of(folder)) == {"network"}


def test_a_project_that_was_moved_is_the_same(tmp_path: Path) -> None:
    folder = tmp_path / "one" / "project"
    folder.mkdir(parents=True)
    before = of(points.write(folder))
    shutil.move(folder.parent, tmp_path / "other")
    assert of(tmp_path / "other" / "project") == before


def test_the_bytes_of_weights_and_folders_count(tmp_path: Path) -> None:
    folder = points.write(tmp_path)
    (folder / "weights.bin").write_bytes(b"first")
    (folder / "pretrained").mkdir()
    (folder / "pretrained" / "config.json").write_text("{}")
    own = ("model.weights=weights.bin", "model.source=pretrained")
    before = of(folder, own)
    (folder / "weights.bin").write_bytes(b"other")
    assert changed(before, of(folder, own)) == {"network"}
    (folder / "weights.bin").write_bytes(b"first")
    assert of(folder, own) == before
    (folder / "pretrained" / "config.json").write_text("{ }")
    assert changed(before, of(folder, own)) == {"network"}
