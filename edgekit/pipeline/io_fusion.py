"""The application's work that goes into the files, where the recipe asks for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from edgekit import tasks
from edgekit.config.project import Project
from edgekit.data import Dataset
from edgekit.errors import DataError, ProjectError
from edgekit.pipeline.samples import BuildData
from edgekit.program.program import Program
from edgekit.types import IOFusion, Preprocess
from edgekit.types.export_notes import IOFused

_LOOKED_AT = 256


def prepared(project: Project, network: Program, samples: BuildData) -> BuildData:
    """The samples with what is folded in around `network` and every smaller version of it.

    Raises `ProjectError` for what the network or its task leaves no room for, `DataError` where
    bytes are asked for and the samples are none.
    """
    found = folding(project, network)
    if found.preprocess is not None and found.dtype == "uint8":
        for each in (samples.test, samples.pool):
            _check_bytes(each.unprepared())
    return replace(samples, folding=found)


def folding(project: Project, network: Program) -> IOFusion:
    """Steps that the recipe folds in; raises `ProjectError`."""
    recipe, task = project.recipe.export, project.task
    found = IOFusion()
    if recipe.fold_preprocessing is not None:
        if len(network.inputs) != 1:
            raise ProjectError(
                "[recipe.export] fold_preprocessing is for one input, and the network takes "
                f"{len(network.inputs)}. Leave it out."
            )
        if not network.dtypes[0].is_floating_point:
            raise ProjectError(
                "[recipe.export] fold_preprocessing is for values, and the network takes "
                "tokens, which nothing is done to. Leave it out."
            )
        how, dtype = project.data.preprocess, recipe.fold_preprocessing
        found = replace(found, preprocess=how, dtype=dtype)
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


def artifact_inputs(samples: BuildData) -> BuildData:
    """The samples as files are fed: raw where preprocessing is theirs."""
    if samples.folding.preprocess is None:
        return samples
    pool = samples.pool.unprepared()
    (values,), _ = pool.feeds(np.array(samples.calibrated.indices))
    return replace(
        samples,
        train=samples.train.unprepared(),
        validation=samples.validation.unprepared(),
        test=samples.test.unprepared(),
        pool=pool,
        calibrated=replace(samples.calibrated, feeds=(values.astype(np.float32),)),
    )


def left_over(samples: BuildData) -> tuple[Preprocess, ...]:
    """Steps that an application still does to a raw sample, by input."""
    own = (
        samples.test
        if samples.folding.preprocess is None
        else samples.test.unprepared()
    )
    return tuple(column.contract for column in own.columns)


def notes(how: IOFusion) -> tuple[IOFused, ...]:
    """Steps of the files besides the network, where there are any."""
    return () if how == IOFusion() else (IOFused(fusion=how),)


def _classes(network: Program, axis: int) -> int:
    with torch.inference_mode():
        return network.answer(*network.example()).shape[axis]


def _check_bytes(samples: Dataset) -> None:
    seen, _ = samples.arrays(np.arange(min(_LOOKED_AT, len(samples))))
    low, high = float(seen.min()), float(seen.max())
    if low < 0 or high > 255 or (seen != np.rint(seen)).any():
        raise DataError(
            "[recipe.export] fold_preprocessing = 'uint8' is for bytes, and the samples hold "
            f"values from {low:g} to {high:g}. Choose 'float32'."
        )
