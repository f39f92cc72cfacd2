"""`edgekit.toml`: what the user has and what the result must keep to."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from edgekit import tasks
from edgekit.config import reader, targets
from edgekit.config.resources import shipped
from edgekit.config.user_code import is_installed, is_reference
from edgekit.errors import ProjectError, TargetError, UsageError
from edgekit.types import Budget, DataSpec, ModelSpec, Recipe, Target, TaskSpec, Text
from edgekit.types.gate import Gate

FILE = "edgekit.toml"
SETTINGS = "--set"
"""Place of settings in errors: the option that has them."""
_IMAGE = 3
"""Dimensions of an image: channels, height and width."""
_Settings = TypeVar("_Settings", Budget, Recipe)
Place = Callable[..., str]
"""From a key to `FILE:LINE: key = value`."""


@dataclass(frozen=True, kw_only=True)
class _Override:
    budget: Budget = field(default_factory=Budget)
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True, kw_only=True)
class _File:
    name: Text | None = None
    model: ModelSpec
    data: DataSpec
    task: TaskSpec = field(default_factory=TaskSpec)
    budget: Budget = field(default_factory=Budget)
    recipe: Recipe = field(default_factory=Recipe)
    gate: Gate = field(default_factory=Gate)
    target: Mapping[str, _Override] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Project:
    """One `edgekit.toml`. Relative paths in it are relative to `root`, its folder."""

    name: str
    root: Path
    file: Path
    model: ModelSpec
    data: DataSpec
    task: TaskSpec
    budget: Budget
    recipe: Recipe
    gate: Gate = field(default_factory=Gate)
    priority: tuple[str, ...] = ()
    """The budgets that are set, in the order of the file: the first weighs most."""

    @property
    def targets_folder(self) -> Path:
        """The folder of the project's own target profiles."""
        return self.root / "targets"

    @property
    def calibration_folder(self) -> Path:
        """The folder of the project's own calibration presets."""
        return self.root / "calibration"

    def for_target(self, target: Target) -> Project:
        """This project with the values of `[target.<name>]` in place of the general ones."""
        raw = _raw(self.file).get("target", {})
        overrides = reader.read(self.file, _File, ProjectError).target
        project = self
        for name in (*target.aliases, target.name):
            if name in raw:
                own = overrides[name]
                named = (*project.priority, *raw[name].get("budget", {}))
                project = replace(
                    project,
                    priority=tuple(dict.fromkeys(named)),
                    budget=_overlaid(project.budget, own.budget, raw[name], "budget"),
                    recipe=_overlaid(project.recipe, own.recipe, raw[name], "recipe"),
                )
        return project

    def with_settings(self, lines: Sequence[str]) -> Project:
        """This project with values such as `recipe.distill.epochs=5` in place of its own.

        Raises `ProjectError` for a key or value that the file could not have either.
        """
        if not lines:
            return self
        text, path, whole = (
            "\n".join(map(_setting, lines)),
            Path(SETTINGS),
            _raw(self.file),
        )
        own = reader.parse(text, path, _File, ProjectError, base=whole)
        raw = tomllib.loads(text)

        def place(*key: str | int) -> str:
            ours = key in reader.lines(text)
            return (
                reader.at(path, *key, text=text) if ours else reader.at(self.file, *key)
            )

        if "target" in raw:
            raise ProjectError(
                f"{place('target')}: a setting holds for every target. Set budget or recipe."
            )
        _check(place, own, self.targets_folder)
        named = (*self.priority, *raw.get("budget", {}))
        changed = {
            section: _overlay(getattr(self, section), getattr(own, section), written)
            for section, written in raw.items()
            if section in tables()
        }
        changed |= {"name": own.name} if "name" in raw else {}
        new = replace(self, priority=tuple(dict.fromkeys(named)), **changed)
        if "model" not in raw:
            return new
        return replace(new, task=_resized(new.task, own.task, new.model))


def _setting(line: str) -> str:
    """The setting as a line of TOML: text needs no quotes in a shell."""
    key, equals, value = line.partition("=")
    if not equals:
        raise ProjectError(
            f"{SETTINGS} {line}: no value. Write it as {SETTINGS} recipe.distill.epochs=5"
        )
    try:
        tomllib.loads(f"x = {value}")
    except tomllib.TOMLDecodeError:
        value = json.dumps(value, ensure_ascii=False)
    return f"{key.strip()} = {value.strip()}"


