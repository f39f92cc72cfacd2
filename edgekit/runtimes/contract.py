"""What an artifact says of itself, inside its file: how to feed it and read its answers.

ONNX keeps it in `metadata_props`, OpenVINO in `rt_info`, TFLite in a metadata buffer of our own,
beside the `TFLITE_METADATA` that TFLite's tools read. Runtimes load the file as before.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from edgekit import bundle_files
from edgekit.bundle_files import validated
from edgekit.errors import ArtifactError
from edgekit.runtimes.litert import metadata as tflite_metadata
from edgekit.safe_io import check_regular, parse_json, reading

KEY = "edgekit_contract"
Contract = Mapping[str, Any]
"""JSON: `edgekit`, `source_sha256`, `precision`, `inputs`, `outputs`, `preprocessing`, `labels`;
`folded` is what the file does itself, `preprocessing` what is left to the application."""


def embed(path: Path, contract: Contract) -> None:
    """Write `contract` into the artifact at `path`, in place of one that is there."""
    text = json.dumps(contract, sort_keys=True, allow_nan=False, ensure_ascii=False)
    partial = path.with_name(f".{path.name}.partial")
    try:
        {".onnx": _into_onnx, ".tflite": _into_tflite, ".xml": _into_openvino}[
            path.suffix
        ](path, partial, contract, text)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read(path: Path) -> dict[str, Any] | None:
    """The contract in a file; `None` where it holds none. Raises `ArtifactError`."""
    readers = {".onnx": _of_onnx, ".tflite": _of_tflite, ".xml": _of_openvino}
    if path.suffix not in readers:
        return None
    check_regular(path, ArtifactError)
    with reading(path, ArtifactError):
        text = readers[path.suffix](path)
        if text is None:
            return None
        found: dict[str, Any] = parse_json(text)
        validated(bundle_files.Contract, text)
        return found


def _into_onnx(path: Path, out: Path, contract: Contract, text: str) -> None:
    import onnx

    model = onnx.load(str(path))
    kept = [one for one in model.metadata_props if one.key != KEY]
    given = [(one.key, one.value) for one in kept]
    del model.metadata_props[:]
    for key, value in [*given, (KEY, text)]:
        model.metadata_props.add(key=key, value=value)
    onnx.save_model(model, str(out))


def _of_onnx(path: Path) -> str | None:
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    return next((str(o.value) for o in model.metadata_props if o.key == KEY), None)


def _into_openvino(path: Path, out: Path, contract: Contract, text: str) -> None:
    """Into the IR's own XML: saving through OpenVINO would write the weights once more."""
    tree = ElementTree.parse(path)
    about = tree.getroot()
    for name in ("rt_info", "model_info", KEY):
        inner = about.find(name)
        about = ElementTree.SubElement(about, name) if inner is None else inner
    about.set("value", text)
    tree.write(out, encoding="utf-8", xml_declaration=True)


def _of_openvino(path: Path) -> str | None:
    found = ElementTree.parse(path).getroot().find(f"rt_info/model_info/{KEY}")
    return None if found is None else found.get("value")


def _into_tflite(path: Path, out: Path, contract: Contract, text: str) -> None:
    content = path.read_bytes()
    described = tflite_metadata.describe(contract)
    entries = {tflite_metadata.NAME: described, KEY: text.encode()}
    out.write_bytes(tflite_metadata.with_entries(content, entries))
    tflite_metadata.append_labels(out, contract.get("labels") or ())


def _of_tflite(path: Path) -> str | None:
    content = path.read_bytes()
    if content[4:8] != b"TFL3":
        raise ValueError("it is no TFLite model")
    found = tflite_metadata.entry(content, KEY)
    return None if found is None else found.decode()
