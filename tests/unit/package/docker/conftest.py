"""A bundle to make images of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.package.bundle import _entry
from edgekit.package.opened import Bundle, open_bundle

ARTIFACTS = (
    ("litert-fp32", "litert", "fp32", "a.tflite"),
    ("litert-int8", "litert", "int8", "b.tflite"),
    ("onnxruntime-fp32", "onnxruntime", "fp32", "a.onnx"),
)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    folder = tmp_path / "bundle"
    (folder / "candidates").mkdir(parents=True)
    candidates = []
    for name, runtime, precision, file in ARTIFACTS:
        (folder / "candidates" / file).write_bytes(name.encode())
        artifact = {
            "name": name,
            "runtime": runtime,
            "precision": precision,
            "files": [f"candidates/{file}"],
            "inputs": [{"layout": "NHWC" if file == "a.tflite" else None}],
        }
        candidates.append({"artifact": artifact})
    report = {
        "candidates": candidates,
        "target": {"image": "linux/arm64", "threads": 2},
    }
    (folder / "report.json").write_text(json.dumps(report))
    listed = [
        folder / "report.json",
        *(folder / "candidates" / file for *_, file in ARTIFACTS),
    ]
    manifest: dict[str, Any] = {
        "project": "My model",
        "target": "raspberrypi4",
        "created": "2026-01-02T03:04:05+00:00",
        "source_sha256": "0",
        "versions": {"edgekit": "1"},
        "model": {"artifact": "litert-int8", "runtime": "litert", "precision": "int8"},
        "contract": {"preprocessing": {"scale": 16.0}, "labels": ["a"]},
        "files": [_entry(folder, file) for file in listed],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    return open_bundle(folder)
