"""The log of a build, and what `-v` prints of it."""

from __future__ import annotations

import io
import logging
import sys
import warnings
from pathlib import Path

import pytest
from rich.console import Console

from edgekit.commands import logs
from edgekit.commands.console import Bars
from edgekit.errors import ModelError
from edgekit.store import Store
from tests.conftest import Run
from tests.unit.test_cli import change


@pytest.fixture(autouse=True)
def _no_other_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))


def text() -> str:
    """The only log there is."""
    [file] = (Store().root / logs.FOLDER).glob("*.log")
    return file.read_text(encoding="utf-8")


def written(verbose: int) -> str:
    """The screen of a short block that shows, logs and warns."""
    screen = io.StringIO()
    console = Console(file=screen, width=200)
    bars = Bars(console, silent=False, verbose=verbose)
    with logs.written("host", console, verbose=verbose):
        bars.say("Plan: 2x")
        with bars.step("Distill") as step:
            for epoch in range(1, 5):
                step.update(epoch, 4, "loss 0.5" if epoch < 4 else "loss 0.4")
        logging.getLogger("edgekit.store").debug("looked for an entry")
        other = logging.getLogger("torch.tracer")
        other.setLevel(logging.DEBUG)
        other.debug("a node of a graph")
        warnings.warn("a library's warning", stacklevel=1)
    return screen.getvalue()


def test_everything_is_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        sys, "argv", ["edgekit", "build", "--token", "hush", "hush://a"]
    )
    screen = written(0)
    log = text()
    assert log.startswith("2") and "command: edgekit build --token *** ***://a" in log
    for line in ("Plan: 2x", "Distill ...", "Distill: 4 of 4 loss 0.4", "looked for"):
        assert line in log, line
    assert "a library's warning" in log and "hush" not in log
    assert "a node of a graph" not in log
    assert (
        "looked for" not in screen and "library" not in screen and "2 of" not in screen
    )


def test_v_prints_new_figures_warnings_and_the_logs_place() -> None:
    screen = written(1)
    assert "Log: " in screen and str(Store().root) in screen
    assert "Distill: 1 of 4 loss 0.5" in screen and "4 of 4 loss 0.4" in screen
    assert "2 of 4 loss 0.5" not in screen, "its figures are those of the update before"
    assert "a library's warning" in screen and "looked for" not in screen


def test_vv_prints_the_log_and_no_line_twice() -> None:
    screen = written(2)
    assert "edgekit.store: looked for an entry" in screen
    assert "2 of 4 loss 0.5" in screen
    assert screen.count("Plan: 2x") == 1


def test_an_error_is_there_with_its_traceback() -> None:
    with (
        pytest.raises(ModelError),
        logs.written("host", Console(file=io.StringIO()), verbose=0),
    ):
        raise ModelError("no network")
    assert "ModelError: no network\nTraceback" in text()


def test_only_the_newest_logs_stay() -> None:
    folder = Store().root / logs.FOLDER
    folder.mkdir(parents=True)
    for number in range(30):
        (folder / f"20200101-0000{number:02}-1-host.log").touch()
    written(0)
    assert len(list(folder.iterdir())) == logs.KEPT
    assert not (folder / "20200101-000010-1-host.log").exists()


def test_nothing_is_lost_where_no_log_can_be_written(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "file"))
    assert "Log: none could be written" in written(1)


def test_a_full_disk_ends_the_log_alone(capsys: pytest.CaptureFixture[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    console = Console(file=io.StringIO())
    with logs.written("host", console, verbose=0), Path("/dev/full").open("w") as full:
        [handler] = [
            h for h in logging.getLogger().handlers if isinstance(h, logs._File)
        ]
        handler.setStream(full)
        logging.getLogger("edgekit").info("x" * 100_000)
        logging.getLogger("edgekit").info("again")
        assert handler not in logging.getLogger().handlers
        handler.stream = None  # type: ignore[assignment]
    assert capsys.readouterr().err == ""


def test_an_error_of_a_build_is_one_line_and_its_log_has_more(
    mine: Path, run: Run
) -> None:
    change(mine / "edgekit.toml", '"weights.', '"wieghts.')
    status, _, err = run("build", "-t", "host")
    assert status == 2 and "wieghts" in err
    assert "ModelError" in text() and "Traceback" in text()


def test_more_and_less_output_exclude_each_other(run: Run) -> None:
    for command in ("build", "plan"):
        status, _, err = run(command, "-t", "host", "-v", "-q")
        assert status == 2 and "--verbose and --quiet exclude each other" in err
