"""The same network gives the same bytes, in every format, in other processes."""

from __future__ import annotations

import hashlib
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from tests.runtime.export.conftest import sampled


def hashes(folder: Path) -> dict[str, str]:
    """SHA-256 of each file of a small network, exported into `folder`."""
    from edgekit.export.workers import export_all
    from edgekit.runtimes.contract import embed
    from tests.runtime.runtimes.test_contract import CONTRACT

    program, samples = sampled("perceptron")
    expected = [
        (runtime, precision)
        for runtime in ("onnxruntime", "openvino", "litert")
        for precision in ("fp32", "int8")
    ]
    made = export_all(
        program, expected, calibration=samples, folder=folder, labels=("cat", "dog")
    )
    for artifact in made:
        embed(artifact.files[0], CONTRACT)
    program.save(folder / "student.pt2")
    files = sorted(file for file in folder.iterdir() if file.is_file())
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    # Each process has hashes of its own, so that an order taken from a set would show.
    found = []
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            found.append(pool.submit(hashes, tmp_path / name).result())
    first, second = found
    assert {"litert-int8.tflite", "onnxruntime-int8.onnx", "openvino-int8.bin"} <= set(
        first
    )
    assert first == second
