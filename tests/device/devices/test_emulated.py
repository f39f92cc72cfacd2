"""The real runtimes of two foreign architectures: what they return and what they execute."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.agent.schema import SCHEMA
from edgekit.cost import microbenchmark
from edgekit.devices.emulated import EmulatedDevice
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError, DeviceError, RuntimeMissing
from edgekit.types import RuntimeName
from edgekit.types.operator_shape import OperatorShape

Emulated = Callable[[str], EmulatedDevice]
RUNTIMES: tuple[tuple[str, RuntimeName], ...] = (
    ("cortex-a72", "litert"),
    ("cortex-a72", "onnxruntime"),
    ("cortex-a7", "tflite-runtime"),
)


def conv(outputs: int) -> OperatorShape:
    return OperatorShape(
        kind="conv",
        inputs=16,
        outputs=outputs,
        size=(32, 32),
        kernel=(3, 3),
        padding=(1, 1),
    )


def job(
    folder: Path, runtime: RuntimeName, *operators: OperatorShape
) -> dict[str, Any]:
    paths = [
        microbenchmark.write(operator, runtime, "fp32", folder)
        for operator in operators
    ]
    return {
        "schema": SCHEMA,
        "kind": "microbenchmark",
        "runtime": runtime,
        "models": [str(path) for path in paths],
        "sessions": 1,
        "rounds": 1,
        "min_round_runs": 3,
    }


def outputs(device: Any, folder: Path, runtime: RuntimeName, model: Path) -> Any:
    answer = folder / f"{device.core if hasattr(device, 'core') else 'here'}.npz"
    device.run(
        {
            "schema": SCHEMA,
            "kind": "infer",
            "runtime": runtime,
            "path": str(model),
            "inputs": str(folder / "inputs.npz"),
            "outputs": str(answer),
        },
        timeout_s=120,
    )
    return np.load(answer)["output_0"]


@pytest.mark.parametrize(("core", "runtime"), RUNTIMES)
def test_outputs_are_those_of_this_machine(
    tmp_path: Path, emulated: Emulated, core: str, runtime: RuntimeName
) -> None:
    model = microbenchmark.write(conv(10), runtime, "fp32", tmp_path)
    shape = (2, 16, 32, 32) if runtime == "onnxruntime" else (2, 32, 32, 16)
    x = np.random.default_rng(0).standard_normal(shape).astype(np.float32)
    np.savez(tmp_path / "inputs.npz", x)
    there = outputs(emulated(core), tmp_path, runtime, model)
    native: RuntimeName = "litert" if runtime == "tflite-runtime" else runtime
    here = outputs(LocalDevice(), tmp_path, native, model)
    assert here.shape == there.shape == (2, *here.shape[1:])
    np.testing.assert_allclose(there, here, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("core", "runtime"), RUNTIMES)
def test_instructions_are_counted_and_repeat(
    tmp_path: Path, emulated: Emulated, core: str, runtime: RuntimeName
) -> None:
    asked = job(tmp_path, runtime, conv(8), conv(32))
    device = emulated(core)
    first, second = (
        [row["instructions"] for row in device.run(asked, timeout_s=120)["results"]]
        for _ in range(2)
    )
    assert first == pytest.approx(second, rel=1e-3)
    narrow, wide = first
    assert 1.5 * narrow < wide < 8 * narrow


def test_a_cortex_a72_takes_eight_channels_at_a_time(
    tmp_path: Path, emulated: Emulated
) -> None:
    operators = [conv(outputs) for outputs in (6, 8, 10, 16, 18, 24)]
    result = emulated("cortex-a72").run(
        job(tmp_path, "litert", *operators), timeout_s=120
    )
    six, eight, ten, sixteen, eighteen, twentyfour = (
        row["instructions"] for row in result["results"]
    )
    assert six > 1.5 * eight
    assert ten == pytest.approx(sixteen, rel=0.01)
    assert eighteen == pytest.approx(twentyfour, rel=0.01)
    assert 1.4 < eighteen / sixteen < 1.6
    assert result["machine"]["emulated"] is True
    assert all(row["us"] is None for row in result["results"])
    assert all(row["rounds_us"] == [] for row in result["results"])


def test_it_states_what_it_is_and_never_how_long(
    tmp_path: Path, emulated: Emulated
) -> None:
    device = emulated("cortex-a53")
    found = device.probe()
    assert device.name == "emulated:cortex-a53"
    assert device.provenance == "counted"
    assert "cortex-a53" in device.fingerprint()
    assert found["machine"]["emulated"] is True
    assert found["machine"]["arch"] == "aarch64"
    assert found["machine"]["cpu_revision"] == "0x41/0xd03/4"
    assert found["runtimes"]["litert"]["version"] is not None
    with pytest.raises(DeviceError, match="means nothing"):
        device.run(
            {
                "schema": SCHEMA,
                "kind": "bench",
                "runtime": "litert",
                "path": "model.tflite",
            },
            timeout_s=9,
        )


def test_what_fails_there_is_reported_as_elsewhere(
    tmp_path: Path, emulated: Emulated
) -> None:
    device = emulated("cortex-a72")
    (tmp_path / "bad.tflite").write_bytes(b"not a model at all")
    asked = {
        "schema": SCHEMA,
        "kind": "infer",
        "path": str(tmp_path / "bad.tflite"),
        "inputs": "inputs.npz",
        "outputs": "outputs.npz",
    }
    with pytest.raises(ArtifactError, match=r"bad\.tflite is refused"):
        device.run({**asked, "runtime": "litert"}, timeout_s=60)
    with pytest.raises(RuntimeMissing, match="On emulated:cortex-a72, openvino needs"):
        device.run({**asked, "runtime": "openvino"}, timeout_s=60)
