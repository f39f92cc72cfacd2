"""The request of one build: values that any process can be given."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.config.project import Project
from edgekit.types import Target


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """A project, with its recipe and seed, for one target; pickles."""

    project: Project
    target: Target
    allow_pickle: bool = False

    @property
    def threads(self) -> int:
        """Threads of a measurement: the recipe's, else the profile's."""
        return self.project.recipe.bench.threads or self.target.threads
