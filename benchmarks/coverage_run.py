"""Run an exported file on its runtime, without torch; the last line is the relative error."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.agent import session
from edgekit.agent.runtimes import find, open_model, settings

Arrays = list[np.ndarray[Any, Any]]


def run(runtime: str, file: str, folder: str) -> float:
    found, _ = find(runtime)
    model = open_model(found, file, 1, settings(found, {}))
    arrays = _arrays(Path(folder) / "inputs.npz")
    # LiteRT files take token numbers as int32.
    typed = [a.astype(i.dtype) for a, i in zip(arrays, model.inputs, strict=True)]
    got = session.run(model, typed)
    expected = _arrays(Path(folder) / "expected.npz")
    return max(
        float(np.abs(g.reshape(e.shape) - e).max() / np.abs(e).max())
        for g, e in zip(got, expected, strict=True)
    )


def _arrays(path: Path) -> Arrays:
    with np.load(path) as arrays:
        return [arrays[name] for name in arrays.files]


if __name__ == "__main__":
    print(json.dumps({"error": None, "relative_error": run(*sys.argv[1:])}))
