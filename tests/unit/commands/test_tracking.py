"""Builds as runs of MLflow, and epochs for TensorBoard; each with its own package, where it is."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from edgekit.commands import tracking
from edgekit.config import project, targets
from edgekit.errors import ModelError, RuntimeMissing, UsageError
from edgekit.pipeline.request import BuildRequest
from edgekit.report import write
from edgekit.store import Outcome, Store
from tests.reports import report

MLFLOW = importlib.util.find_spec("mlflow") is not None
BOARD = importlib.util.find_spec("tensorboard") is not None


def asked() -> BuildRequest:
    return BuildRequest(project=project.example(), target=targets.load("raspberrypi4"))


def runs(uri: str) -> list[Any]:
    """Every run of the store, the parent first."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    found = client.get_experiment_by_name(tracking.EXPERIMENT)
    assert found is not None
    return list(reversed(client.search_runs([found.experiment_id])))


@pytest.mark.parametrize("uri", ["mlflow.db", "file:///tmp/mlruns", "sqlite:mlflow.db"])
def test_an_address_that_is_no_store_is_refused(uri: str) -> None:
    with pytest.raises(UsageError, match=r"sqlite:///mlflow\.db"):
        tracking.check(uri, None)


@pytest.mark.skipif(MLFLOW, reason="MLflow is installed")
def test_without_mlflow_a_build_does_not_start() -> None:
    with pytest.raises(RuntimeMissing, match=r"pip install 'edgekit\[mlflow\]'"):
        tracking.check("sqlite:///mlflow.db", None)


@pytest.mark.skipif(BOARD, reason="TensorBoard is installed")
def test_without_tensorboard_a_build_does_not_start() -> None:
    with pytest.raises(RuntimeMissing, match=r"pip install 'edgekit\[tensorboard\]'"):
        tracking.check(None, Path("runs"))


def test_nothing_is_tracked_without_an_address() -> None:
    with tracking.tracked(None, asked(), Store()) as run:
        assert run is None


@pytest.mark.skipif(not MLFLOW, reason="pip install 'edgekit[mlflow]'")
def test_a_build_is_a_run_with_its_stages_as_children(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    made, store = report(tmp_path), Store(tmp_path / "cache")
    store.outcomes = [
        Outcome(kind="exports", title="Export", inputs={"a": "1"}, kept=True),
        Outcome(kind="trained", title="Distill", inputs={}, kept=False, seconds=2.5),
    ]
    write(made, tmp_path / "bundle")
    (tmp_path / "bundle/model.tflite").write_bytes(b"the chosen one")
    tracking.check(uri, None)
    with tracking.tracked(uri, asked(), store) as run:
        assert run is not None
        run.report(made, tmp_path / "bundle")
    parent, *children = runs(uri)
    assert parent.info.status == "FINISHED"
    assert parent.data.params["recipe.distill.epochs"]
    chosen = made.chosen
    assert chosen is not None
    assert parent.data.metrics["p50_ms"] == chosen.measurement.latency.p50_ms
    assert parent.data.metrics[f"{chosen.artifact.name}/accuracy"]
    assert parent.data.metrics["training/loss"] == made.epochs[-1].loss
    assert parent.data.tags["verdict"] == made.verdict
    assert list(tmp_path.rglob("mlartifacts/**/report.html"))
    assert list(tmp_path.rglob("mlartifacts/**/model.tflite"))
    assert {c.data.tags["mlflow.parentRunId"] for c in children} == {parent.info.run_id}
    stages = {c.info.run_name: (c.data.tags["state"], c.data.metrics) for c in children}
    assert stages["Distill"] == ("run", {"seconds": 2.5})
    assert stages["Export"][0] == "kept"


@pytest.mark.skipif(not MLFLOW, reason="pip install 'edgekit[mlflow]'")
def test_a_build_that_failed_stays_with_its_error(tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with (
        pytest.raises(ModelError),
        tracking.tracked(uri, asked(), Store(tmp_path / "cache")),
    ):
        raise ModelError("no network")
    [run] = runs(uri)
    assert run.info.status == "FAILED"
    assert run.data.tags["error"] == "ModelError: no network"


@pytest.mark.skipif(not BOARD, reason="pip install 'edgekit[tensorboard]'")
def test_epochs_are_scalars(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    made = report()
    tracking.scalars(made, tmp_path)
    [folder] = tmp_path.iterdir()
    events = EventAccumulator(str(folder)).Reload()
    losses = [(one.step, one.value) for one in events.Scalars("training/loss")]
    assert losses == [(e.number, pytest.approx(e.loss)) for e in made.epochs]
    assert events.Scalars("validation/accuracy")
