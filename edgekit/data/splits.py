"""Division of training samples into those that train and those that select the epoch."""

from __future__ import annotations

import re

import numpy as np

from edgekit.data.dataset import Dataset
from edgekit.data.faults import named
from edgekit.data.preprocess import Array
from edgekit.data.recordings import Recordings
from edgekit.data.samples import Images, Indices
from edgekit.data.videos import Frames
from edgekit.errors import DataError


def split(dataset: Dataset, fraction: float, seed: int) -> tuple[Dataset, Dataset]:
    """Training and validation parts, the latter with `fraction` of each class (stratified).

    A class keeps at least one sample in training; unlabeled samples count as one class, and so
    do all samples of tasks without classes. A group is whole in one part: then fractions are as
    near as its groups allow. Raises `DataError` where nothing can be held out.
    """
    _, classes = np.unique(_classes(dataset), return_inverse=True)
    generator, groups = np.random.default_rng(seed), dataset.groups
    validation = (
        _by_class(classes, fraction, generator)
        if groups is None
        else _by_group(classes, groups, fraction, generator)
    )
    if not len(validation):
        raise _nothing_held(dataset, fraction)
    train = np.setdiff1d(np.arange(len(dataset)), validation)
    return dataset.subset(train), dataset.subset(validation)


def _classes(dataset: Dataset) -> Array:
    return dataset.targets if dataset.classed else np.zeros(len(dataset), np.int64)


def _by_class(
    classes: Array, fraction: float, generator: np.random.Generator
) -> Indices:
    """The samples that are held out of each class."""
    held: list[Indices] = []
    for target in np.unique(classes):
        members = np.flatnonzero(classes == target)
        count = min(round(fraction * len(members)), len(members) - 1)
        held.append(generator.permutation(members)[:count])
    return np.sort(np.concatenate(held))


def _by_group(
    classes: Array, groups: Array, fraction: float, generator: np.random.Generator
) -> Indices:
    """The samples of the groups that are held out.

    In a random order, each group that brings every class's fraction nearer on the whole and leaves
    some of each class to train on; where none does, the one that misses it least.
    """
    _, numbers = np.unique(groups, return_inverse=True)
    table = np.zeros((numbers.max() + 1, classes.max() + 1))
    np.add.at(table, (numbers, classes), 1)
    left, missing = table.sum(0), fraction * table.sum(0)
    held: list[int] = []
    order = generator.permutation(len(table))
    for group in order:
        if _off(missing - table[group]) < _off(missing) and _some(left - table[group]):
            left, missing = left - table[group], missing - table[group]
            held.append(group)
    others = [group for group in order if _some(left - table[group])]
    if not held and others:
        held = [min(others, key=lambda group: _off(missing - table[group]))]
    return np.flatnonzero(np.isin(numbers, held))


def _off(missing: Array) -> float:
    return float(np.abs(missing).sum())


def _some(left: Array) -> bool:
    return bool((left > 0).all())


def _nothing_held(dataset: Dataset, fraction: float) -> DataError:
    if dataset.groups is not None:
        count = len(np.unique(dataset.groups))
        return DataError(
            f"The {count} group{'s' * (count != 1)} of the {len(dataset)} training samples leave "
            "none to select an epoch by: without any of them training would lack a class. "
            "Give [data] validation, or samples of more groups."
        )
    return DataError(
        f"A validation fraction of {fraction:g} of {len(dataset)} training samples leaves none "
        "to select an epoch by. Raise [recipe.distill] validation_fraction, or give "
        "[data] validation."
    )


def check_apart(train: Dataset, validation: Dataset) -> None:
    """Raise `DataError` where groups have samples in both."""
    if train.groups is None or validation.groups is None:
        return
    both = sorted({*train.groups.tolist()} & {*validation.groups.tolist()})
    if both:
        raise DataError(
            f"[data] train and validation both have samples of {named(both)}, which [data] group "
            "keeps apart. Move them, or leave validation out: it is split off then."
        )


def in_groups(dataset: Dataset, group: str | None, origin: str) -> Dataset:
    """`dataset` with its groups: those that were read with it, or by the paths of its files."""
    if group is None or dataset.groups is not None:
        return dataset
    return by_path(dataset, group, origin)


def by_path(dataset: Dataset, pattern: str, origin: str) -> Dataset:
    """The files of `dataset` in groups: what the parentheses of `pattern` match in each path.

    Raises `DataError` for a pattern that cannot be used, for samples that are not files, and for
    paths that it does not match.
    """
    samples = dataset.columns[0].samples
    if not isinstance(samples, Images | Recordings | Frames):
        raise DataError(
            f"{origin} has nothing named '{pattern}', which [data] group names. Give a column of a "
            "table, an array of an archive or a key of a loader's mappings."
        )
    try:
        searched = re.compile(pattern)
    except re.error as error:
        raise DataError(
            f"[data] group = '{pattern}' is not a regular expression ({error})."
        ) from error
    if searched.groups != 1:
        raise DataError(
            f"[data] group = '{pattern}' has {searched.groups} pairs of parentheses, and files are "
            "grouped by what one pair matches in their paths, as in '(speaker[0-9]+)_'."
        )
    names = [samples.names[index] for index in dataset.numbers]
    found = [searched.search(name) for name in names]
    odd = [name for name, match in zip(names, found, strict=True) if match is None]
    if odd:
        raise DataError(
            f"[data] group = '{pattern}' matches nothing in {named(odd)}. Correct the pattern, or "
            "the names."
        )
    return dataset.grouped([match[1] for match in found if match is not None])
