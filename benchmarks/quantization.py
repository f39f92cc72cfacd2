"""Loss of quantization in the task's metric and its gain in time, by runtime and precision.

    python -m benchmarks.quantization [--only NETWORK]

Networks: every example that has trained weights, a ResNet-20 for CIFAR-10 (where its weights and
images are at hand) and a small ConvNeXt trained here on the digits. Each is exported for every
runtime in fp32, fp16, static int8 and dynamic int8 (weights alone for OpenVINO), int8 in the
configurations that EdgeKit makes compete, and beside them by each library's own default recipe on
the same calibration samples. The metric is of test samples, on the runtime; the search for a
configuration sees validation samples alone. All files of a runtime take turns in one process;
launches of it are repeated. Ratios are medians over launches of the ratio to fp32. Rows already in
`benchmarks/results/quantization.json` are kept.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.priority import first
from benchmarks.quantization_networks import EXAMPLES, Missing, project_folder
from benchmarks.quantization_show import show, summarize
from benchmarks.results import Row, Table
from edgekit import sources
from edgekit.agent.arrays import arranged
from edgekit.agent.schema import SCHEMA
from edgekit.config import project, targets
from edgekit.config.project import Project
from edgekit.data.metrics import named
from edgekit.devices.local import LocalDevice
from edgekit.errors import EdgeKitError
from edgekit.evaluate.run import infer
from edgekit.export.workers import Variant, offered
from edgekit.pipeline import variants
from edgekit.pipeline.environment import Environment
from edgekit.pipeline.request import BuildRequest
from edgekit.pipeline.runners import ExportRunner
from edgekit.pipeline.samples import BuildData, read_samples
from edgekit.program.program import Program
from edgekit.progress import Silent
from edgekit.report.export_words import quantized as quantized_words
from edgekit.store import Store
from edgekit.types import Artifact, Precision, RuntimeName

ROOT = Path(__file__).parents[1]
RUNTIMES: tuple[RuntimeName, ...] = ("litert", "onnxruntime", "openvino")
PRECISIONS: tuple[Precision, ...] = (
    *("fp32", "fp16", "int8", "int8-dynamic"),
    "int8-weights",
)
PACKAGES = (
    *("torch", "onnxruntime", "openvino", "nncf"),
    *("ai-edge-litert", "ai-edge-quantizer"),
)
TESTED = 1000
LAUNCHES = 3
ROUNDS = 9
ROUND_MS = 6.0


def main() -> None:
    arguments = _arguments()
    table = Table("quantization", ("network", "runtime", "file"), PACKAGES)
    names = (*EXAMPLES, "resnet20", "convnext")
    for name in [arguments.only] if arguments.only else names:
        done = {row["runtime"] for row in table.rows.values() if row["network"] == name}
        left = [runtime for runtime in RUNTIMES if runtime not in done]
        if left:
            try:
                for row in _network(name, left, arguments):
                    table.add(row, summarize)
            except (Missing, EdgeKitError) as error:
                print(f"{name} is left out: {error}", flush=True)
    show(list(table.rows.values()))


def _network(
    name: str, runtimes: Sequence[RuntimeName], arguments: argparse.Namespace
) -> Iterator[Row]:
    """The rows of one network, all of a runtime's after they were timed together."""
    with tempfile.TemporaryDirectory(prefix="edgekit-quantization-") as place:
        scratch = Path(place)
        root = project_folder(name, scratch, arguments.weights, arguments.images)
        one = project.load(root)
        network = sources.load(one.model, root=root)
        samples = read_samples(one, network, {}, Silent())
        print(f"{name}: {network.inputs[0].shape}", flush=True)
        for runtime in runtimes:
            made = _exported(one, network, samples, runtime, scratch)
            yield from _rows(one, name, made, samples)


