"""The history of measurements."""

from __future__ import annotations

import json
import resource
from pathlib import Path

import pytest

from edgekit.bench import history
from edgekit.errors import OutputError, UsageError
from edgekit.types import (
    Artifact,
)
from tests.unit.bench.test_gate import measurement


def test_a_record_is_written_and_read_back(tmp_path: Path) -> None:
    model = tmp_path / "model.onnx"
    model.write_bytes(b"1234")
    artifact = Artifact(
        name="m",
        runtime="onnxruntime",
        precision=None,
        files=(model,),
        inputs=(),
        outputs=(),
    )
    made = history.document(artifact, measurement(), tier="quick", slow_operators=2)
    history.write(tmp_path / "one.json", made)
    found = history.read(tmp_path / "one.json")
    assert found.measurement == measurement()
    assert (found.size_bytes, found.slow_operators, found.tier) == (4, 2, "quick")
    assert found.there
    model.write_bytes(b"12345")
    assert not found.there
    for tier in ("quick", "report"):
        history.append(tmp_path / "history.jsonl", {**made, "tier": tier})
    assert history.read(tmp_path / "history.jsonl").tier == "report"
    assert len((tmp_path / "history.jsonl").read_text().splitlines()) == 2


def test_what_is_not_a_record_is_named(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    with pytest.raises(UsageError, match="Cannot read"):
        history.read(file)
    file.write_text(json.dumps({"schema": 2}))
    with pytest.raises(
        UsageError, match=r"not a measurement.*edgekit bench ARTIFACT --out"
    ):
        history.read(file)
    file.write_text(json.dumps({"schema": 9}))
    with pytest.raises(UsageError, match=r"schema 9; .* supports 2. Measure it again"):
        history.read(file)


def test_a_report_of_another_schema_is_refused_with_the_remedy(tmp_path: Path) -> None:
    file = tmp_path / "report.json"
    file.write_text(json.dumps({"schema_version": 3, "candidates": []}))
    with pytest.raises(UsageError, match=r"schema 3; .* supports 5. Build it again"):
        history.read(file)


def test_a_history_line_that_was_changed_or_torn_is_named(tmp_path: Path) -> None:
    artifact = Artifact(
        name="one",
        runtime="litert",
        precision="fp32",
        files=(tmp_path / "one.tflite",),
        inputs=(),
        outputs=(),
    )
    artifact.files[0].write_bytes(b"model")
    file = tmp_path / "history.jsonl"
    made = history.document(artifact, measurement(), tier="quick")
    history.append(file, made)
    text = file.read_text()
    file.write_text(text.replace('"tier": "quick"', '"tier": "report"'))
    with pytest.raises(UsageError, match=r"history\.jsonl is damaged"):
        history.read(file)
    file.write_text(text[: len(text) // 2])
    with pytest.raises(UsageError, match=r"history\.jsonl"):
        history.read(file)
    history.append(file, made)  # a line of its own after a torn one
    assert history.read(file).tier == "quick"


def test_a_history_on_a_full_disk_keeps_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "history.jsonl"
    file.write_text("{}\n")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(OutputError, match=r"history\.jsonl"):
            history.append(file, {"long": "x" * 200})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert file.read_text() == "{}\n"
