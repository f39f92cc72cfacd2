"""The contract of an artifact, inside its file: its inputs and the reading of its outputs.

ONNX keeps it in `metadata_props`, OpenVINO in `rt_info`, TFLite in a metadata buffer of our own,
beside the `TFLITE_METADATA` that TFLite's tools read. Runtimes load the file as before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from edgekit import bundle_files, scratch
from edgekit.bundle_files import validated
from edgekit.errors import ArtifactError
from edgekit.runtimes import registry
from edgekit.safe_io import check_regular, parse_json, reading

KEY = "edgekit_contract"
_PART = "metadata"
"""Of a runtime's folder: it writes a contract into a file, and reads its text."""
Contract = Mapping[str, Any]
"""JSON: `edgekit`, `source_sha256`, `precision`, `inputs`, `outputs`, `preprocessing`,
`labels`; `folded` has the steps of the file itself, `preprocessing` those of the
application."""


def embed(path: Path, contract: Contract) -> None:
    """Write `contract` into the artifact at `path`, in place of one that is there.

    A format whose runtime's folder has no `metadata` keeps none.
    """
    runtime = registry.of_file(path)
    if runtime is None or not runtime.has(_PART):
        return
    text = json.dumps(contract, sort_keys=True, allow_nan=False, ensure_ascii=False)
    with scratch.replacing(path) as whole:
        runtime.part(_PART).embed(path, whole, contract, text)


def read(path: Path) -> dict[str, Any] | None:
    """The contract in a file; `None` where it holds none. Raises `ArtifactError`."""
    runtime = registry.of_file(path)
    if runtime is None or not runtime.has(_PART):
        return None
    check_regular(path, ArtifactError)
    with reading(path, ArtifactError):
        text = runtime.part(_PART).extract(path)
        if text is None:
            return None
        found: dict[str, Any] = parse_json(text)
        validated(bundle_files.Contract, text)
        return found
