"""Weights of one-operator models."""

from __future__ import annotations

import numpy as np

from edgekit.runtimes import weights


def test_weights_are_seeded_and_scaled_by_their_inputs() -> None:
    found = weights.weights(64, 32, 3, 3)
    np.testing.assert_array_equal(found, weights.weights(64, 32, 3, 3))
    assert found.dtype == np.float32
    assert abs(found.std() * np.sqrt(32 * 9) - 1) < 0.05


def test_eight_bits_are_within_half_a_step() -> None:
    weight = weights.weights(8, 16)
    whole, scales = weights.quantized(weight)
    assert whole.dtype == np.int8 and scales.shape == (8,)
    assert np.abs(whole).max(1).tolist() == [127] * 8
    error = np.abs(whole * scales[:, None] - weight)
    assert (error <= scales[:, None] / 2 + 1e-7).all()
    columns, by_column = weights.quantized(weight, axis=1)
    assert by_column.shape == (16,) and columns.shape == weight.shape
