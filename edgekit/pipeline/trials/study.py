"""The trials of a search in a file of SQLite, by Optuna: a killed search goes on from them."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from pydantic_core import to_jsonable_python

from edgekit.errors import OutputError, RuntimeMissing
from edgekit.pipeline.trials.space import Parameter
from edgekit.types.search import FailedTrial, SearchPoint

FILE = "trials.db"
_NAME = "search"
_OF, _SETTINGS, _POINTS, _ERROR = "of", "settings", "points", "error"
"""Attributes of the study, and of a trial."""
_ADAPTER: TypeAdapter[tuple[SearchPoint, ...]] = TypeAdapter(tuple[SearchPoint, ...])
_RANDOM_TRIALS = 5
"""Trials at the beginning that are drawn without regard to the others."""
_DRAWS = 50
"""Draws in a row of settings that there are already, after which none are taken to be left."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A trial under way."""

    trial: Any
    """Optuna's own."""
    settings: tuple[str, ...]

    @property
    def number(self) -> int:
        """From 0."""
        return int(self.trial.number)


class Study:
    """The trials of one search. A trial has ended when its last line is in the file."""

    def __init__(
        self, storage: Any, study: Any, parameters: Sequence[Parameter], seed: int
    ) -> None:
        self._storage, self._study = storage, study
        self._parameters, self._seed = parameters, seed
        self._states = _optuna().trial.TrialState
        self._under_way: dict[int, tuple[str, ...]] = {}
        """The settings of the trials that this process has asked for, by number."""

    @property
    def ended(self) -> int:
        """The number of trials that have ended, failed ones among them."""
        return len(self._ended())

    @property
    def interrupted(self) -> int:
        """The number of trials that were under way when the search ended: they come first."""
        return len(self._interrupted())

    def ask(self) -> Asked | None:
        """The first trial that was interrupted, with its number and settings, or a new one.

        Others may be under way. `None` where no settings are left that no trial has or had.
        """
        tried = {*map(_settings, self._ended()), *self._under_way.values()}
        for _ in range(_DRAWS):
            asked = self._drawn()
            if asked.settings not in tried:
                self._under_way[asked.number] = asked.settings
                return asked
            self._study.tell(asked.number, state=self._states.FAIL)
        return None

    def keep(self, asked: Asked, points: Sequence[SearchPoint]) -> None:
        """Keep the points of a trial so far."""
        asked.trial.set_user_attr(_POINTS, to_jsonable_python(tuple(points)))

    def finish(self, asked: Asked, points: Sequence[SearchPoint]) -> None:
        """A trial ended with its last point."""
        self.keep(asked, points)
        last = points[-1]
        self._study.tell(asked.number, (last.loss, last.p50_ms))
        self._under_way.pop(asked.number, None)

    def fail(self, asked: Asked, error: str) -> None:
        """A trial ended with an error."""
        asked.trial.set_user_attr(_ERROR, error)
        self._study.tell(asked.number, state=self._states.FAIL)
        self._under_way.pop(asked.number, None)

    def points(self) -> tuple[SearchPoint, ...]:
        """Every point of the trials that have ended, those of failed ones before the error too."""
        return tuple(
            point
            for trial in self._ended()
            for point in _ADAPTER.validate_python(trial.user_attrs.get(_POINTS, ()))
        )

    def failed(self) -> tuple[FailedTrial, ...]:
        """The trials that ended with an error."""
        return tuple(
            FailedTrial(
                trial=trial.number,
                settings=_settings(trial),
                error=trial.user_attrs[_ERROR],
            )
            for trial in self._ended()
            if trial.state == self._states.FAIL
        )

    def _ended(self) -> list[Any]:
        """Neither interrupted trials nor draws of settings that there were already."""
        return [
            one
            for one in self._study.get_trials(deepcopy=False)
            if one.state == self._states.COMPLETE
            or (one.state == self._states.FAIL and _ERROR in one.user_attrs)
        ]

    def _interrupted(self) -> list[Any]:
        running = self._study.get_trials(False, states=(self._states.RUNNING,))
        return [one for one in running if one.number not in self._under_way]

    def _drawn(self) -> Asked:
        optuna, before = _optuna(), self._interrupted()
        number = before[0].number if before else len(self._study.get_trials(False))
        # Each draw has a seed of its own: a search that goes on must not draw the same again.
        # Trials under way count as poor ones, so that others are drawn apart from them.
        self._study.sampler = optuna.samplers.TPESampler(
            seed=self._seed + number,
            n_startup_trials=_RANDOM_TRIALS,
            constant_liar=True,
        )
        trial = self._again(number) if before else self._study.ask()
        settings = tuple(one.suggest(trial) for one in self._parameters)
        trial.set_user_attr(_SETTINGS, settings)
        return Asked(trial=trial, settings=settings)

    def _again(self, number: int) -> Any:
        """The trial of that number, which suggests the same values again."""
        study = self._storage.get_study_id_from_name(_NAME)
        found = self._storage.get_trial_id_from_study_id_trial_number(study, number)
        return _optuna().trial.Trial(self._study, found)


def _settings(trial: Any) -> tuple[str, ...]:
    return tuple(trial.user_attrs[_SETTINGS])


@contextmanager
def opened(
    folder: Path, parameters: Sequence[Parameter], of: Mapping[str, str], seed: int
) -> Iterator[Study]:
    """The study in a folder, made where there is none; `of` is what it is of, by name.

    Raises `RuntimeMissing` without Optuna, `OutputError` where the file cannot be used, or has
    trials of something else.
    """
    optuna, place = _optuna(), folder / FILE
    try:
        folder.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.RDBStorage(f"sqlite:///{place.absolute()}")
        study = optuna.create_study(
            storage=storage,
            study_name=_NAME,
            directions=["minimize", "minimize"],
            load_if_exists=True,
        )
        before = study.user_attrs.get(_OF)
        if before is None:
            study.set_user_attr(_OF, dict(of))
    except Exception as error:  # SQLAlchemy has errors of its own
        raise OutputError(
            f"{place} cannot be used ({_reason(error)}). Remove it, or name another folder with "
            "--out."
        ) from error
    try:
        _refuse_other(place, before or of, of)
        yield Study(storage, study, parameters, seed)
    except optuna.exceptions.StorageInternalError as error:
        raise OutputError(
            f"{place} cannot be written any more ({_reason(error.__cause__ or error)}). Is there "
            "space on its disk? The search goes on when it is run again."
        ) from error
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _reason(error: BaseException) -> str:
    return " ".join(str(error).split())[:200]


def _refuse_other(
    place: Path, before: Mapping[str, str], of: Mapping[str, str]
) -> None:
    for name, ours in of.items():
        if before.get(name) != ours:
            raise OutputError(
                f"{place} has a search of another {name}: {before.get(name)}, and not {ours}. "
                "Name another folder with --out."
            )


def _optuna() -> Any:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import optuna
    except ModuleNotFoundError as error:
        raise RuntimeMissing(
            "optuna is not installed. Install it: pip install 'edgekit[search]'"
        ) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
