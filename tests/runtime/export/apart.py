"""Steps of the tests in a process of their own: export, and run the files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.types import Artifact, InputSpec, Precision, QuantConfig, RuntimeName


@dataclass(frozen=True, kw_only=True)
class Made:
    artifacts: dict[Precision, Artifact]
    outputs: dict[Precision, list[np.ndarray]]


def make(
    runtime: RuntimeName,
    folder: Path,
    inputs: tuple[InputSpec, ...],
    *samples: np.ndarray,
) -> Made:
    """Export `folder/student.pt2` in every precision, int8 where it has one input, and run it."""
    from edgekit.export.produce import ExportRequest
    from edgekit.export.worker import Job, work
    from edgekit.program import feeds
    from edgekit.runtimes import registry

    target = registry.get(runtime)
    precisions = target.precisions if len(samples) == 1 else ("fp32",)
    feeds.save(folder / "calibration.npz", samples)
    job = Job(
        runtime=runtime,
        source=folder / "student.pt2",
        inputs=inputs,
        fp32=folder / f"start{target.suffix}",
        requested=tuple(
            ExportRequest(
                name=precision,
                runtime=runtime,
                precision=precision,
                quant_config=sure(runtime, precision),
            )
            for precision in precisions
            if runs(runtime, precision)
        ),
        calibration=folder / "calibration.npz",
        validation=None,
        labels=("cat", "naïve dog"),
        name="net",
    )
    artifacts = {}
    for message in work(job):
        assert message.failure is None, message.failure
        if message.artifact is not None:
            artifacts[message.artifact.precision] = message.artifact
    return Made(
        artifacts=artifacts,
        outputs={p: run(artifact, samples) for p, artifact in artifacts.items()},
    )


def sure(runtime: RuntimeName, precision: Precision) -> QuantConfig | None:
    """A configuration that gives the same on every processor, where the format's own does not.

    ONNX Runtime and OpenVINO add two products in 16 bits where a processor has AVX2 without VNNI:
    weights of 8 bits overflow them, weights of 7 cannot.
    """
    if runtime in ("onnxruntime", "openvino") and precision == "int8":
        return QuantConfig(narrow_weights=True)
    return None


def runs(runtime: RuntimeName, precision: Precision) -> bool:
    """Return whether the runtime's library itself runs files of that precision here.

    OpenVINO refuses matrices of 8-bit weights where oneDNN alone is limited to a smaller
    instruction set than the processor's (`DNNL_MAX_CPU_ISA`).
    """
    if (runtime, precision) != ("openvino", "int8-weights"):
        return True
    import openvino
    from openvino import opset13 as ops

    x = ops.parameter([-1, 64], np.float32)
    weights = ops.convert(ops.constant(np.ones((256, 64), np.int8)), np.float32)
    scaled = ops.multiply(weights, ops.constant(np.full((256, 1), 0.1, np.float32)))
    model = openvino.Model([ops.matmul(x, scaled, False, True)], [x])
    hint = {"INFERENCE_PRECISION_HINT": "f32"}
    try:
        openvino.Core().compile_model(model, "CPU", hint)(np.ones((2, 64), np.float32))
    except RuntimeError:
        return False
    return True


def one(
    runtime: RuntimeName,
    folder: Path,
    source: Path,
    inputs: tuple[InputSpec, ...],
    options: dict[str, Any],
) -> Artifact:
    """`export` itself, of the program saved at `source`."""
    import torch

    from edgekit.export import export
    from edgekit.program.program import from_exported

    program = from_exported(torch.export.load(str(source)), inputs)
    return export(program, runtime=runtime, folder=folder, name="net", **options)


def run(artifact: Artifact, samples: tuple[np.ndarray, ...]) -> list[np.ndarray]:
    """Each output over all samples, from the runtime the artifact is for."""
    known = {
        "onnxruntime": _onnx,
        "openvino": _openvino,
        "executorch": _executorch,
        "ncnn": _ncnn,
    }
    runner = known.get(artifact.runtime, _litert)
    infer = runner(artifact)
    rows = [infer([x[i : i + 1] for x in samples]) for i in range(len(samples[0]))]
    return [np.concatenate(column) for column in zip(*rows, strict=True)]


def _executorch(artifact: Artifact) -> Any:
    import torch
    from executorch.runtime import Runtime

    method = Runtime.get().load_program(artifact.files[0]).load_method("forward")
    assert method is not None
    return lambda xs: [
        each.numpy().copy() for each in method.execute([torch.tensor(x) for x in xs])
    ]


def _ncnn(artifact: Artifact) -> Any:
    import ncnn

    net = ncnn.Net()
    for name in ("packed", "storage", "arithmetic"):
        setattr(net.opt, f"use_fp16_{name}", False)
    for reads, file in zip(
        (net.load_param, net.load_model), artifact.files, strict=True
    ):
        assert reads(str(file)) == 0

    def infer(feeds: list[np.ndarray]) -> list[np.ndarray]:
        extractor = net.create_extractor()
        for number, feed in enumerate(feeds):
            kind = np.float32 if feed.dtype.kind == "f" else np.int32
            # A matrix does not keep the array that it is made of.
            values = feed[0].astype(kind)
            extractor.input(f"in{number}", ncnn.Mat(values).clone())
        names = [f"out{number}" for number in range(len(artifact.outputs))]
        return [np.array(extractor.extract(name)[1])[None] for name in names]

    return infer


def _onnx(artifact: Artifact) -> Any:
    import onnxruntime

    session = onnxruntime.InferenceSession(
        str(artifact.files[0]), providers=["CPUExecutionProvider"]
    )
    names = [spec.name for spec in artifact.inputs]
    return lambda feeds: session.run(None, dict(zip(names, feeds, strict=True)))


def _openvino(artifact: Artifact) -> Any:
    import openvino

    compiled = openvino.compile_model(
        str(artifact.files[0]), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    return lambda feeds: [
        value.copy() for value in compiled(dict(enumerate(feeds))).values()
    ]


def _litert(artifact: Artifact) -> Any:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(artifact.files[0]))
    interpreter.allocate_tensors()

    def infer(feeds: list[np.ndarray]) -> list[np.ndarray]:
        details = interpreter.get_input_details()
        for detail, feed in zip(details, feeds, strict=True):
            interpreter.set_tensor(detail["index"], feed.astype(detail["dtype"]))
        interpreter.invoke()
        outputs = interpreter.get_output_details()
        return [interpreter.get_tensor(detail["index"]) for detail in outputs]

    return infer


def relative_error(got: np.ndarray, want: np.ndarray) -> float:
    return float(np.abs(got - want).max() / np.abs(want).max())


def cosine(got: np.ndarray, want: np.ndarray) -> float:
    """Of deviations from the mean output: a constant output does not count as likeness."""
    got, want = got - want.mean(0), want - want.mean(0)
    return float((got * want).sum() / np.linalg.norm(got) / np.linalg.norm(want))
