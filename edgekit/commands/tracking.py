"""Builds as runs of MLflow, and trainings as scalars for TensorBoard: both optional extras.

MLflow stores in files are in maintenance; a store is `sqlite:///mlflow.db` or a server's address.
"""

from __future__ import annotations

import importlib.util
import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import BudgetMissed, RuntimeMissing, UsageError
from edgekit.pipeline.request import BuildRequest
from edgekit.store import Outcome, Store
from edgekit.store.stages import flat
from edgekit.types import Candidate, Epoch, Report

EXPERIMENT = "edgekit"
_ADDRESSES = ("sqlite:///", "http://", "https://", "postgresql://", "mysql://")
_LIMIT = 100
"""Parameters of one request, as MLflow takes them."""
_LONGEST = 500


class Run:
    """One build in MLflow: parameters first, figures and files when there is a report."""

    def __init__(self, uri: str, request: BuildRequest) -> None:
        from mlflow.tracking import MlflowClient

        self._client = MlflowClient(tracking_uri=uri)
        found = self._client.get_experiment_by_name(EXPERIMENT)
        self._experiment = (
            found.experiment_id
            if found
            else self._client.create_experiment(EXPERIMENT, _artifacts(uri))
        )
        project, target = request.project, request.target.name
        self.id = self._start(f"{project.name} for {target}", {"target": target})
        values = {
            "model": project.model,
            "data": project.data,
            "task": project.task,
            "budget": project.budget,
            "recipe": project.recipe,
        }
        self._parameters(self.id, flat(values))

    def report(self, report: Report, bundle: Path) -> None:
        """Log figures of every candidate, the epochs, the verdict, and the bundle's files."""
        for candidate in report.candidates:
            self._figures(f"{candidate.artifact.name}/", candidate)
            if candidate.chosen:
                self._figures("", candidate)
                self._client.set_tag(self.id, "chosen", candidate.artifact.name)
        for epoch in report.epochs:
            for name, value in _epoch(epoch, report.student.evaluation.metric):
                self._client.log_metric(self.id, name, value, step=epoch.number)
        self._client.set_tag(self.id, "verdict", report.verdict)
        files = (
            bundle / name for name in ("report.html", "report.json", "manifest.json")
        )
        for file in (*files, *sorted(bundle.glob("model.*"))):
            if file.is_file():
                self._client.log_artifact(self.id, str(file))

    def stages(self, outcomes: Sequence[Outcome]) -> None:
        """Log each stage as a child run: kept or run, its seconds and its inputs."""
        for one in outcomes:
            state = "kept" if one.kept else "run"
            tags = {"mlflow.parentRunId": self.id, "stage": one.kind, "state": state}
            child = self._start(one.title, tags)
            self._client.log_metric(child, "seconds", one.seconds)
            self._parameters(child, one.inputs)
            self._client.set_terminated(child, "FINISHED")

    def end(self, error: BaseException | None) -> None:
        """End the run; one that failed stays, with its error."""
        if error is None or isinstance(error, BudgetMissed):
            self._client.set_terminated(self.id, "FINISHED")
            return
        text = f"{type(error).__name__}: {error}"
        self._client.set_tag(self.id, "error", text[:_LONGEST])
        self._client.set_terminated(self.id, "FAILED")

    def _start(self, name: str, tags: Mapping[str, str]) -> str:
        run = self._client.create_run(self._experiment, run_name=name, tags=dict(tags))
        return str(run.info.run_id)

    def _parameters(self, run: str, values: Mapping[str, str]) -> None:
        from mlflow.entities import Param

        texts = [Param(name, text[:_LONGEST]) for name, text in values.items()]
        for begin in range(0, len(texts), _LIMIT):
            self._client.log_batch(run, params=texts[begin : begin + _LIMIT])

    def _figures(self, before: str, candidate: Candidate) -> None:
        measured = candidate.measurement
        figures = {
            "p50_ms": measured.latency.p50_ms,
            "size_mb": measured.size_mb,
            "peak_memory_mb": measured.peak_memory_mb,
            "energy_mj": measured.energy.gross_mj,
            "speedup": candidate.speedup,
            "accuracy_drop": candidate.accuracy_drop,
            candidate.evaluation.metric: candidate.evaluation.value,
        }
        for name, value in figures.items():
            if value is not None:
                self._client.log_metric(self.id, f"{before}{name}", value)


def check(uri: str | None, folder: Path | None) -> None:
    """Raise where a store cannot be one (`UsageError`), or a package is missing
    (`RuntimeMissing`)."""
    if uri is not None and not uri.startswith(_ADDRESSES):
        raise UsageError(
            f"--track {uri} is not a store of MLflow. Write sqlite:///mlflow.db, or the "
            "address of a server."
        )
    if uri is not None:
        _need("mlflow", "mlflow")
        if uri.startswith("sqlite"):
            _need("sqlalchemy", "mlflow")
    if folder is not None:
        _need("tensorboard", "tensorboard")


@contextmanager
def tracked(
    uri: str | None, request: BuildRequest, store: Store
) -> Iterator[Run | None]:
    """A run of MLflow while the block lasts, its stages at the end; `None` without an address.

    Raises `UsageError` where the address gives no store that works.
    """
    if uri is None:
        yield None
        return
    from mlflow.exceptions import MlflowException

    for noisy in ("mlflow", "alembic"):  # they announce each table that they make
        logging.getLogger(noisy).setLevel(logging.WARNING)
    try:
        run = Run(uri, request)
        try:
            yield run
        except BaseException as error:
            run.stages(store.outcomes)
            run.end(error)
            raise
        run.stages(store.outcomes)
        run.end(None)
    except MlflowException as error:
        reason = " ".join(str(error).split())[:200]
        raise UsageError(f"MLflow cannot use {uri} ({reason}).") from error


def scalars(report: Report, folder: Path) -> None:
    """Write loss and validation metric of each epoch for TensorBoard."""
    from torch.utils.tensorboard import SummaryWriter

    place = folder / f"{report.project}-{report.target.name}-{time.time_ns()}"
    with SummaryWriter(str(place)) as writer:
        for epoch in report.epochs:
            for name, value in _epoch(epoch, report.student.evaluation.metric):
                writer.add_scalar(name, value, epoch.number)


def _epoch(epoch: Epoch, metric: str) -> tuple[tuple[str, float], ...]:
    return ("training/loss", epoch.loss), (f"validation/{metric}", epoch.validation)


def _artifacts(uri: str) -> str | None:
    """Files of runs lie beside a store in SQLite; a server has its own place."""
    if not uri.startswith("sqlite:///"):
        return None
    place = Path(uri.removeprefix("sqlite:///")).absolute().parent / "mlartifacts"
    return place.as_uri()


def _need(module: str, extra: str) -> None:
    if importlib.util.find_spec(module) is None:
        raise RuntimeMissing(
            f"{module} is not installed. Install it: pip install 'edgekit[{extra}]'"
        )
