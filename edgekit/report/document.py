"""`report.json`: every field of a `Report`, the verdict first, each figure with how it was got.

The schema is `schema.json` beside this file. A field that is added leaves `schema_version` as it
is; one that is removed or changes its meaning raises it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from edgekit.errors import MeasurementError, UsageError
from edgekit.report import words
from edgekit.types import REPORT_SCHEMA, Measurement, Report

FIRST = ("schema_version", "verdict", "statement", "headline", "verdicts", "chosen")
_ADAPTER = TypeAdapter(Report)


def to_json(report: Report) -> dict[str, Any]:
    """The report as JSON values. Raises `MeasurementError` where a figure is not a number."""
    _check_finite(report)
    document: dict[str, Any] = _ADAPTER.dump_python(report, mode="json")
    chosen = report.chosen
    document |= {
        "verdict": report.verdict,
        "statement": words.statement(report),
        "chosen": chosen.artifact.name if chosen else None,
    }
    for row, baseline in zip(document["baselines"], report.baselines, strict=True):
        row["how"] = _measured(baseline)
    for row, candidate in zip(document["candidates"], report.candidates, strict=True):
        row["how"] = _measured(candidate.measurement) | {
            "accuracy": words.evaluated(candidate),
            "speedup": words.compared(candidate),
        }
    for row in document["converted"]:
        row["how"] = {"run": words.CONVERTED}
    for name in ("teacher", "student"):
        samples = document[name]["evaluation"]["samples"]
        document[name]["how"] = {
            "accuracy": f"PyTorch network on {samples} evaluation samples",
            "macs": "counted on the exported graph, batch 1",
        }
    return {name: document[name] for name in FIRST} | document


def to_text(report: Report) -> str:
    """The report as JSON text."""
    return json.dumps(to_json(report), indent=2, allow_nan=False) + "\n"


def from_json(document: dict[str, Any]) -> Report:
    """The report that `to_json` wrote; artifacts have file names without a folder.

    Raises `UsageError` for a report of another schema.
    """
    given = document.get("schema_version")
    if given != REPORT_SCHEMA:
        raise UsageError(
            f"The report has schema {json.dumps(given)[:40]}; this EdgeKit supports "
            f"{REPORT_SCHEMA}. Build it again."
        )
    return _ADAPTER.validate_python(document)


def schema() -> dict[str, Any]:
    """JSON Schema of `report.json`, made from `types.Report`."""
    made = _ADAPTER.json_schema(mode="serialization")
    text = {"type": "string"}
    made["title"] = "EdgeKit report.json"
    made["properties"] |= {
        "schema_version": {"const": REPORT_SCHEMA},
        "verdict": {"enum": ["fits", "over", "unproven"]},
        "statement": text,
        "chosen": {"anyOf": [text, {"type": "null"}]},
    }
    made["required"] = list(made["properties"])
    how = {"type": "object", "additionalProperties": text}
    for name in ("Measurement", "Candidate", "ConvertedArtifact", "NetworkSummary"):
        made["$defs"][name]["properties"]["how"] = how
    return made


def _measured(measurement: Measurement) -> dict[str, str]:
    return {
        "latency": words.timed(measurement),
        "size": "size of the artifact's files",
        "memory": words.memory(measurement),
        "energy": words.energy(measurement),
    }


def _check_finite(report: Report) -> None:
    for path, value in _floats(_ADAPTER.dump_python(report), "report"):
        if not math.isfinite(value):
            raise MeasurementError(
                f"{path} is {value}, which is not a figure. A missing figure is None."
            )


def _floats(value: Any, path: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, float):
        yield path, value
    elif isinstance(value, dict):
        for name, inner in value.items():
            yield from _floats(inner, f"{path}.{name}")
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _floats(inner, f"{path}[{number}]")


if __name__ == "__main__":
    Path(__file__).with_name("schema.json").write_text(
        json.dumps(schema(), indent=2) + "\n", encoding="utf-8"
    )
