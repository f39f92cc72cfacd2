"""A page of a real browser as a device: the agent's jobs, with the same outputs."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edgekit.bench.conditions import summarize
from edgekit.devices import jobs
from edgekit.devices.browser import chromium
from edgekit.devices.browser.device import ARCH, BrowserDevice
from edgekit.devices.browser.site import Site
from edgekit.devices.local import LocalDevice
from edgekit.errors import (
    ArtifactError,
    DeviceError,
    DeviceFrozen,
    RuntimeMissing,
)
from edgekit.store import Store
from edgekit.types import Artifact, RuntimeOptions
from tests.runtime.conftest import (
    TinyModel,
    write_onnx,
    write_requantizing_tflite,
    write_tflite,
)

BROWSER = any(shutil.which(name) for name in chromium.NAMES)
pytestmark = pytest.mark.skipif(
    not (BROWSER and shutil.which("npm")),
    reason="needs chromium and npm: apt-get install chromium npm",
)
SHORT: Any = {
    "warmup_min_s": 0.05,
    "warmup_max_s": 0.5,
    "min_s": 0.1,
    "max_s": 5.0,
    "min_runs": 5,
}


def artifact(model: TinyModel) -> Artifact:
    return Artifact(
        name="tiny",
        runtime=model.runtime,
        precision="fp32",
        files=(model.path,),
        inputs=(),
        outputs=(),
    )


def unreadable(runtime: str, file: Path) -> TinyModel:
    return TinyModel(
        runtime=runtime, path=file, reference=lambda x: x, input_shape=(4,)
    )


@pytest.fixture
def device() -> BrowserDevice:
    return BrowserDevice(Store())


def running() -> str:
    """The command lines of all processes; a browser's has its page's address."""
    done = subprocess.run(["ps", "-eo", "args"], capture_output=True, check=True)
    return done.stdout.decode(errors="replace")


def test_a_page_infers_what_this_machine_does(
    device: BrowserDevice, tmp_path: Path
) -> None:
    one = artifact(write_onnx(tmp_path / "m.onnx"))
    given = tmp_path / "given.npz"
    inputs = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.savez(given, x=inputs)
    found = {}
    for where in (device, LocalDevice()):
        outputs = tmp_path / f"{where.name.replace(':', '-')}.npz"
        job = jobs.infer(one, inputs=given, outputs=outputs)
        result = where.run(job, timeout_s=60)
        assert (result["samples"], result["outputs_order"]) == (5, ["y"])
        assert result["outputs"] == str(outputs)
        with np.load(outputs) as made:
            found[where.name] = made["output_0"]
    assert found["local"].shape == (5, 8)
    np.testing.assert_allclose(found["browser:chromium"], found["local"], atol=1e-6)


def test_a_launch_is_timed_by_a_clock_whose_steps_are_in_the_record(
    device: BrowserDevice, tmp_path: Path
) -> None:
    one = artifact(write_tflite(tmp_path / "m.tflite"))
    result = device.run(jobs.bench(one, threads=1, **SHORT), timeout_s=60)
    assert result["complete"] and min(result["samples_ns"]) > 0
    assert 1e3 <= result["timer_ns"] <= 2e4  # an isolated page
    # A lone ReLU takes less than one step.
    assert result["runs_per_sample"] > 1
    assert result["machine"]["arch"] == ARCH and "Chromium" in result["machine"]["os"]
    assert result["runtime_version"] == "2.5.3 (LiteRT.js)"
    assert result["peak_memory_mb"] is None and result["load_ms"] > 0
    assert summarize([result]).timer_us == result["timer_ns"] / 1e3


def test_operators_take_turns_and_one_that_fails_leaves_the_others(
    device: BrowserDevice, tmp_path: Path
) -> None:
    models = [write_onnx(tmp_path / f"{rows}.onnx", rows).path for rows in (8, 200_000)]
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    settings: Any = {"rounds": 2, "sessions": 1, "min_round_ms": 1.0}
    job = jobs.microbenchmark("onnxruntime", [*models, broken], threads=1, **settings)
    small, large, bad = device.run(job, timeout_s=60)["results"]
    assert small["path"] == str(models[0]) and len(small["rounds_us"]) == 2
    assert small["us"] == min(small["rounds_us"]) > 0
    assert large["us"] > 2 * small["us"]
    assert bad["us"] is None and str(broken) in bad["error"]


def test_operators_in_int8_are_timed_and_whole_files_of_it_refused_as_in_applications(
    device: BrowserDevice, tmp_path: Path
) -> None:
    one = artifact(write_requantizing_tflite(tmp_path / "m.tflite"))
    settings: Any = {"rounds": 2, "sessions": 1, "min_round_ms": 1.0}
    job = jobs.microbenchmark("litert", one.files, threads=1, **settings)
    [row] = device.run(job, timeout_s=60)["results"]
    assert row["error"] is None and row["us"] > 0
    with pytest.raises(ArtifactError, match="Element type INT8 is not supported"):
        device.run(jobs.verify(one), timeout_s=60)


def test_what_cannot_be_done_is_named(device: BrowserDevice, tmp_path: Path) -> None:
    file = tmp_path / "m.onnx"
    file.write_bytes(b"no model")
    broken = artifact(unreadable("onnxruntime", file))
    with pytest.raises(ArtifactError, match=r"m\.onnx is refused by the runtime"):
        device.run(jobs.verify(broken), timeout_s=60)
    other = artifact(unreadable("openvino", file))
    with pytest.raises(DeviceError, match=r"has no openvino\. It has: litert, onnx"):
        device.run(jobs.verify(other), timeout_s=60)
    set_up = replace(broken, runtime_options=RuntimeOptions(options={"xnnpack": False}))
    with pytest.raises(DeviceError, match="has no option 'xnnpack'"):
        device.run(jobs.bench(set_up, threads=1, **SHORT), timeout_s=60)
    assert device.run(jobs.energy(broken, threads=1), timeout_s=60)["meter"] is None
    with pytest.raises(DeviceError, match="a page has no profiler"):
        device.run(jobs.profile(broken, threads=1), timeout_s=60)


def test_a_probe_lists_what_pages_get(device: BrowserDevice) -> None:
    found = device.probe()
    assert {name for name, one in found["runtimes"].items() if one["version"]} == {
        "litert",
        "onnxruntime",
    }
    assert found["machine"]["emulated"] is not True
    assert device.fingerprint().startswith("Chromium ")


def test_a_page_that_never_ends_is_ended_with_its_browser() -> None:
    site = Site(folders={}, texts={"p.html": b"<script>for (;;);</script>"})
    with pytest.raises(DeviceFrozen, match="not done within 2 s"):
        chromium.visit(site, "p.html", timeout_s=2)
    assert site.secret not in running()


def test_without_a_browser_the_fix_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeMissing, match="apt-get install chromium"):
        chromium.visit(Site(folders={}, texts={}), "p.html", timeout_s=2)


def test_outputs_of_several_are_in_the_files_own_order(
    device: BrowserDevice, tmp_path: Path
) -> None:
    """A page names them as the file's signature does, whose order is another one."""
    file = tmp_path / "two.tflite"
    write_two_outputs(file)
    one = artifact(unreadable("litert", file))
    given, made = tmp_path / "given.npz", tmp_path / "made.npz"
    np.savez(given, x=np.float32([[-1, 2, -3, 4]]), y=np.float32([[-9, 8, -7, 6]]))
    result = device.run(jobs.infer(one, inputs=given, outputs=made), timeout_s=60)
    assert result["outputs_order"] == ["relu", "absolute"]
    with np.load(made) as found:
        assert found["output_0"].tolist() == [[0, 2, 0, 4]]
        assert found["output_1"].tolist() == [[9, 8, 7, 6]]


