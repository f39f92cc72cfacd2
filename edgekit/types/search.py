"""A search over settings of a project."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.types.evaluation import Evaluation, Score
from edgekit.types.measurement import Measurement
from edgekit.types.names import Verdict

SEARCH_SCHEMA = 1
"""Version of `search.json`: raised where a field is removed or changes its meaning."""


@dataclass(frozen=True, kw_only=True)
class SearchPoint:
    """A network of a search: trained, exported and measured with one trial's settings."""

    trial: int
    """Number of the trial, from 0."""
    settings: tuple[str, ...]
    """As `--set` takes them: `recipe.distill.learning_rate=0.02`."""
    epochs: int
    """Of the training: fewer than the recipe's where the trial was stopped early."""
    artifact: str
    """The file that the build chose."""
    validation: Score
    """Of that file on validation samples where it was judged there, else of its network. The
    search goes by it."""
    evaluation: Evaluation
    """Of that file on test samples, which decide nothing."""
    p50_ms: float
    measurement: Measurement
    """Where and how the latency was measured."""
    machine: str = ""
    """The host of a cluster that built it; empty for the one that ran the search."""
    speedup: float
    """Over the unpruned network with these settings, in one run."""
    verdict: Verdict
    """Of the budget with these settings."""

    @property
    def loss(self) -> float:
        """The validation metric as something to minimize."""
        value = self.validation.value
        return -value if self.evaluation.higher_is_better else value

    @property
    def bundle(self) -> str:
        """The folder of its bundle, in that of the search."""
        return f"trial-{self.trial}/epochs-{self.epochs}"


@dataclass(frozen=True, kw_only=True)
class FailedTrial:
    """A trial that ended with an error."""

    trial: int
    settings: tuple[str, ...]
    error: str


@dataclass(frozen=True, kw_only=True)
class SearchReport:
    """Everything that a search found so far."""

    schema_version: int = SEARCH_SCHEMA
    project: str
    target: str
    created: str
    """Date and time of the last trial, UTC."""
    parameters: tuple[str, ...]
    """The varied settings, as `--vary` takes them."""
    points: tuple[SearchPoint, ...]
    """Every trained network, in the order of the trials and their epochs."""
    frontier: tuple[SearchPoint, ...]
    """Those that no other one beats in both the metric and the latency, the fastest first."""
    failed: tuple[FailedTrial, ...] = ()
