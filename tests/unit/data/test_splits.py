"""Division of training samples into those that train and those that select the epoch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

import edgekit
from edgekit.data import Dataset, split
from edgekit.data import read as read_data
from edgekit.data.request import Request
from edgekit.data.sequence import Origin, read
from edgekit.data.splits import check_apart, in_groups
from edgekit.errors import DataError
from edgekit.types import InputSpec, Preprocess
from tests.unit.data.test_dataset import dataset, numbers
from tests.unit.data.test_load import RED, picture

SPEC = InputSpec(shape=(2,))
X = np.arange(24, dtype=np.float32).reshape(12, 2)
Y = np.arange(12) % 2
SPEAKERS = [f"s{number // 3}" for number in range(12)]
"""Four of three samples each, of both classes."""


def request(group: str, spec: InputSpec = SPEC) -> Request:
    inputs = Request.of_one(spec, Preprocess(scale=1.0)).inputs
    return Request(inputs=inputs, labels=None, group=group)


@given(
    st.lists(st.integers(-1, 2), min_size=40, max_size=90),
    st.floats(0.1, 0.5),
    st.integers(0, 9),
)
def test_split_is_stratified_and_loses_nothing(
    targets: list[int], fraction: float, seed: int
) -> None:
    whole = dataset(targets)
    train, validation = split(whole, fraction, seed)
    assert sorted(numbers(train) + numbers(validation)) == list(range(len(targets)))
    for target in set(targets):
        members = targets.count(target)
        held = validation.targets.tolist().count(target)
        assert held == min(round(fraction * members), members - 1)
    assert numbers(split(whole, fraction, seed)[1]) == numbers(validation)


def test_split_of_a_subset_stays_inside_it() -> None:
    part = dataset([0, 1] * 20).subset(np.arange(10, 30))
    train, validation = split(part, 0.2, 0)
    assert sorted(numbers(train) + numbers(validation)) == list(range(10, 30))
    assert split(part, 0.2, 1)[1].fingerprint() != validation.fingerprint()


def test_split_without_a_validation_sample() -> None:
    with pytest.raises(DataError, match="validation_fraction"):
        split(dataset([0, 1, 2]), 0.1, 0)


# --- groups -----------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 2), st.integers(0, 7)), min_size=12, max_size=80),
    st.floats(0.1, 0.5),
    st.integers(0, 9),
)
def test_a_group_is_whole_in_one_part_and_training_has_every_class(
    rows: list[tuple[int, int]], fraction: float, seed: int
) -> None:
    targets, groups = [target for target, _ in rows], [group for _, group in rows]
    whole = dataset(targets).grouped(groups)
    try:
        train, validation = split(whole, fraction, seed)
    except DataError:
        for group in set(groups):  # none can go
            left = {t for t, other in rows if other != group}
            assert left != set(targets)
        return
    assert sorted(numbers(train) + numbers(validation)) == list(range(len(rows)))
    assert train.groups is not None and validation.groups is not None
    assert not {*train.groups.tolist()} & {*validation.groups.tolist()}
    assert {*train.targets.tolist()} == set(targets)


def test_many_groups_are_held_out_as_samples_are() -> None:
    random = np.random.default_rng(0)
    targets, groups = random.integers(0, 3, 3000), random.integers(0, 150, 3000)
    whole = dataset(targets.tolist()).grouped(groups)
    _, validation = split(whole, 0.2, 0)
    for target in range(3):
        held = (validation.targets == target).sum() / (targets == target).sum()
        assert held == pytest.approx(0.2, abs=0.04)
    assert numbers(split(whole, 0.2, 0)[1]) == numbers(validation)
    assert numbers(split(whole, 0.2, 1)[1]) != numbers(validation)


def test_one_group_cannot_be_divided() -> None:
    with pytest.raises(DataError, match="The 1 group of the 20 training samples"):
        split(dataset([0, 1] * 10).grouped(["a"] * 20), 0.2, 0)


def test_given_validation_is_apart_from_training() -> None:
    parts = [dataset([0, 1]).grouped(each) for each in (["a", "b"], ["c", "b"])]
    with pytest.raises(DataError, match="both have samples of b, which"):
        check_apart(*parts)
    check_apart(parts[0], dataset([0, 1]).grouped(["c", "d"]))
    check_apart(parts[0], dataset([0, 1]))


ROWS = [({"x": x, "speaker": who}, y) for x, y, who in zip(X, Y, SPEAKERS, strict=True)]
HELD: dict[str, Any] = {
    "samples": ROWS,
    "batches": DataLoader(ROWS, batch_size=5),
    "arrays": {"x": X, "y": Y, "speaker": np.array(SPEAKERS)},
}


@pytest.mark.parametrize("kind", HELD)
def test_mappings_have_groups_by_name(kind: str) -> None:
    found = read(HELD[kind], request("speaker"), Origin(name="it"))
    assert found.groups is not None and found.groups.tolist() == SPEAKERS
    np.testing.assert_array_equal(found.arrays()[0], X)


def _table(path: Path) -> None:
    columns = {"x": X.tolist(), "y": Y, "speaker": SPEAKERS}
    pyarrow.parquet.write_table(pa.table(columns), path)


def _archive(path: Path) -> None:
    np.savez(path, x=X, y=Y, speaker=np.array(SPEAKERS))


@pytest.mark.parametrize(
    ("name", "write"), [("a.parquet", _table), ("a.npz", _archive)]
)
def test_files_have_a_column_of_groups(tmp_path: Path, name: str, write: Any) -> None:
    write(tmp_path / name)
    found = read_data(name, root=tmp_path, request=request("speaker"))
    assert found.groups is not None and found.groups.tolist() == SPEAKERS
    assert found.subset(np.array([11, 0])).groups.tolist() == ["s3", "s0"]  # type: ignore[union-attr]
    np.testing.assert_array_equal(found.arrays()[0], X)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for number, who in enumerate(SPEAKERS):
        picture(tmp_path / "set" / f"{number % 2}" / f"{who}_{number:02}.png", RED)
    return tmp_path


IMAGE = InputSpec(shape=(3, 4, 6))


def test_images_are_grouped_by_their_paths(pictures: Path) -> None:
    found = read_data("set", root=pictures, request=request("(s[0-9]+)_", IMAGE))
    assert found.groups is not None
    assert sorted(found.groups.tolist()) == SPEAKERS
    train, validation = split(found, 0.25, 0)
    assert (len(train), len(validation)) == (9, 3)


@pytest.mark.parametrize(
    ("group", "message"),
    [
        ("(p[0-9]+)_", r"matches nothing in .*s0_00.png, .* and 7 more"),
        ("s[0-9]+_", "has 0 pairs of parentheses"),
        ("(s[0-9]+_", "is not a regular expression \\(missing \\)"),
    ],
)
def test_patterns_that_group_no_files(pictures: Path, group: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as said:
        read_data("set", root=pictures, request=request(group, IMAGE))
    assert "\n" not in str(said.value)


def test_a_name_that_is_not_there() -> None:
    whole: Dataset = read((X, Y), request("speaker"), Origin(name="it"))
    with pytest.raises(DataError, match="it has nothing named 'speaker'"):
        in_groups(whole, "speaker", "it")
    with pytest.raises(DataError, match="12 samples and 3 groups"):
        mapping = {"x": X, "y": Y, "speaker": np.arange(3)}
        read(mapping, request("speaker"), Origin(name="it"))


def test_data_in_memory_is_split_by_group() -> None:
    data = edgekit.Data(train=HELD["samples"], group="speaker")
    train, validation = data.training(SPEC, 0.25, 0)
    assert train.groups is not None and validation.groups is not None
    assert (
        len({*train.groups.tolist()}) == 3 and len({*validation.groups.tolist()}) == 1
    )
    assert data.spec.group == "speaker"
