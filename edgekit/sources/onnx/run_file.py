"""A script of its own: runs an ONNX file on ONNX Runtime, for a folder of inputs.

Takes the file and a folder with `jobs.json`: for each run the inputs by name and the outputs that
are wanted. Arrays are `.npy` files beside it. Imports nothing of EdgeKit, and so no torch.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np


def main(file: str, folder: str) -> None:
    """Run a file on ONNX Runtime and write its outputs into `folder`."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    options.graph_optimization_level = (
        onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    )
    session = onnxruntime.InferenceSession(
        file, options, providers=["CPUExecutionProvider"]
    )
    taken = {each.name for each in session.get_inputs()}
    place = Path(folder)
    for number, job in enumerate(json.loads((place / "jobs.json").read_text())):
        feeds = {
            name: np.load(place / array)
            for name, array in job["inputs"].items()
            if name in taken
        }
        for n, value in enumerate(session.run(job["outputs"], feeds)):
            np.save(place / f"result-{number}-{n}.npy", np.asarray(value))


if __name__ == "__main__":
    try:
        main(*sys.argv[1:])
    except Exception as error:  # noqa: BLE001 (the runtime's own words are the result)
        sys.exit(" ".join(str(error).split())[:400])