def load(folder: Path) -> Project:
    """The project in `folder`."""
    file = folder / FILE
    content = reader.read(file, _File, ProjectError)
    _check(partial(reader.at, file), content, file.parent / "targets")
    return Project(
        name=content.name or file.parent.resolve().name,
        root=file.parent.resolve(),
        file=file,
        model=content.model,
        data=content.data,
        task=_sized(content.task, content.model),
        budget=content.budget,
        recipe=content.recipe,
        gate=content.gate,
        priority=tuple(_raw(file).get("budget", {})),
    )


def tables() -> dict[str, type]:
    """The tables of the file by name, but those of single targets."""
    hints = get_type_hints(_File)
    return {
        name: kind
        for name, kind in hints.items()
        if isinstance(kind, type) and is_dataclass(kind)
    }


def example() -> Project:
    """The embedded example: handwritten digits."""
    return load(shipped("examples/digits"))


def _check(place: Place, content: _File, targets_folder: Path) -> None:
    """Check combinations of values; `place` opens the error of a key."""
    preprocess = content.data.preprocess
    for name in content.target:
        try:
            targets.load(name, folders=[targets_folder])
        except TargetError as error:
            raise ProjectError(f"{place('target', name)}: {error}") from None
    _check_task(place, content.task)
    _check_inputs(place, content.model)
    if len(preprocess.mean) != len(preprocess.std):
        raise ProjectError(
            f"{place('data', 'preprocess', 'mean')}: mean and std have "
            f"{len(preprocess.mean)} and {len(preprocess.std)} numbers. Give one a channel."
        )


def _check_inputs(place: Place, model: ModelSpec) -> None:
    shaped = is_reference(model.source) or is_installed(model.source)
    names = [each.name for each in model.inputs]
    twice = next((name for name in names if names.count(name) > 1), None)
    problem = None
    if model.input is not None and model.inputs:
        problem = "there is an input beside them. Keep one of [model] input and inputs"
    elif twice is not None:
        problem = f"'{twice}' is there twice. Give each input a name of its own"
    elif shaped and len(model.specs) < len(model.inputs):
        shapeless = next(each.name for each in model.inputs if each.shape is None)
        problem = f"'{shapeless}' of a network from a function needs its shape"
    if problem is not None:
        raise ProjectError(f"{place('model', 'inputs')}: {problem}.")
    if shaped and not model.specs:
        raise ProjectError(
            f"{place('model', 'source')}: a network from a function needs its "
            "input shape. Add input = { shape = [3, 32, 32] } to [model]."
        )


def _check_task(place: Place, task: TaskSpec) -> None:
    for name, given in (("kind", task.kind), ("decoder", task)):
        try:
            tasks.of(given)
        except UsageError as error:
            raise ProjectError(f"{place('task', name)}: {error}") from None


def _sized(task: TaskSpec, model: ModelSpec) -> TaskSpec:
    """The task with the size of the image in its decoder, where the project has that."""
    decoder, spec = task.box_decoder, model.input
    if decoder is None or decoder.size or spec is None or len(spec.shape) != _IMAGE:
        return task
    _, height, width = spec.shape
    return replace(task, decoder=replace(decoder, size=(height, width)))


def _resized(task: TaskSpec, written: TaskSpec, model: ModelSpec) -> TaskSpec:
    """The task with the input's own size in its decoder, where none is `written` there."""
    decoder = task.box_decoder
    if decoder is None or (written.box_decoder and written.box_decoder.size):
        return task
    return _sized(replace(task, decoder=replace(decoder, size=None)), model)


def _raw(file: Path) -> dict[str, Any]:
    return tomllib.loads(file.read_text(encoding="utf-8-sig"))


def _overlaid(
    general: _Settings, own: _Settings, raw: Mapping[str, Any], section: str
) -> _Settings:
    return _overlay(general, own, raw.get(section, {}))  # type: ignore[no-any-return]


def _overlay(general: Any, own: Any, written: Mapping[str, Any]) -> Any:
    """`general` with those fields of `own` that the user has `written`."""
    changes = {}
    for each in fields(general):
        if each.name in written:
            value = getattr(own, each.name)
            changes[each.name] = (
                _overlay(getattr(general, each.name), value, written[each.name])
                if is_dataclass(value)
                and isinstance(getattr(general, each.name), type(value))
                else value
            )
    return replace(general, **changes)
