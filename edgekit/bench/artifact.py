"""A model file from anywhere as an artefact to measure."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from edgekit.errors import UsageError
from edgekit.types import Artifact, RuntimeName, Settings

_RUNTIMES: dict[str, RuntimeName] = {
    ".tflite": "litert",
    ".onnx": "onnxruntime",
    ".xml": "openvino",
}


def artifact_at(path: Path, runtime: str | None = None) -> Artifact:
    """The artefact at `path`, for the runtime its suffix names unless `runtime` does."""
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
    return Artifact(
        name=path.name,
        runtime=found,
        precision=None,
        files=tuple(files),
        inputs=(),
        outputs=(),
        settings=_settings(path),
    )


def _settings(path: Path) -> Settings:
    """Those that a build found best for the model it chose, where `path` is it."""
    manifest = path.parent / "manifest.json"
    try:
        model = json.loads(manifest.read_text("utf-8"))["model"]
        if path.name in model["files"]:
            return Settings(**model["settings"])
    except (OSError, ValueError, KeyError, TypeError):
        return Settings()
    return Settings()
