"""Operators of OpenVINO in float and in int8, each as a file that runs."""

from __future__ import annotations

import re

import pytest

from tests.runtime.runtimes.mixed import Mixed, mixed

KIND = "GroupConvolution"


@pytest.fixture(scope="module")
def found(
    convolutional_network, apart, tmp_path_factory: pytest.TempPathFactory
) -> Mixed:
    program, samples = convolutional_network
    place = tmp_path_factory.mktemp("mixed")
    program.save(place / "net.pt2")
    arguments = "openvino", (KIND,), place, program.inputs, samples
    return apart.submit(mixed, *arguments).result()


def test_what_runs_as_one_is_one_step_and_runs_in_both_forms(found: Mixed) -> None:
    assert not found.refused
    steps = [step for step in found.material.steps if "Convolution" in step.kind]
    assert len(steps) == 5
    for step in steps:
        assert len(step.names) > 1 and len(step.gives) == 1
        assert step.in_int8 is not None
        text = step.in_int8.read_text()
        assert re.search(r'type="Parameter"[^>]*>\s*<data[^>]*element_type="u8"', text)


def test_what_is_slow_in_int8_is_in_float_and_no_accuracy_is_lost(
    found: Mixed,
) -> None:
    slow = [step.names for step in found.material.steps if step.kind == KIND]
    assert len(slow) == 2
    assert set(found.in_float) >= {name for names in slow for name in names}
    text = found.file.read_text()
    weights = re.findall(r'name="([^"]*)/fq_weights_\d+"', text)
    assert weights
    assert not set(weights) & {name for names in slow for name in names}
    assert 0 < found.errors["mixed"] <= found.errors["int8"]
