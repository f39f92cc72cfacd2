"""A SavedModel as a `Program`: through ONNX, and checked against TensorFlow itself."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from edgekit import child, scratch
from edgekit.errors import ModelError, RuntimeMissing
from edgekit.program import parity
from edgekit.program.program import Program
from edgekit.safe_io import read_arrays, read_json
from edgekit.sources.onnx.loading import load as load_onnx
from edgekit.types import InputSpec

PYTHON = "EDGEKIT_TENSORFLOW_PYTHON"
_SCRIPT = Path(__file__).with_name("tensorflow_child.py")
_SECONDS = 600
_REFUSED = 3
"""Exit code of the script for a SavedModel that it does not take."""


def load(
    folder: Path,
    *,
    signature: str = "",
    inputs: Sequence[InputSpec] = (),
    outputs: Sequence[str] = (),
    fixed: Mapping[str, Any] | None = None,
) -> Program:
    """The trainable program of a signature: `serving_default`, or the only one, where none is
    named.

    Images go in and come out with their channels first. `inputs`, `outputs` and `fixed` are as
    for an ONNX file. Raises `RuntimeMissing` without TensorFlow and tf2onnx, and `ModelError` for
    what they or the reader of ONNX files refuse, and for other outputs than TensorFlow's.
    """
    with scratch.folder() as place:
        _start(folder, "convert", str(folder.resolve()), signature, str(place))
        described = read_json(place / "described.json", ModelError)
        program = load_onnx(
            place / "model.onnx", inputs=inputs, outputs=outputs, fixed=fixed
        )
        remarks = [_converted(described), *program.remarks]
        if not outputs and not fixed:
            reference = _TensorFlow(folder=folder, place=place, described=described)
            held = max(1, described["held"])
            found = parity.check(program, reference, source=str(folder), held=held)
            remarks.append(found.line())
    return replace(program, remarks=tuple(remarks))


def _converted(described: Mapping[str, Any]) -> str:
    versions = " and ".join(f"{n} {v}" for n, v in described["versions"].items())
    kept, there = described["onnx_batch_norms"], described["batch_norms"]
    others = ", ".join(described["others"])
    left = f"; other signatures are left out: {others}" if others else ""
    return (
        f"Converted by {versions} from the signature '{described['signature']}'{left}. "
        f"{described['operators']} operators became {described['onnx_operators']} of ONNX; "
        f"{kept} of {there} batch norms are kept, {max(0, there - kept)} folded."
    )


@dataclass(frozen=True, kw_only=True)
class _TensorFlow:
    """The signature run by TensorFlow: a `parity.Reference`."""

    folder: Path
    place: Path
    described: Mapping[str, Any]
    against: str = "TensorFlow"

    def run(self, given: Sequence[parity.Inputs], ends: Sequence[bool]) -> parity.Ran:
        """Outputs and the ends that it has, channels first."""
        size = self.described["held"]
        pieces = [
            tuple(each[start : start + (size or len(each))] for each in row)
            for row in given
            for start in range(0, len(row[0]), size or len(row[0]))
        ]
        ran = iter(self._ran(pieces))
        count = len(self.described["outputs"])
        places = [*range(count), *(count + n for n, end in enumerate(ends) if end)]
        rows = []
        for row in given:
            parts = [next(ran) for _ in range(0, len(row[0]), size or len(row[0]))]
            rows.append([self._joined(parts, place) for place in places])
        return parity.Ran(rows=rows, whole=not size)

    def _ran(self, pieces: Sequence[parity.Inputs]) -> Iterator[dict[str, np.ndarray]]:
        for number, piece in enumerate(pieces):
            given = {
                str(n): _last(tensor.numpy(), spec["first"])
                for n, (tensor, spec) in enumerate(
                    zip(piece, self.described["inputs"], strict=True)
                )
            }
            np.savez(self.place / f"inputs-{number}.npz", **given)  # type: ignore[arg-type]
        job = {**self.described, "runs": len(pieces)}
        (self.place / "described.json").write_text(json.dumps(job))
        _start(self.folder, "run", str(self.place))
        for number in range(len(pieces)):
            yield read_arrays(self.place / f"outputs-{number}.npz", ModelError)

    def _joined(
        self, parts: Sequence[Mapping[str, np.ndarray]], place: int
    ) -> np.ndarray | None:
        arrays = [part.get(str(place)) for part in parts]
        known = [each for each in arrays if each is not None]
        if len(known) < len(arrays):
            return None
        outputs = self.described["outputs"]
        whole = np.concatenate(known)
        first = outputs[place % len(outputs)]["first"]
        return np.moveaxis(whole, -1, 1) if first and whole.ndim > 2 else whole

    def inner(self, given: parity.Inputs) -> Iterator[parity.Inner]:
        """Nothing: the reader of ONNX files has compared the tensors inside."""
        return iter(())


def _last(array: np.ndarray, first: bool) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(array, 1, -1)) if first else array


def _start(folder: Path, *words: str) -> None:
    command, environment = _python()
    try:
        done = subprocess.run(
            [*command, str(_SCRIPT), *words],
            env={
                **environment,
                "TF_CPP_MIN_LOG_LEVEL": "3",
                "CUDA_VISIBLE_DEVICES": "",
            },
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ModelError(f"TensorFlow takes over {_SECONDS} s for {folder}.") from error
    except OSError as error:
        raise RuntimeMissing(
            f"{PYTHON}={command[0]} cannot be started ({error.strerror}). Name a Python with "
            "TensorFlow and tf2onnx."
        ) from error
    if done.returncode:
        raise _failed(folder, done, command[0])


def _failed(
    folder: Path, done: subprocess.CompletedProcess[str], python: str
) -> ModelError | RuntimeMissing:
    lines = done.stderr.strip().splitlines()
    said = lines[-1].rstrip(".")[:300] if lines else f"exit code {done.returncode}"
    if said.startswith("ModuleNotFoundError"):
        return RuntimeMissing(
            f"{python} has no TensorFlow and tf2onnx ({said}). "
            f"Run: {python} -m pip install tensorflow tf2onnx"
        )
    if done.returncode == _REFUSED:
        return ModelError(f"Cannot take the SavedModel {folder}: {said}.")
    return ModelError(
        f"TensorFlow or tf2onnx cannot convert {folder} ({said}). Save it again with a signature "
        "of plain tensors: model.export(FOLDER)."
    )


def _python() -> tuple[list[str], dict[str, str]]:
    """The Python that has TensorFlow, and its environment."""
    named = os.environ.get(PYTHON)
    if named:
        return [named], child.foreign_environment()
    if any(importlib.util.find_spec(n) is None for n in ("tensorflow", "tf2onnx")):
        raise RuntimeMissing(
            "A SavedModel is converted by TensorFlow and tf2onnx, which are not installed. Run: "
            f"pip install 'edgekit[tensorflow]', or set {PYTHON} to a Python that has them."
        )
    return child.python(), child.environment()
