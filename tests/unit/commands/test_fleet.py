"""Options and the table of many builds."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from edgekit.commands import fleet
from edgekit.commands.console import Bars
from edgekit.config import targets
from edgekit.errors import BudgetMissed, ModelError, UsageError
from edgekit.pipeline.fleet.records import Attempt, Done, Failure, TaskState
from tests.conftest import Run
from tests.unit.pipeline.fleet.tasks import task


def options(**more: Any) -> fleet.FleetOptions:
    plain = {"engine": "local", "address": None, "devices": None, "cpus": 1.0}
    return fleet.FleetOptions(**{**plain, "gpus": 0.0, **more})


@pytest.mark.parametrize(
    ("given", "others", "expected"),
    [
        (
            {"engine": "rey"},
            {},
            "--engine rey is not an engine. Write local, ray or slurm",
        ),
        ({"address": "auto"}, {}, "--address is for builds on a cluster"),
        ({"gpus": 1.0}, {}, "--gpus is for builds on a cluster: add --engine ray"),
        ({"engine": "slurm", "address": "auto"}, {}, "--address is for builds on a"),
        ({"engine": "ray"}, {"--image": True}, "--engine ray and --image exclude"),
        ({"engine": "slurm"}, {"--image": True}, "--engine slurm and --image exclude"),
        ({"devices": Path("f")}, {"--device": True}, "--devices and --device exclude"),
    ],
)
def test_options_that_exclude_each_other(
    given: dict[str, Any], others: dict[str, bool], expected: str
) -> None:
    with pytest.raises(UsageError, match=expected):
        options(**given).check(others)


def test_options_that_go_together() -> None:
    options().check({"--image": True, "--device": True})
    options(engine="ray", address="auto", cpus=2.0).check({"--image": False})


def test_targets_are_named_one_by_one_or_all_at_once(tmp_path: Path) -> None:
    assert fleet.named(tmp_path, ["a"], "b, c,") == ["a", "b", "c"]
    known = [one.name for one in targets.known()]
    assert fleet.named(tmp_path, [], "all") == known
    (tmp_path / "targets").mkdir()
    shipped = Path(fleet.__file__).parents[2] / "targets/intel-n100.toml"
    (tmp_path / "targets/board.toml").write_text(shipped.read_text())
    assert fleet.named(tmp_path, [], "all") != known


def test_without_a_target_the_options_are_named(run: Run) -> None:
    status, _, err = run("build")
    assert status == 2 and "--target raspberrypi, or --targets all" in err


def states() -> list[TaskState]:
    waiting, running, missed, failed = (TaskState(task=task(n)) for n in "abcd")
    running.number = 2
    place = {"machine": "bench/ab12", "process": 7, "device": "pi-1"}
    running.started(Attempt(number=2, began=0.0, **place))  # type: ignore[arg-type]
    running.stage = "Distill 3/20"
    missed.finished(Done(failure=Failure.of(BudgetMissed("size is over"))))
    failed.fail(ModelError("no network"))
    return [waiting, running, missed, failed]


def test_one_table_has_all_builds() -> None:
    console = Console(width=100, record=True, file=io.StringIO())
    console.print(fleet.table(states()))
    text = console.export_text()
    assert "running, attempt 2" in text and "bench/ab12, pi-1" in text
    assert "Distill 3/20" in text and "over budget" in text and "no network" in text


def test_without_a_terminal_each_change_is_a_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    console = Console(stderr=True)
    bars = Bars(console, silent=False)
    with fleet.FleetTable(console, bars, live=True) as watch:
        for _ in range(3):
            watch(states())
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "a: waiting",
        "b: running, attempt 2 on bench/ab12, pi-1",
        "c: over budget",
        "d: failed",
    ]
