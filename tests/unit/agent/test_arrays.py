from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.agent.arrays import (
    dequantize,
    quantize,
    read_inputs,
    sample,
    stack,
    write_outputs,
)
from edgekit.agent.errors import AgentError
from edgekit.agent.session import TensorInfo, draw
from edgekit.types import Quantization, TensorSpec

INPUTS = [TensorInfo("a", (1, 2), "float32"), TensorInfo("b", (1, 3), "int64")]


def test_inputs_go_by_name_and_else_by_order(tmp_path: Path) -> None:
    a, b = np.zeros((4, 2), np.float32), np.ones((4, 3), np.int64)
    np.savez(tmp_path / "named.npz", b=b, a=a)
    np.savez(tmp_path / "ordered.npz", a, b)
    for name in ("named.npz", "ordered.npz"):
        found = read_inputs(str(tmp_path / name), INPUTS)
        assert [array.shape for array in found] == [(4, 2), (4, 3)]
        assert [array.shape for array in sample(INPUTS, found, 3)] == [(1, 2), (1, 3)]


def test_unusable_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match=r"Cannot read the inputs .*gone.npz"):
        read_inputs(str(tmp_path / "gone.npz"), INPUTS)
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(AgentError, match=r"text\.npz"):
        read_inputs(str(tmp_path / "text.npz"), INPUTS)
    np.savez(tmp_path / "one.npz", np.zeros((1, 2)))
    with pytest.raises(AgentError, match="holds 1 arrays; the model takes 2 inputs"):
        read_inputs(str(tmp_path / "one.npz"), INPUTS)
    np.savez(tmp_path / "odd.npz", np.zeros((1, 2)), np.zeros((2, 3)))
    with pytest.raises(AgentError, match="the same number of samples"):
        read_inputs(str(tmp_path / "odd.npz"), INPUTS)


def test_outputs_are_stacked_along_the_batch() -> None:
    assert stack([np.zeros((1, 5))] * 3).shape == (3, 5)
    assert stack([np.zeros((7, 5))] * 3).shape == (3, 7, 5)
    assert stack([np.float32(1.0) * np.ones(())] * 3).shape == (3,)


def test_outputs_appear_whole_or_not_at_all(tmp_path: Path) -> None:
    write_outputs(str(tmp_path / "out.npz"), [np.ones(2), np.zeros(3)])
    with np.load(tmp_path / "out.npz") as file:
        assert sorted(file.files) == ["output_0", "output_1"]
    with pytest.raises(AgentError, match=r"Cannot write the outputs .*/gone/out.npz"):
        write_outputs(str(tmp_path / "gone" / "out.npz"), [np.ones(2)])
    assert [file.name for file in tmp_path.iterdir()] == ["out.npz"]


def test_drawn_inputs_are_seeded_and_of_the_type() -> None:
    inputs = [*INPUTS, TensorInfo("c", (1, 500), "int8"), TensorInfo("d", (), "bool")]
    one, two = draw(inputs, 5), draw(inputs, 5)
    for info, first, second in zip(inputs, one, two, strict=True):
        np.testing.assert_array_equal(first, second)
        assert (first.shape, first.dtype.name) == (info.shape, info.dtype)
    assert set(np.unique(one[1])) <= {0, 1}
    assert one[2].min() < -100
    assert one[2].max() > 100
    assert not np.array_equal(one[0], draw(inputs, 6)[0])


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
        with pytest.raises(AgentError, match=f"'ids' takes int32.*{far}"):
            quantize(np.array([0, far]), tokens)
