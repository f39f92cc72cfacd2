"""A model file from anywhere as an artifact to measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from edgekit.bundle_files import MANIFEST, inside, read_manifest, validated
from edgekit.devices import jobs
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError, DeviceError, RuntimeMissing, UsageError
from edgekit.safe_io import read_bytes, reading
from edgekit.types import Artifact, RuntimeName, RuntimeOptions

_OPEN_S = 120.0
_RUNTIMES: dict[str, RuntimeName] = {
    ".tflite": "litert",
    ".onnx": "onnxruntime",
    ".xml": "openvino",
}


def artifact_at(path: Path, runtime: str | None = None) -> Artifact:
    """The artifact at `path`, for the runtime its suffix names unless `runtime` does."""
    if not path.is_file():
        raise UsageError(f"No file {path}. Name a .tflite, .onnx or .xml file.")
    known = get_args(RuntimeName)
    if runtime is not None and runtime not in known:
        raise UsageError(f"No runtime '{runtime}'. Known: {', '.join(known)}.")
    named = next((name for name in known if name == runtime), None)
    found = named or _RUNTIMES.get(path.suffix)
    if found is None:
        raise UsageError(
            f"{path} is not a .tflite, .onnx or .xml file. Name its runtime with --runtime."
        )
    files = [path]
    if path.suffix == ".xml":
        weights = path.with_suffix(".bin")
        if not weights.is_file():
            raise UsageError(
                f"{path} has no {weights.name} beside it, which holds its weights."
            )
        files.append(weights)
    if path.suffix == ".onnx":
        _check_external(path)
    return Artifact(
        name=path.name,
        runtime=found,
        precision=None,
        files=tuple(files),
        inputs=(),
        outputs=(),
        settings=_settings(path),
    )


def _check_external(path: Path) -> None:
    """Raise where an ONNX file takes weights from outside of its folder, or through a link."""
    if b"location" not in read_bytes(path, ArtifactError):
        return
    import onnx
    from onnx.external_data_helper import _get_all_tensors, uses_external_data

    with reading(path, ArtifactError, kind="an ONNX model"):
        model = onnx.load(str(path), load_external_data=False)
        for tensor in _get_all_tensors(model):
            if uses_external_data(tensor):
                places = [e.value for e in tensor.external_data if e.key == "location"]
                for place in places:
                    inside(path.parent, place)


def opened(artifact: Artifact) -> None:
    """Load the artifact on its runtime and run it once, in a process of its own.

    Raises `ArtifactError` where the runtime refuses the file, fails on it, crashes or takes more
    than two minutes; `RuntimeMissing` without the runtime.
    """
    try:
        LocalDevice().run(jobs.verify(artifact), timeout_s=_OPEN_S)
    except RuntimeMissing:
        raise
    except DeviceError as error:
        raise ArtifactError(f"Cannot open {artifact.files[0]}: {error}") from error


def _settings(path: Path) -> RuntimeOptions:
    """Those that a build found best for the model it chose, where `path` is it."""
    if not (path.parent / MANIFEST).is_file():
        return RuntimeOptions()
    _, manifest = read_manifest(path.parent)
    if path.name not in manifest.model.files:
        return RuntimeOptions()
    with reading(path.parent / MANIFEST, UsageError, fix="Build it again."):
        return validated(RuntimeOptions, json.dumps(dict(manifest.model.settings)))
