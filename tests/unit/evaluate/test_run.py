from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import DataError
from edgekit.evaluate.run import dequantize, quantize, taken
from edgekit.types import Quantization, TensorSpec


def spec(scale: float, zero_point: int, dtype: str = "int8") -> TensorSpec:
    quantization = Quantization(scale=scale, zero_point=zero_point)
    return TensorSpec(name="x", shape=(1, 4), dtype=dtype, quantization=quantization)


@given(
    st.lists(st.floats(-10, 10, width=32), min_size=1),
    st.floats(0.1, 1.0),
    st.integers(-20, 20),
)
def test_there_and_back_errs_by_half_a_step(
    values: list[float], scale: float, zero: int
) -> None:
    array = np.array(values, np.float32)
    there = quantize(array, spec(scale, zero))
    assert there.dtype == np.int8
    back = dequantize(there, spec(scale, zero))
    assert back.dtype == np.float32
    inside = (there > -128) & (there < 127)
    assert np.all(np.abs(back - array)[inside] <= scale / 2 + 1e-5)


def test_what_does_not_fit_is_clipped_and_does_not_wrap() -> None:
    far = np.array([-1e6, 1e6], np.float32)
    assert quantize(far, spec(0.5, 0)).tolist() == [-128, 127]
    assert quantize(far, spec(0.5, 0, "uint8")).tolist() == [0, 255]


def test_without_quantization_only_the_type_changes() -> None:
    plain = TensorSpec(name="x", shape=(1, 2), dtype="float32")
    values = np.array([0.25, -3.0])
    assert quantize(values, plain).dtype == np.float32
    assert dequantize(values, plain).tolist() == [0.25, -3.0]


def test_whole_numbers_that_the_type_cannot_hold_are_no_others() -> None:
    tokens = TensorSpec(name="ids", shape=(1, 2), dtype="int32")
    assert quantize(np.array([2**31 - 1, -(2**31)]), tokens).dtype == np.int32
    for far in (2**31, -(2**31) - 1):
        with pytest.raises(DataError, match=f"'ids' takes int32.*{far}"):
            quantize(np.array([0, far]), tokens)


def test_a_task_reads_its_outputs_wherever_they_are() -> None:
    boxes, scores = np.ones((2, 5, 4), np.float32), np.zeros((2, 5, 3), np.float32)
    assert (taken([scores, boxes], ()) == scores).all()
    assert (taken([scores, boxes], (1,)) == boxes).all()
    both = taken([scores, boxes], (1, 0))
    assert both.shape == (2, 5, 7) and (both[..., :4] == boxes).all()
