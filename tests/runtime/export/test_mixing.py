"""Files of int8 with operators in float for their speed."""

from __future__ import annotations

import numpy as np
import pytest

from edgekit.devices.local import LocalDevice
from edgekit.evaluate.run import infer
from edgekit.export.workers import export_all
from edgekit.types import Artifact, QuantConfig

OTHERS = ("onnxruntime", "openvino")


@pytest.fixture(scope="module")
def files(
    convolutional_network, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Artifact]:
    program, samples = convolutional_network
    mixed = QuantConfig(operators="mixed")
    requested = [("litert", "int8"), ("litert", "int8", mixed)]
    requested += [("tflite-runtime", "int8", mixed)]
    narrow = QuantConfig(operators="mixed", narrow_weights=True)
    requested += [(runtime, "int8", narrow) for runtime in OTHERS]
    folder = tmp_path_factory.mktemp("mixed") / "out"
    made = export_all(program, requested, calibration=samples, folder=folder)
    return {one.name: one for one in made}


def kinds(artifact: Artifact, *, in_float: bool) -> list[str]:
    from edgekit.runtimes.operators import of_file

    found = of_file("litert", artifact.files[0])
    return [one.kind for one in found if one.in_float == in_float]


def test_int8_leaves_what_the_runtime_has_no_kernel_for(files) -> None:
    plain = files["litert-int8"]
    assert "HARD_SWISH" in kinds(plain, in_float=True)
    assert "CONV_2D" in kinds(plain, in_float=False)
    [slow] = plain.quantized.slow
    assert (slow.kind, slow.count, slow.us) == ("HARD_SWISH", 1, None)


def test_a_mixed_file_is_chosen_by_timings_and_is_the_network(
    files, convolutional_network
) -> None:
    from ai_edge_litert.interpreter import Interpreter

    mixed = files["litert-int8-mixed"]
    slow = {one.kind: one.us for one in mixed.quantized.slow}
    assert slow["HARD_SWISH"] > 0
    assert "HARD_SWISH" in kinds(mixed, in_float=True)
    program, samples = convolutional_network
    interpreter = Interpreter(model_path=str(mixed.files[0]))
    interpreter.allocate_tensors()
    [given], [end] = interpreter.get_input_details(), interpreter.get_output_details()
    interpreter.set_tensor(given["index"], samples[:1])
    interpreter.invoke()
    expected = program.copy().module(*map(_tensor, (samples[:1],))).detach().numpy()
    error = np.abs(interpreter.get_tensor(end["index"]) - expected).max()
    assert error < 0.15 * np.ptp(expected)


def _tensor(values: np.ndarray):
    import torch

    return torch.from_numpy(values)


def test_mixing_is_explicit_in_the_record_of_every_runtime(files) -> None:
    assert len(files) == 3 + len(OTHERS)
    for one in files.values():
        found = one.quantized.quant_config
        assert found.float_operators or one.runtime in OTHERS


@pytest.mark.parametrize("runtime", OTHERS)
def test_a_file_of_another_runtime_goes_by_timings_and_is_the_network(
    files, convolutional_network, runtime: str
) -> None:
    one = files[f"{runtime}-int8-narrow-mixed"]
    assert one.quantized.quant_config.operators == "mixed"
    assert all(slow.us > 0 for slow in one.quantized.slow)
    program, samples = convolutional_network
    found = infer(one, samples[:4], LocalDevice())
    expected = program.copy().module(_tensor(samples[:4])).detach().numpy()
    assert np.abs(found - expected).max() < 0.15 * np.ptp(expected)
