"""The request of one build: values that any process can be given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from edgekit.config import targets
from edgekit.config.project import Project
from edgekit.types import Target
from edgekit.types.build_lock import BuildLock


@dataclass(frozen=True, kw_only=True)
class BuildRequest:
    """A project, with its recipe and seed, for one target, and consent to pickles and doubts."""

    project: Project
    target: Target
    allow_pickle: bool = False
    accept_doubts: bool = True
    """False where a network or data that look wrong end the build before it begins."""

    locked: BuildLock | None = None
    """Decisions of an earlier build that this one repeats; `None` where it makes its own."""
    lock_folder: Path | None = None
    """Where the decisions are written, beside the bundle; `None` writes them nowhere else."""

    @classmethod
    def of(
        cls,
        project: Project,
        target: str,
        *,
        settings: Sequence[str] = (),
        allow_pickle: bool = False,
    ) -> BuildRequest:
        """The build of a project for the target of that name.

        `settings` such as `budget.speedup=2` take the place of the project's values.

        Raises `TargetError` and `ProjectError` for names and values that cannot be used.
        """
        found = targets.load(target, folders=[project.targets_folder])
        return cls(
            project=project.for_target(found).with_settings(settings),
            target=found,
            allow_pickle=allow_pickle,
        )

    @property
    def threads(self) -> int:
        """Threads of a measurement: the recipe's, else the profile's."""
        return self.project.recipe.bench.threads or self.target.threads
