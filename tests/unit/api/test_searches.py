"""Refusals before the first trial of a search, and errors that end it."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from edgekit.api import searches
from edgekit.errors import DeviceUnreachable, TrainingError, UsageError
from edgekit.report.search_page import JSON
from tests.unit.pipeline import points

needs_optuna = pytest.mark.skipif(
    importlib.util.find_spec("optuna") is None, reason="pip install 'edgekit[search]'"
)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"vary": ["recipe.distil.epochs=4..8"]}, "Did you mean 'distill'"),
        ({"vary": ["recipe.distill.optimizer=sgd|adam"]}, "'adamw'"),
        ({"vary": ["recipe.prune.min_keep=0.5..2.0"]}, "min_keep = 2.0"),
        ({"vary": ["recipe.distill.epochs=0..8"]}, "epochs = 0"),
        ({"settings": ["recipe.distill.epochs=5"]}, "has a value and is varied"),
        ({"trials": 0}, "trials = 0"),
        ({"rungs": 0}, "rungs = 0"),
        ({"jobs": 0}, "jobs = 0"),
        ({"engine": "slurm"}, "No engine 'slurm' for a search. Known: local, ray"),
        ({"jobs": 2}, "jobs = 2: trials run one after another here"),
        ({"engine": "ray", "device": "ssh://pi@pi"}, "one trial at a time"),
        ({"engine": "ray", "cpus": 1.5}, r"cpus = 1\.5"),
    ],
)
def test_what_cannot_be_searched_is_refused(
    tmp_path: Path, changed: dict[str, Any], expected: str
) -> None:
    points.write(tmp_path)
    asked: dict[str, Any] = {"vary": ["recipe.distill.epochs=4..8"], **changed}
    with pytest.raises(UsageError, match=expected) as refused:
        searches.search(tmp_path, target="host", out=tmp_path / "out", **asked)
    assert "\n" not in str(refused.value)
    assert not (tmp_path / "out").exists()


@needs_optuna
def test_trials_that_all_fail_end_the_search(tmp_path: Path) -> None:
    points.write(tmp_path)
    (tmp_path / "model.py").write_text("def layers():\n    raise ValueError('no')\n")
    with pytest.raises(UsageError, match=r"3 trials failed, .*model\.py") as refused:
        searches.search(
            tmp_path,
            target="host",
            vary=["recipe.distill.epochs=4..80"],
            out=tmp_path / "out",
        )
    assert refused.value.exit_code == 2
    assert '"failed": [' in (tmp_path / "out" / JSON).read_text()


@needs_optuna
def test_an_error_that_is_not_the_trials_leaves_it_to_the_next_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    points.write(tmp_path)
    errors = [DeviceUnreachable("no route"), TrainingError("it diverged")]
    tried = []

    def fails(request: Any, *others: Any) -> None:
        tried.append(request.project.recipe.distill.learning_rate)
        raise errors[len(tried) - 1]

    monkeypatch.setattr(searches, "run_build", fails)

    def search() -> None:
        searches.search(
            tmp_path,
            target="host",
            vary=["recipe.distill.learning_rate=0.001..0.1"],
            trials=1,
            out=tmp_path / "out",
        )

    with pytest.raises(DeviceUnreachable, match="no route"):
        search()
    with pytest.raises(UsageError, match="it diverged"):
        search()
    assert tried[0] == tried[1], "the same trial"
