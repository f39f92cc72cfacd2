"""Watts that are sampled and integrated."""

from __future__ import annotations

import time

import pytest

from edgekit.agent.errors import AgentError
from edgekit.agent.meters.sampling import Sampler, integrate


def test_watts_are_integrated_by_trapezoids() -> None:
    readings = [(0, 1.0), (1_000_000_000, 3.0), (3_000_000_000, 3.0)]
    assert integrate(readings) == (8.0, 3.0, 2.0)
    assert integrate([]) == (0.0, 0.0, 0.0)


def test_a_sampler_meters_a_known_power() -> None:
    sampler = Sampler(lambda: 2.0, 0.005)
    sampler.begin()
    time.sleep(0.2)
    window = sampler.end()
    assert window["joules"] == pytest.approx(2.0 * window["seconds"])
    assert window["seconds"] >= 0.2
    assert window["gap_s"] is not None


def test_a_meter_that_dies_is_an_error() -> None:
    answers = iter([1.0])

    def watts() -> float:
        for value in answers:
            return value
        raise OSError("unplugged")

    sampler = Sampler(watts, 0.005)
    sampler.begin()
    time.sleep(0.05)
    with pytest.raises(AgentError, match=r"stopped answering \(unplugged\)"):
        sampler.end()
