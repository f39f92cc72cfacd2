"""Memory of a cut beside the weights: a decoder of 95 million in a fresh process."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.large_decoder import ALLOWED, FRACTION, in_fresh_process


@pytest.mark.skipif(
    not Path("/proc/self/clear_refs").exists(), reason="peaks are read from /proc"
)
def test_a_decoder_is_cut_in_little_more_memory_than_its_weights_take() -> None:
    row = in_fresh_process("100m")
    left = row["parameters_left"] / row["parameters"]
    assert left == pytest.approx(1 - FRACTION, abs=0.03)
    assert row["peak_over_weights"] <= ALLOWED, row["stages"]
    assert row["stages"]["run"]["peak_over_weights"] < 1.1, "the original is still held"