def write_two_outputs(path: Path) -> None:
    """ReLU of the first input and the absolute values of the second, named by a signature."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    graph, model = schema.SubGraphT(), schema.ModelT()
    kinds = (schema.BuiltinOperator.RELU, schema.BuiltinOperator.ABS)
    graph.tensors, graph.operators, model.operatorCodes = [], [], []
    for name in ("x", "y", "relu", "absolute"):
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.buffer = f"{name}:0", [1, 4], 0
        tensor.type = schema.TensorType.FLOAT32
        graph.tensors.append(tensor)
    for number, kind in enumerate(kinds):
        code, step = schema.OperatorCodeT(), schema.OperatorT()
        code.builtinCode = code.deprecatedBuiltinCode = kind
        code.version = 1
        step.opcodeIndex, step.inputs, step.outputs = number, [number], [number + 2]
        model.operatorCodes.append(code)
        graph.operators.append(step)
    graph.inputs, graph.outputs = [0, 1], [2, 3]
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs = [mapped(schema, "y", 1), mapped(schema, "x", 0)]
    signature.outputs = [mapped(schema, "absolute", 3), mapped(schema, "relu", 2)]
    model.version, model.subgraphs, model.buffers = 3, [graph], [schema.BufferT()]
    model.signatureDefs = [signature]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))


def mapped(schema: Any, name: str, index: int) -> Any:
    one = schema.TensorMapT()
    one.name, one.tensorIndex = name, index
    return one
