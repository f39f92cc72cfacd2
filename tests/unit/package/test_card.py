"""The model card and the license of a package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from edgekit.package import card
from edgekit.package.opened import Bundle
from edgekit.runtimes import browser, npm


def bundle(**candidate: Any) -> Bundle:
    artifact = {"name": "a-int8", "precision": "int8"}
    return Bundle(
        folder=Path("x"),
        manifest={
            "project": "my\nnet",
            "target": "host",
            "created": "2026-01-02",
            "source_sha256": "0123456789abcdef",
            "versions": {"edgekit": "1.2"},
            "contract": {},
        },
        report={"candidates": [{"artifact": artifact, **candidate}]},
    )


def test_a_figure_has_its_source() -> None:
    measured = {
        "runtime": "r",
        "runtime_version": "2",
        "device": "local",
        "provenance": "host",
        "latency": {"p50_ms": 0.5},
    }
    evaluation = {"metric": "accuracy", "value": 0.98765, "samples": 60}
    one = bundle(measurement=measured, evaluation=evaluation)
    text = card.readme(one, {"name": "a-int8"}, "USE")
    assert text.startswith("# my net\n\nUSE")
    assert "| latency, p50 | 0.5 ms by r 2 on local (provenance: host) |" in text
    assert "| accuracy | 0.9877 |" in text and "0123456789ab," in text


def test_what_was_not_measured_has_no_row() -> None:
    text = card.readme(bundle(), {"name": "a-int8"}, "")
    assert "latency" not in text and "accuracy" not in text


def test_a_license_names_those_of_the_packages() -> None:
    runtime = browser.known()["onnxruntime"]
    text = card.license_text("MIT", npm.locked(runtime.folder))
    assert "its labels: MIT\n" in text
    assert f"onnxruntime-web {runtime.version}: MIT\n" in text
