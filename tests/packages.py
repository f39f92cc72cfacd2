"""A bundle of given files, as a build leaves it, to make packages of."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from edgekit.package import PackageRequest, kinds
from edgekit.package.bundle import _entry
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import Artifact

PREPROCESS = {
    "scale": 16.0,
    "mean": [0.3],
    "std": [0.4],
    "color": None,
    "resize": "bilinear",
}
FORMULA = {"formula": "(value / scale - mean) / std, by channel"}


def write_bundle(
    folder: Path,
    artifacts: Sequence[Artifact],
    *,
    preprocess: Sequence[Mapping[str, Any]] = (PREPROCESS,),
    name: str = "Digits & co",
    files: Mapping[str, str] | None = None,
    converted: Sequence[Artifact] = (),
    **contract: Any,
) -> Path:
    """`folder` with the files of `artifacts`, of which the first is the chosen one."""
    (folder / "candidates").mkdir(parents=True)
    candidates = [_candidate(folder, artifact) for artifact in artifacts]
    report = {
        "candidates": candidates,
        "converted": [_candidate(folder, artifact) for artifact in converted],
        "target": {"image": "linux/arm64", "threads": 1, "cpu": "cortex-a72"},
    }
    (folder / "report.json").write_text(json.dumps(report))
    for path, text in (files or {}).items():
        (folder / path).write_text(text)
    first = candidates[0]["artifact"]
    steps = [{**FORMULA, **how} for how in preprocess]
    inputs = [
        {**tensor, "preprocessing": how}
        for tensor, how in zip(first["inputs"], steps, strict=True)  # type: ignore[call-overload]
    ]
    manifest = {
        "schema_version": 3,
        "project": name,
        "target": "host",
        "created": "2026-01-02T03:04:05+00:00",
        "source_sha256": "0" * 64,
        "versions": {"edgekit": "1"},
        "model": {
            "artifact": artifacts[0].name,
            "runtime": artifacts[0].runtime,
            "precision": artifacts[0].precision,
        },
        "contract": {
            "inputs": inputs,
            "outputs": list(first["outputs"]),  # type: ignore[index]
            "reads": [],
            "preprocessing": steps[0] if len(steps) == 1 else None,
            "labels": None,
            "task": "classification",
            "folded": None,
            "text": None,
            **contract,
        },
        "files": [
            _entry(folder, file) for file in sorted(folder.rglob("*")) if file.is_file()
        ],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return folder


def _candidate(folder: Path, artifact: Artifact) -> dict[str, Any]:
    """A row of the report, its files in the bundle."""
    copies = []
    for file in artifact.files:
        place = f"candidates/{artifact.name}{''.join(file.suffixes)}"
        shutil.copyfile(file, folder / place)
        copies.append(place)
    described = {**asdict(artifact), "quantized": None, "files": copies}
    return {"artifact": described, "evaluation": None}


def package_app(
    name: str, bundle: Path, store: Store, given: Mapping[str, Any]
) -> Path:
    """The folder of a bundle's package of the kind `name`, with the options `given`."""
    kind = kinds()[name]
    options = {option.name: option.empty for option in kind.options}
    request = PackageRequest(
        bundle=bundle, options={**options, **given}, store=store, progress=Silent()
    )
    [one] = kind.package(request)
    return Path(one.facts["folder"])
