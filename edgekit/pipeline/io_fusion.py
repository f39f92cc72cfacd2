"""The application's work that goes into the files, where the recipe asks for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from edgekit import tasks
from edgekit.config.project import Project
from edgekit.data import Dataset
from edgekit.data.request import requested
from edgekit.errors import DataError, ProjectError
from edgekit.pipeline.samples import BuildData
from edgekit.program.program import Program
from edgekit.types import IOFusion, Preprocess, RawInput
from edgekit.types.export_notes import IOFused

_LOOKED_AT = 256


def prepared(project: Project, network: Program, samples: BuildData) -> BuildData:
    """The samples with what is folded in around `network` and every smaller version of it.

    Raises `ProjectError` for what the network or its task leaves no room for, `DataError` where
    bytes are asked for and the samples are none.
    """
    found = folding(project, network)
    raw = found.raw([spec.name for spec in network.specs])
    for place, one in enumerate(raw):
        if one is not None and one.dtype == "uint8":
            for each in (samples.test, samples.pool):
                _check_bytes(each.unprepared(), place)
    return replace(samples, folding=found)


def folding(project: Project, network: Program) -> IOFusion:
    """Steps that the recipe folds in; raises `ProjectError`."""
    recipe, task = project.recipe.export, project.task
    found = IOFusion()
    raw = _raw_inputs(project, network)
    if raw and len(network.inputs) == 1:
        found = replace(found, preprocess=raw[0].preprocess, dtype=raw[0].dtype)
    elif raw:
        found = replace(found, inputs=raw)
    if recipe.fold_postprocessing is not None:
        axis = tasks.of(task.kind).class_axis
        if axis is None:
            raise ProjectError(
                f"[recipe.export] fold_postprocessing = '{recipe.fold_postprocessing}' is for "
                f"outputs that are classes, and {task.kind} has none. Leave it out."
            )
        found = replace(
            found,
            postprocess=recipe.fold_postprocessing,
            axis=axis,
            classes=_classes(network, axis),
        )
    return found


def _raw_inputs(project: Project, network: Program) -> tuple[RawInput, ...]:
    """The inputs that the recipe names; of one name for all, those of values."""
    inputs = requested(network, project.model, project.data.preprocess)
    values = [each.spec.name for each in inputs if each.dtype is None]
    asked = project.recipe.export.fold_preprocessing
    if asked is None:
        return ()
    if not values:
        raise ProjectError(
            "[recipe.export] fold_preprocessing is for values, and the network takes "
            "tokens, which nothing is done to. Leave it out."
        )
    dtypes = dict.fromkeys(values, asked) if isinstance(asked, str) else asked
    strange = next((name for name in dtypes if name not in values), None)
    if strange is not None:
        known = any(each.spec.name == strange for each in inputs)
        said = "takes tokens" if known else "the network lacks"
        raise ProjectError(
            f"[recipe.export] fold_preprocessing names '{strange}', which {said}. "
            f"Inputs of values: {', '.join(values)}."
        )
    return tuple(
        RawInput(
            name=each.spec.name,
            preprocess=each.preprocess,
            dtype=dtypes[each.spec.name],
        )
        for each in inputs
        if each.spec.name in dtypes
    )


def artifact_inputs(samples: BuildData) -> BuildData:
    """The samples as files are fed: raw where preprocessing is theirs."""
    if not samples.folding.prepares:
        return samples
    pool = as_files_take(samples, samples.pool)
    feeds, _ = pool.feeds(np.array(samples.calibrated.indices))
    return replace(
        samples,
        train=as_files_take(samples, samples.train),
        validation=as_files_take(samples, samples.validation),
        test=as_files_take(samples, samples.test),
        pool=pool,
        calibrated=replace(samples.calibrated, feeds=feeds),
    )


def left_over(samples: BuildData) -> tuple[Preprocess, ...]:
    """Steps that an application still does to a raw sample, by input."""
    return tuple(
        column.contract for column in as_files_take(samples, samples.test).columns
    )


def as_files_take(samples: BuildData, given: Dataset) -> Dataset:
    """Samples of which files prepare some inputs themselves."""
    raw = samples.folding.raw([column.name for column in given.columns])
    return given.unprepared([one is not None for one in raw])


def notes(how: IOFusion) -> tuple[IOFused, ...]:
    """Steps of the files besides the network, where there are any."""
    return () if how == IOFusion() else (IOFused(fusion=how),)


def _classes(network: Program, axis: int) -> int:
    with torch.inference_mode():
        return network.answer(*network.example()).shape[axis]


def _check_bytes(samples: Dataset, place: int) -> None:
    feeds, _ = samples.feeds(np.arange(min(_LOOKED_AT, len(samples))))
    seen, low, high = feeds[place], feeds[place].min(), feeds[place].max()
    if low < 0 or high > 255 or (seen != np.rint(seen)).any():
        name = samples.columns[place].name
        of, key = (f"of '{name}' ", f"{name} = ") if len(feeds) > 1 else ("", "")
        raise DataError(
            "[recipe.export] fold_preprocessing = 'uint8' is for bytes, and the samples "
            f"{of}hold values from {low:g} to {high:g}. Choose {key}'float32'."
        )