def _exported(
    one: Project,
    network: Program,
    samples: BuildData,
    runtime: RuntimeName,
    scratch: Path,
) -> list[Artifact]:
    """EdgeKit's files, and the one by the library's own default recipe."""
    expected: list[Variant] = [
        (runtime, precision) for precision in PRECISIONS if offered(runtime, precision)
    ]
    device = LocalDevice(provenance="device")
    env = Environment(device=device, store=Store(scratch / "store"), progress=Silent())
    host = replace(targets.load("host"), precisions=("fp32", "int8"))
    target, asked = env.observed(host), one.recipe.export.precisions
    competing = variants.requested(network, [runtime], target, asked)
    expected += [each for each in competing if each not in expected]
    exporter = ExportRunner.of(BuildRequest(project=one, target=host), env)
    made = exporter.export(
        network,
        expected,
        scratch / runtime,
        title="Export",
        calibration=samples.calibration,
        labels=samples.labels,
        validation=variants.validation(one, samples, network.reads),
    )
    fp32 = next(each for each in made if each.precision == "fp32")
    fed = arranged(samples.calibration[0], fp32.inputs[0].layout)
    np.save(scratch / "calibration.npy", fed)
    default = scratch / runtime / f"default{fp32.files[0].suffix}"
    command = [sys.executable, "-m", "benchmarks.quantization_defaults", runtime]
    done = subprocess.run(
        [*command, *map(str, (fp32.files[0], scratch / "calibration.npy", default))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if not default.is_file():
        print(f"{runtime}'s default recipe failed: {done.stderr[-300:]}", flush=True)
        return made
    try:
        return [*made, _default(fp32, default)]
    except (RuntimeError, ValueError) as error:
        print(
            f"{runtime} refuses its library's default: {str(error)[:200]}", flush=True
        )
        return made


def _default(fp32: Artifact, path: Path) -> Artifact:
    """The library's own file; its ends may be quantized, which only its runtime reports."""
    from edgekit.runtimes import registry

    inputs, outputs = registry.get(fp32.runtime).exporter.signature(path)
    order = fp32.inputs[0].layout
    inputs = tuple(replace(spec, layout=order) for spec in inputs)
    files = (path, path.with_suffix(".bin")) if path.suffix == ".xml" else (path,)
    return replace(
        fp32,
        name=f"{fp32.runtime}-default",
        precision="int8",
        files=files,
        inputs=inputs,
        outputs=outputs,
    )


def _rows(
    one: Project, name: str, artifacts: Sequence[Artifact], samples: BuildData
) -> Iterator[Row]:
    chosen = np.unique(
        np.linspace(0, len(samples.test) - 1, min(TESTED, len(samples.test))).astype(
            np.int64
        )
    )
    inputs, targets = samples.test.arrays(chosen)
    score = named(one.task, one.root)
    found, device = {}, LocalDevice(provenance="device")
    for artifact in artifacts:
        outputs = infer(artifact, inputs, device)
        found[artifact.name] = score(outputs, targets)
    times = _timed(artifacts, device)
    base = f"{artifacts[0].runtime}-fp32"
    for artifact in artifacts:
        file = artifact.name.removeprefix(f"{artifact.runtime}-")
        mine, reference = found[artifact.name], found[base]
        pairs = zip(times[artifact.name], times[base], strict=True)
        ratios = [quick / slow for quick, slow in pairs]
        quantized = artifact.quantized
        yield {
            "network": name,
            "runtime": artifact.runtime,
            "file": file,
            "metric": mine.metric,
            "value": mine.value,
            "lost": reference.drop(mine, relative=not reference.is_fraction),
            "samples": mine.samples,
            "us": statistics.median(times[artifact.name]),
            "over_fp32": statistics.median(ratios),
            "ratios": ratios,
            "size_mb": artifact.size_mb,
            "validation_lost": quantized.accuracy_drop if quantized else None,
            "why": quantized_words(quantized) if quantized else "",
        }


def _timed(
    artifacts: Sequence[Artifact], device: LocalDevice
) -> Mapping[str, list[float]]:
    """Microseconds of each file, one a launch."""
    found: dict[str, list[float]] = {each.name: [] for each in artifacts}
    for turn in range(LAUNCHES):
        order = artifacts if turn % 2 == 0 else artifacts[::-1]
        job = {
            "schema": SCHEMA,
            "kind": "microbenchmark",
            "runtime": artifacts[0].runtime,
            "threads": 1,
            "models": [str(each.files[0]) for each in order],
            "rounds": ROUNDS,
            "min_round_ms": ROUND_MS,
            "seed": turn,
        }
        with first():
            rows: list[Any] = device.run(job, timeout_s=900)["results"]
        for artifact, row in zip(order, rows, strict=True):
            if row["us"] is None:
                raise SystemExit(f"{artifact.name}: {row['error']}")
            found[artifact.name].append(float(row["us"]))
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    shared = ROOT.parent / "shared"
    parser.add_argument("--only", metavar="NETWORK")
    parser.add_argument("--images", type=Path, default=shared / "data/cifar10-jpeg.zip")
    parser.add_argument(
        "--weights",
        type=Path,
        default=shared / "models/resnet20-cifar10-jpeg.safetensors",
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
