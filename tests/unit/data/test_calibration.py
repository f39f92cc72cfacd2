"""Presets are read or refused in one line; drawn sets are seeded, balanced and real."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.config.resources import shipped
from edgekit.data.calibration import draw, known, load_preset
from edgekit.errors import DataError, UsageError
from edgekit.types import Calibration
from edgekit.types.data_notes import CalibrationRandom, CalibrationShort


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """A folder for presets of one's own."""
    folder = tmp_path / "calibration"
    folder.mkdir()
    return folder


def numbered(count: int) -> np.ndarray:
    """Samples (count, 1, 2, 2) that hold their number."""
    return np.repeat(np.arange(count, dtype=np.float32), 4).reshape(count, 1, 2, 2)


def test_every_shipped_preset_reads() -> None:
    files = sorted(path.stem for path in shipped("calibration").glob("*.toml"))
    assert known() == files
    assert {"default", "digits"} <= set(files)
    for name in files:
        assert load_preset(name).name == name


def test_the_users_preset_wins(mine: Path) -> None:
    (mine / "default.toml").write_text("samples = 7\n")
    assert load_preset("default", folders=[mine]).samples == 7
    assert load_preset("default").samples == 128


def test_an_unknown_name_is_met_with_the_nearest(mine: Path) -> None:
    (mine / "street.toml").write_text("samples = 7\n")
    with pytest.raises(
        UsageError,
        match=r"No calibration preset 'digit'\. Did you mean 'digits'\? "
        r"Known: default, digits, diverse, street\. .* calibration/digit\.toml",
    ):
        load_preset("digit", folders=[mine])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "sample = 3\n",
            r"street\.toml:1: sample = 3: unknown key.*Did you mean 'samples'",
        ),
        (
            "\nsamples = 0\n",
            r"street\.toml:2: samples = 0: .*greater than or equal to 1",
        ),
        ('strategy = "noise"\n', r'strategy = "noise": .*random.*class-balanced'),
        ('samples = "many"\n', r'samples = "many": should be a whole number'),
        ('name = "street"\n', r'name = "street": unknown key'),
        ("samples = \n", r"street\.toml:1: .*not valid TOML"),
    ],
)
def test_a_mistake_is_named_with_its_line(mine: Path, text: str, words: str) -> None:
    (mine / "street.toml").write_text(text)
    with pytest.raises(UsageError, match=words) as caught:
        load_preset("street", folders=[mine])
    assert "\n" not in str(caught.value)


def test_a_balanced_draw_takes_every_class_alike() -> None:
    labels = np.array([0] * 80 + [1] * 15 + [2] * 5)
    drawn = draw(Calibration(name="x", samples=12), numbered(100), labels)
    assert Counter(labels[list(drawn.indices)]) == {0: 4, 1: 4, 2: 4}
    assert drawn.samples.shape == (12, 1, 2, 2)
    assert drawn.samples.dtype == np.float32
    assert drawn.samples[:, 0, 0, 0].astype(int).tolist() == list(drawn.indices)
    assert drawn.notes == ()


def test_a_small_class_is_used_up_and_the_rest_is_shared() -> None:
    labels = np.array([0] * 80 + [1] * 15 + [2] * 5)
    drawn = draw(Calibration(name="x", samples=40), numbered(100), labels)
    assert Counter(labels[list(drawn.indices)]) == {0: 20, 1: 15, 2: 5}


def test_the_seed_decides_and_the_hash_reports() -> None:
    def once(seed: int, shift: float = 0.0) -> tuple[tuple[int, ...], str]:
        preset = Calibration(name="x", samples=10, strategy="random", seed=seed)
        drawn = draw(preset, numbered(200) + np.float32(shift))
        return drawn.indices, drawn.sha256

    assert once(1) == once(1)
    assert once(1)[0] != once(2)[0]
    assert once(1)[0] == once(1, shift=1)[0]
    assert once(1)[1] != once(1, shift=1)[1]


