"""How a student was taught."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.types.evaluation import (
    Score,
    shown,
)


@dataclass(frozen=True, kw_only=True)
class Epoch:
    number: int
    loss: float
    validation: float
    seconds: float
    share: bool = True
    """Whether `validation` goes from 0 to 1 and is told in percent."""

    @property
    def shown(self) -> str:
        return shown(self.validation, share=self.share)

    def score(self, metric: str) -> Score:
        """The validation metric of this epoch, by its name."""
        return Score(metric=metric, value=self.validation, share=self.share)


@dataclass(frozen=True, kw_only=True)
class Link:
    """One network of a chain: who taught it, and what that gained on validation samples."""

    name: str
    teacher: str
    metric: str
    before: float
    after: float
    share: bool
    parameters: int
    epoch: int

    @property
    def before_shown(self) -> str:
        return shown(self.before, share=self.share)

    @property
    def after_shown(self) -> str:
        return shown(self.after, share=self.share)
