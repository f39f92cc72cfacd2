from __future__ import annotations

import math
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from edgekit.store import Json, Stage, Store, kept, key, reason, stages


@dataclass(frozen=True, kw_only=True)
class Figures:
    values: tuple[float, ...]
    names: dict[str, int] = field(default_factory=dict)
    near: float = math.inf


@dataclass
class Screen:
    lines: list[str] = field(default_factory=list)

    def say(self, line: str) -> None:
        self.lines.append(line)


RECORD = Json[Figures](Figures)
MADE = Figures(values=(0.1, 1 / 3, 1e-300), names={"b": 1, "a": 2})


def stage(**inputs: object) -> Stage[Figures]:
    return Stage(kind="figures", title="Count", inputs=inputs, record=RECORD)


def test_what_is_kept_is_read_as_it_was_and_not_made_again(tmp_path: Path) -> None:
    made, screen = [], Screen()

    def make() -> Figures:
        made.append(1)
        return MADE

    for _ in range(3):
        store = Store(tmp_path)
        assert kept(store, stage(epochs=3), make, screen) == MADE
    assert len(made) == 1
    assert screen.lines == ["Count: kept"] * 2
    assert [one.kept for one in store.outcomes] == [True]
    assert list(MADE.names) == list(kept(store, stage(epochs=3), make, screen).names)


@pytest.mark.parametrize(
    "inputs",
    [
        {"recipe": {"epochs": 4, "rate": 0.1}},
        {"recipe": {"epochs": 3, "rate": math.nextafter(0.1, 1)}},
        {"recipe": {"epochs": 3, "rate": 0.1}, "more": None},
        {"recipe": {"epochs": "3", "rate": 0.1}},
        {"recipe": [3, 0.1]},
    ],
)
def test_another_input_is_another_entry(inputs: dict[str, object]) -> None:
    before = stage(recipe={"epochs": 3, "rate": 0.1})
    assert stage(**inputs).name != before.name


def test_another_code_is_another_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs = {
        "epochs": 3,
        "edgekit": "1.0",
    }  # a version does not name the code
    before = stage(**inputs).name
    assert stage(**inputs).name == before
    monkeypatch.setattr(stages, "code_digest", lambda: "f" * 64)
    assert stage(**inputs).name != before


def test_the_reason_is_the_input_that_differs_from_the_nearest(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def run(**inputs: object) -> str:
        kept(store, stage(**inputs), lambda: MADE, Screen())
        return reason(store, store.outcomes[-1])

    recipe = {"epochs": 20, "rate": 0.1}
    assert run(recipe=recipe, seed=0) == "the first one"
    assert run(recipe=recipe, seed=0) == "its inputs are unchanged"
    assert run(recipe={**recipe, "epochs": 25}, seed=1) == (
        "recipe.epochs 20 -> 25, seed 0 -> 1"
    )
    # By now the second entry is nearer.
    assert run(recipe={**recipe, "epochs": 25}, seed=2) == "seed 1 -> 2"


def test_another_process_may_remove_folders_meanwhile(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    kept(store, stage(epochs=3), lambda: MADE, Screen())
    (there,) = stages.listed(store, "figures")
    going = tmp_path / "figures/going"
    going.mkdir()
    really = os.scandir

    def scandir(path: Any) -> Any:
        if Path(path) == going and going.is_dir():
            going.rmdir()
        return really(path)

    monkeypatch.setattr(os, "scandir", scandir)
    assert stages.listed(store, "figures") == [there]
    assert not going.exists()


def test_a_result_that_no_longer_holds_is_made_again(tmp_path: Path) -> None:
    store, old = Store(tmp_path), Figures(values=(1.0,))
    kept(store, stage(), lambda: old, Screen())
    fresh = replace(stage(), holds=lambda found: found.values != (1.0,))
    assert kept(store, fresh, lambda: MADE, Screen()) == MADE
    assert kept(Store(tmp_path), fresh, lambda: old, Screen()) == MADE


def test_a_failure_keeps_nothing(tmp_path: Path) -> None:
    def fail() -> Figures:
        raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        kept(Store(tmp_path), stage(), fail, Screen())
    assert list((tmp_path / "figures").iterdir()) == []


def test_without_a_store_it_is_made() -> None:
    assert kept(None, stage(), lambda: MADE, Screen()) == MADE


def test_long_inputs_are_listed_by_their_hashes(tmp_path: Path) -> None:
    listed = stage(plan={"kept": list(range(500))}).listed
    assert len(listed["plan.kept"]) < 20
    other = stage(plan={"kept": list(range(499))}).listed
    assert listed["plan.kept"] != other["plan.kept"]
    assert key(listed) != key(other)


def test_a_plugin_is_code_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone, found = stages.code_digest(), set[str]()
    for number, content in enumerate(("RECORD = 1\n", "RECORD = 2\n")):
        file = tmp_path / str(number) / "runtimes/beads.py"
        file.parent.mkdir(parents=True)
        file.write_text(content)
        monkeypatch.setenv("EDGEKIT_PLUGINS", str(tmp_path / str(number)))
        found.add(stages.code_digest())
    assert len(found | {alone}) == 3
