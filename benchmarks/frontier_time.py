"""Exports of the networks of `benchmarks/latency_frontier.py`, and their timing in one run.

Speed depends on shapes: each distinct cut is exported once, from its first seed. All cuts of a
runtime are loaded in one process and take turns, round by round; launches of the runtimes
alternate. A cut's latency in a launch is the least of its rounds' medians.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks import cifar
from benchmarks.frontier_edgekit import COUNTED, device_for, key_for
from edgekit.agent.schema import SCHEMA
from edgekit.cost.measure import run_networks
from edgekit.devices.local import LocalDevice
from edgekit.program.program import Program, load
from edgekit.runtimes.litert import exporter as tflite
from edgekit.runtimes.litert.quantizer import Quantizer
from edgekit.runtimes.onnxruntime import exporter as onnx
from edgekit.runtimes.openvino import exporter as openvino

ROOT = Path(__file__).parents[1]
FORMATS = ("onnx", "tflite")
RUNTIMES: Mapping[str, tuple[str, str]] = {
    "litert-fp32": ("litert", ".tflite"),
    "litert-int8": ("litert", "-int8.tflite"),
    "onnxruntime-fp32": ("onnxruntime", ".onnx"),
    "openvino-fp32": ("openvino", ".xml"),
}
LAUNCHES = 5
ROUNDS = 9
MIN_ROUND_MS = 6.0


def export_all(networks: Sequence[Path], folder: Path, calibration: Path) -> None:
    """Every network in every format, each format's libraries in a process of their own."""
    folder.mkdir(parents=True, exist_ok=True)
    workers = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "benchmarks.frontier_time", kind),
                *(str(folder), str(calibration), *map(str, networks)),
            ],
            cwd=ROOT,
            stdout=subprocess.DEVNULL,
        )
        for kind in FORMATS
    ]
    failed = [worker.args for worker in workers if worker.wait()]
    if failed:
        raise SystemExit(f"An export failed: {failed[0]}")


def time_all(
    names: Sequence[str], folder: Path, launches: int = LAUNCHES
) -> dict[str, dict[str, list[float]]]:
    """Runtime -> network's name -> microseconds, one a launch."""
    device = LocalDevice()
    found: dict[str, dict[str, list[float]]] = {
        target: {name: [] for name in names} for target in RUNTIMES
    }
    for turn in range(launches):
        order = names if turn % 2 == 0 else names[::-1]
        for target, (runtime, suffix) in RUNTIMES.items():
            job = {
                "schema": SCHEMA,
                "kind": "microbenchmark",
                "runtime": runtime,
                "threads": 1,
                "models": [str(folder / f"{name}{suffix}") for name in order],
                "rounds": ROUNDS,
                "min_round_ms": MIN_ROUND_MS,
                "seed": turn,
            }
            rows = device.run(job, timeout_s=900)["results"]
            for name, row in zip(order, rows, strict=True):
                if row["us"] is None:
                    raise SystemExit(f"{name} on {target}: {row['error']}")
                found[target][name].append(float(row["us"]))
            print(f"launch {turn + 1}/{launches}: {target}", flush=True)
    return found


def count_all(names: Sequence[str], folder: Path) -> dict[str, dict[str, list[float]]]:
    """Instructions of the LiteRT files on the emulated core; counts repeat, so once is enough."""
    device = device_for(COUNTED)
    cells = run_networks(
        [[folder / f"{name}.tflite"] for name in names],
        key=key_for(COUNTED, device),
        device=device,
        counted=True,
    )
    return {COUNTED: {n: [cell.cost] for n, cell in zip(names, cells, strict=True)}}


def accuracy_in_int8(
    network: Path, folder: Path, calibration: Path, images: cifar.Images
) -> float:
    """Accuracy of a network's LiteRT int8 file, which is written where it is not there."""
    from ai_edge_litert.interpreter import Interpreter

    folder.mkdir(parents=True, exist_ok=True)
    _export("tflite", network, folder, calibration)
    interpreter = Interpreter(str(folder / f"{network.stem}-int8.tflite"))
    interpreter.allocate_tensors()
    given = interpreter.get_input_details()[0]["index"]
    taken = interpreter.get_output_details()[0]["index"]
    right = 0
    for pixels, label in zip(images.pixels.numpy(), images.labels, strict=True):
        interpreter.set_tensor(given, pixels[None])
        interpreter.invoke()
        right += int(interpreter.get_tensor(taken).argmax() == int(label))
    return right / len(images.labels)


def median_us(launches: Sequence[float]) -> float:
    return statistics.median(launches)


def _export(kind: str, network: Path, folder: Path, calibration: Path) -> None:
    program, stem = load(network), folder / network.stem
    if kind == "onnx":
        path = stem.with_name(f"{network.stem}.onnx")
        if not path.with_suffix(".xml").is_file():
            onnx.convert(program, path)
            openvino.convert_file(path, path.with_suffix(".xml"))
        return
    whole = stem.with_name(f"{network.stem}.tflite")
    small = stem.with_name(f"{network.stem}-int8.tflite")
    if not small.is_file():
        tflite.convert(program, whole)
        inputs, _ = tflite.signature(whole)
        samples = [{inputs[0].name: one} for one in np.load(calibration)[:, None]]
        quantizer = Quantizer(whole, inputs, samples, folder)
        quantizer.quantize("int8", quantizer.first("int8"), small)


def save_whole(program: Program, path: Path) -> None:
    """The unpruned network, which all are compared with."""
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        program.save(path)


if __name__ == "__main__":
    torch.set_num_threads(1)
    chosen, place, samples, *paths = sys.argv[1:]
    for each in paths:
        _export(chosen, Path(each), Path(place), Path(samples))
        print(each, flush=True)
