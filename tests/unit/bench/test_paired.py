from __future__ import annotations

import math

import numpy as np
import pytest

from edgekit.bench.paired import judge


def test_equal_pairs_pass_and_slower_ones_fail() -> None:
    assert judge([1.0, 1.001, 0.999, 1.0, 1.002], 0.95).verdict == "pass"
    found = judge([1.10, 1.11, 1.09, 1.10, 1.12], 0.95)
    assert found.verdict == "fail"
    assert found.low < found.ratio < found.high
    assert judge([0.5, 0.51, 0.5, 0.49, 0.5], 0.95).verdict == "pass"


def test_noise_is_inconclusive_and_not_a_pass() -> None:
    found = judge([0.7, 1.5, 0.9, 1.3, 1.0], 0.95)
    assert found.verdict == "inconclusive"
    assert judge([1.2], 0.95).verdict == "inconclusive"


def test_the_bounds_are_those_of_students_t() -> None:
    # Mean log 0.01, standard error 0.0158 / sqrt 5; t(4, 95 %) = 2.132.
    ratios = [math.exp(value) for value in (-0.01, 0.0, 0.01, 0.02, 0.03)]
    found = judge(ratios, 0.95)
    assert math.log(found.low) == pytest.approx(0.01 - 2.132 * 0.0070711, abs=1e-5)
    assert math.log(found.high) == pytest.approx(0.01 + 2.132 * 0.0070711, abs=1e-5)


def test_equal_artifacts_seldom_fail_and_slow_ones_never_pass_often() -> None:
    random = np.random.default_rng(0)
    same = [judge(np.exp(random.normal(0, 0.05, 5)).tolist(), 0.95) for _ in range(500)]
    slow = [
        judge(np.exp(random.normal(math.log(1.1), 0.05, 5)).tolist(), 0.95)
        for _ in range(500)
    ]
    assert sum(one.verdict == "fail" for one in same) <= 25
    assert sum(one.verdict == "pass" for one in slow) <= 25
