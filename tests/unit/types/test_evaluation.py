"""Losses of a metric: to the sample where samples are counted."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit import tasks
from edgekit.data.metrics import named
from edgekit.types import Evaluation, QuantConfig, QuantResult, TaskSpec


def counted(correct: int, of: int) -> Evaluation:
    outputs = np.zeros((of, 2), np.float32)
    outputs[:, 1] = 1
    targets = (np.arange(of) < correct).astype(np.int64)
    return measured("classification", outputs, targets)


def measured(kind: str, outputs: np.ndarray, targets: np.ndarray) -> Evaluation:
    return named(TaskSpec(kind=kind), Path())(outputs, targets)


def kept(before: Evaluation, after: Evaluation, limit: float, relative: bool) -> bool:
    drop = before.drop(after, relative=relative)
    return after.keeps(drop, limit, relative=relative)


def test_a_contract_kept_to_the_sample_is_kept() -> None:
    before, after = counted(912, 1000), counted(902, 1000)
    assert before.drop(after, relative=False) == 0.01
    assert kept(before, after, 0.01, relative=False)
    assert not kept(before, counted(901, 1000), 0.01, relative=False)


@given(st.data())
def test_every_loss_that_is_allowed_is_kept_and_one_sample_more_is_not(
    data: st.DataObject,
) -> None:
    """`points` hundredths of `of` samples are `points * of / 100` of them, in integers."""
    of = data.draw(st.sampled_from([100, 200, 360, 400, 1000, 4000, 10000]))
    points = data.draw(st.integers(0, 30))
    allowed = points * of // 100
    before = data.draw(st.integers(allowed + 1, of))
    limit = float(f"{points / 100:.2f}")
    assert kept(counted(before, of), counted(before - allowed, of), limit, False)
    assert not kept(
        counted(before, of), counted(before - allowed - 1, of), limit, False
    )


@given(st.integers(1, 500), st.integers(1, 99))
def test_fractions_of_the_reference_are_exact_too(hundreds: int, percent: int) -> None:
    before, lost = 100 * hundreds, hundreds * percent
    of, limit = before + 7, float(f"0.{percent:02d}")
    assert kept(counted(before, of), counted(before - lost, of), limit, True)
    assert not kept(counted(before, of), counted(before - lost - 1, of), limit, True)


def test_what_counts_nothing_is_compared_up_to_float32() -> None:
    before = Evaluation(metric="F1", value=float(np.float32(0.808)), samples=9)
    after = Evaluation(metric="F1", value=float(np.float32(0.798)), samples=9)
    assert before.drop(after, relative=False) > 0.01  # by the rounding of float32
    assert kept(before, after, 0.01, relative=False)
    assert not kept(before, after, 0.01 - 1e-6, relative=False)
    lower = [
        Evaluation(metric="error", value=v, samples=9, higher_is_better=False)
        for v in (1500.0, 1500.1)
    ]
    assert kept(*lower, 0.1, relative=False)
    assert not kept(*lower, 0.099, relative=False)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("relative", [True, False])
def test_what_is_not_finite_keeps_nothing(value: float, relative: bool) -> None:
    before, after = counted(9, 10), Evaluation(metric="r2", value=value, samples=10)
    assert not kept(before, after, 0.99, relative)
    assert not kept(after, before, 0.99, relative)


def test_metrics_that_count_say_what() -> None:
    tokens = np.eye(3, dtype=np.float32)[[[0, 1, 2], [2, 2, 2]]]
    found = measured("token-classification", tokens, np.array([[0, 2, -1]] * 2))
    assert (found.correct, found.counted, found.samples) == (2, 4, 2)
    pixels = np.zeros((1, 2, 2, 2), np.float32)
    pixels[0, 1, :, 0] = 1
    targets = np.array([[[0, 0], [1, -1]]])
    score = named(TaskSpec(kind="segmentation", metric="pixel-accuracy"), Path())
    of_pixels = score(pixels, targets)
    assert (of_pixels.correct, of_pixels.counted) == (2, 3)
    assert of_pixels.value == 2 / 3
    assert measured("segmentation", pixels, targets).counted is None


def test_agreement_is_lost_in_whole_samples() -> None:
    """1 - 0.995 is 0.0050000000000000044 in floats."""
    one = np.zeros((200, 2), np.float32)
    other = one.copy()
    other[0, 1] = 1
    agreed = tasks.of("classification").agree(one, other)
    assert float(1 - agreed.exact) == 0.005


@pytest.mark.parametrize(
    ("lost", "missed"), [(0.005, None), (0.005 + 1e-9, None), (0.006, 0.001)]
)
def test_a_quantized_file_that_loses_what_is_allowed_holds(
    lost: float, missed: float | None
) -> None:
    found = QuantResult(
        quant_config=QuantConfig(),
        accuracy_drop=lost,
        allowed=0.005,
        metric="accuracy",
        samples=400,
        trials=(),
    )
    assert found.missed == (None if missed is None else pytest.approx(missed))


def test_noise_is_one_standard_error_and_at_least_a_sample() -> None:
    assert counted(90, 100).noise == pytest.approx(0.03)
    assert counted(100, 100).noise == 0.01
    other = Evaluation(metric="error", value=3.0, samples=9, is_fraction=False)
    assert other.noise == 0.0


@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("higher_is_better", [True, False])
def test_a_value_worse_by_a_drop_has_dropped_by_it(
    higher_is_better: bool, relative: bool
) -> None:
    before = Evaluation(
        metric="score",
        value=-4.0,
        samples=10,
        higher_is_better=higher_is_better,
        is_fraction=False,
    )
    now = replace(before, value=before.worse_by(0.25, relative=relative))
    assert (now.value < before.value) == higher_is_better
    assert before.drop(now, relative=relative) == pytest.approx(0.25)
