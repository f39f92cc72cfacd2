"""A model file from anywhere as an artifact to measure."""

from __future__ import annotations

import json
from pathlib import Path

from edgekit.bundle_files import MANIFEST, read_manifest, validated
from edgekit.devices import jobs
from edgekit.devices.local import LocalDevice
from edgekit.errors import ArtifactError, DeviceError, RuntimeMissing, UsageError
from edgekit.runtimes import registry
from edgekit.safe_io import reading
from edgekit.suggestions import suggest_path
from edgekit.types import Artifact, RuntimeOptions

_OPEN_S = 120.0


def artifact_at(path: Path, runtime: str | None = None) -> Artifact:
    """The artifact at `path`, for the runtime that its content is for unless `runtime` is named.

    Raises `UsageError` where there is no such file or runtime, where nothing here runs it, or a
    file is missing beside it.
    """
    if not path.is_file():
        raise UsageError(
            f"No file {path}.{suggest_path(path)} Name {registry.described()}."
        )
    own = registry.of_file(path)
    found = own if runtime is None else registry.get(runtime)
    if found is None:
        raise UsageError(
            f"{path} is not {registry.described()}. Name its runtime with --runtime."
        )
    registry.refuse_converted(found.name)
    form = own or found
    files = [path, *(path.with_suffix(suffix) for suffix in form.suffixes[1:])]
    for companion in files[1:]:
        if not companion.is_file():
            raise UsageError(
                f"{path} has no {companion.name} beside it, which holds its weights."
            )
    if form.has("references"):
        form.part("references").check(path)
    return Artifact(
        name=path.name,
        runtime=found.name,
        precision=None,
        files=tuple(files),
        inputs=(),
        outputs=(),
        runtime_options=_runtime_options(path),
    )


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


def _runtime_options(path: Path) -> RuntimeOptions:
    """Those that a build found best for the model it chose, where `path` is it."""
    if not (path.parent / MANIFEST).is_file():
        return RuntimeOptions()
    _, manifest = read_manifest(path.parent)
    if path.name not in manifest.model.files:
        return RuntimeOptions()
    with reading(path.parent / MANIFEST, UsageError, fix="Build it again."):
        return validated(
            RuntimeOptions, json.dumps(dict(manifest.model.runtime_options))
        )