def test_too_few_samples_are_all_used_and_that_is_noted() -> None:
    drawn = draw(Calibration(name="x", samples=50), numbered(3), [0, 1, 1])
    assert drawn.indices == (0, 1, 2)
    assert drawn.notes == (CalibrationShort(preset="x", asked=50, samples=3),)


@pytest.mark.parametrize("labels", [None, [-1] * 30])
def test_without_labels_the_draw_is_random_and_that_is_noted(labels) -> None:
    drawn = draw(Calibration(name="x", samples=5), numbered(30), labels)
    assert len(drawn.samples) == 5
    assert drawn.notes == (CalibrationRandom(),)


def test_a_diverse_draw_spreads_over_the_networks_features() -> None:
    """Nine in ten samples are nearly alike; each of the others is a kind of its own."""
    values = np.zeros((200, 1, 2, 2), np.float32)
    values[:180] += np.linspace(0, 0.01, 180, dtype=np.float32)[:, None, None, None]
    values[180:, 0, 0, 0] = np.arange(20) + 10
    preset = Calibration(name="x", samples=15, strategy="diverse")

    def features(feeds: tuple[np.ndarray, ...]) -> np.ndarray:
        (samples,) = feeds
        return samples.reshape(len(samples), -1)

    drawn = draw(preset, values, features=features)
    assert drawn.indices == draw(preset, values, features=features).indices
    assert len(set(drawn.indices)) == 15
    rare = [index for index in drawn.indices if index >= 180]
    at_random = draw(Calibration(name="x", samples=15, strategy="random"), values)
    assert len(rare) >= 13 > sum(index >= 180 for index in at_random.indices)


def test_a_diverse_draw_of_equal_samples_takes_each_once() -> None:
    preset = Calibration(name="x", samples=5, strategy="diverse")
    drawn = draw(preset, np.ones((8, 3), np.float32), features=lambda x: x[0])
    assert len(set(drawn.indices)) == 5


def test_a_saved_set_is_the_same_file_again(tmp_path: Path) -> None:
    drawn = draw(Calibration(name="x", samples=4), numbered(30))
    drawn.save(tmp_path / "one.npz")
    drawn.save(tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
    with np.load(tmp_path / "one.npz") as read:
        assert (read["samples"] == drawn.samples).all()
        assert tuple(read["indices"]) == drawn.indices


def test_of_a_data_set_only_the_drawn_items_are_read() -> None:
    read: list[int] = []

    class Pairs:
        def __len__(self) -> int:
            return 20

        def __getitem__(self, index: int) -> tuple[np.ndarray, int]:
            read.append(index)
            return numbered(20)[index], index % 2

    drawn = draw(Calibration(name="x", samples=4), Pairs(), [i % 2 for i in range(20)])
    assert tuple(read) == drawn.indices
    assert drawn.samples[:, 0, 0, 0].astype(int).tolist() == list(drawn.indices)


def test_nothing_to_draw_from_is_refused() -> None:
    with pytest.raises(DataError, match=r"calibration data is empty; .*edgekit\.toml"):
        draw(Calibration(name="x"), numbered(0))


def test_labels_of_another_length_are_refused() -> None:
    with pytest.raises(DataError, match="has 3 samples but 2 labels"):
        draw(Calibration(name="x"), numbered(3), [0, 1])


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(DataError, match=r"not finite .*data\.preprocess"):
        draw(Calibration(name="x"), np.full_like(numbered(3), np.nan), [0, 1, 1])


@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    samples=st.integers(1, 70),
    seed=st.integers(0, 3),
)
def test_no_class_is_ahead_of_one_that_has_samples_left(
    labels: list[int], samples: int, seed: int
) -> None:
    preset = Calibration(name="x", samples=samples, seed=seed)
    drawn = draw(preset, numbered(len(labels)), labels)
    assert len(set(drawn.indices)) == len(drawn.indices) == min(samples, len(labels))
    there, taken = Counter(labels), Counter(labels[i] for i in drawn.indices)
    unfinished = [taken[c] for c in there if taken[c] < there[c]]
    assert not unfinished or max(taken.values()) <= min(unfinished) + 1
