"""Images of a bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.config.resources import shipped
from edgekit.package.bundle import _entry
from edgekit.package.docker import docker, image
from edgekit.package.docker.image import FAMILIES
from tests.unit.package.docker.test_image import ARTIFACTS


@pytest.fixture
def bundle(tmp_path: Path) -> image.Bundle:
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
    return image.open_bundle(folder)


def test_all_is_every_runtime_that_runs_a_file(bundle: image.Bundle) -> None:
    order = docker.Order(bundle=bundle.folder, platforms=(docker.EVERY,), tag="me/x:1")
    expected = docker.chosen(order, bundle)
    tags = [docker.tag_of(order, bundle, *one) for one in expected]
    assert tags == [
        "me/x:1-onnxruntime-amd64",
        "me/x:1-litert-amd64",
        "me/x:1-litert-arm64",
        "me/x:1-onnxruntime-arm64",
        "me/x:1-tflite-runtime-armv7",
    ]


def test_the_contexts_dockerfile_has_the_bundles_labels(bundle: image.Bundle) -> None:
    text = docker._dockerfile(bundle, FAMILIES["linux/arm64"], "litert")
    assert 'ARG TITLE="My model"\n' in text and 'ARG RUNTIME="litert"\n' in text
    assert docker._quoted('a "b" $c\n\\') == '"a b c "'


@pytest.mark.parametrize("family", FAMILIES.values(), ids=lambda family: family.name)
def test_dockerfiles_run_nothing_and_name_their_base_once(family: image.Family) -> None:
    text = (shipped("docker") / f"{family.name}.Dockerfile").read_text()
    steps = [line.split()[0] for line in text.splitlines() if line[:1].isupper()]
    assert "RUN" not in steps
    assert steps.count("FROM") == 1 and "FROM ${BASE}" in text
    assert {"HEALTHCHECK", "USER", "LABEL", "ENTRYPOINT"} <= set(steps)
