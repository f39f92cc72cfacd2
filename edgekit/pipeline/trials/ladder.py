"""Trials of a search on their way from rung to rung, one or several at once.

Nobody waits for a rung to be full: a trial goes on by the points that are there when its own comes,
those of unfinished trials among them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from edgekit.errors import EdgeKitError
from edgekit.pipeline.trials import halving
from edgekit.pipeline.trials.study import Asked, Study
from edgekit.progress import Progress
from edgekit.types.search import SearchPoint

_ALL_FAILED = 3
"""Failed trials of one run, without a network of any other, after which none begins."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One training of a trial."""

    asked: Asked
    steps: tuple[int, ...]
    """Epochs of all trainings of the trial, the longest last."""
    number: int = 0
    """From 0."""

    @property
    def epochs(self) -> int:
        """Epochs of this training."""
        return self.steps[self.number]


class Ladder:
    """The trials of a study until `trials` have ended.

    `steps` are the epochs of a trial's trainings; an `EdgeKitError` that it raises for the trial's
    settings ends that trial alone.
    """

    def __init__(
        self,
        study: Study,
        *,
        trials: int,
        steps: Callable[[Asked], tuple[int, ...]],
        progress: Progress,
    ) -> None:
        self._study, self._trials, self._steps = study, trials, steps
        self._progress = progress
        self._points: dict[int, list[SearchPoint]] = {}
        """Of the trials under way, by their numbers."""
        self._exhausted = False
        self._failed_before = len(study.failed())

    @property
    def under_way(self) -> int:
        """The number of trials that have begun and not ended."""
        return len(self._points)

    def ask(self, most: int) -> list[Rung]:
        """The first rungs of `most` trials, which begin; fewer where fewer are left."""
        begun: list[Rung] = []
        while len(begun) < most and self._left():
            asked = self._study.ask()
            if asked is None:
                self._exhausted = True
                number = self._study.ended + self.under_way
                self._progress.say(f"{number} trials: there are no other settings")
                break
            self._points[asked.number] = []
            self._progress.say(
                f"Trial {asked.number} ({self._study.ended + self.under_way} of "
                f"{self._trials}): {', '.join(asked.settings)}"
            )
            try:
                begun.append(Rung(asked=asked, steps=self._steps(asked)))
            except EdgeKitError as error:
                self.fail(asked, str(error))
        return begun

    def tell(self, rung: Rung, point: SearchPoint, *, trained: bool) -> Rung | None:
        """The next rung of a trial after the point of this one; `None` where the trial has ended.

        `trained` is false where there was nothing to train, for however many epochs.
        """
        trial = rung.asked.number
        points = self._points[trial]
        others = halving.at_rung(self._known(), rung.number)
        points.append(point)
        last = rung.number + 1 == len(rung.steps)
        if not last and trained:
            if halving.goes_on(point, others):
                self._study.keep(rung.asked, points)
                return replace(rung, number=rung.number + 1)
            self._progress.say(
                f"Trial {trial} stopped after {rung.epochs} of {rung.steps[-1]} epochs"
            )
        self._study.finish(rung.asked, points)
        del self._points[trial]
        return None

    def fail(self, asked: Asked, error: str) -> None:
        """A trial ended with an error of its own."""
        self._progress.say(f"Trial {asked.number} failed: {error}")
        self._study.fail(asked, error)
        del self._points[asked.number]

    def _known(self) -> list[SearchPoint]:
        unfinished = (point for points in self._points.values() for point in points)
        return [*self._study.points(), *unfinished]

    def _left(self) -> bool:
        if self._exhausted or self._study.ended + self.under_way >= self._trials:
            return False
        failed = len(self._study.failed()) - self._failed_before
        return failed < _ALL_FAILED or bool(self._known())
