"""A Core ML package as one file: the same bytes every time, recognized by its head."""

from __future__ import annotations

import json
import uuid
import zipfile
from pathlib import Path

from edgekit.runtimes import registry
from edgekit.runtimes.coreml import archive


def package(folder: Path) -> Path:
    """A folder as coremltools writes one, with identifiers that are drawn."""
    ids = [str(uuid.uuid4()).upper() for _ in range(2)]
    entries = {
        ids[0]: {"path": "com.apple.CoreML/model.mlmodel", "name": "model.mlmodel"},
        ids[1]: {"path": "com.apple.CoreML/weights", "name": "weights"},
    }
    manifest = {
        "fileFormatVersion": "1.0.0",
        "itemInfoEntries": entries,
        "rootModelIdentifier": ids[0],
    }
    files = {
        archive.MANIFEST: json.dumps(manifest),
        archive.MODEL: "a model",
        "Data/com.apple.CoreML/weights/weight.bin": "weights",
    }
    for name, text in files.items():
        place = folder / "drawn.mlpackage" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)
    return folder / "drawn.mlpackage"


def test_two_packages_of_one_model_are_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "net-fp16.mlpackage.zip"
    contents = []
    for name in ("one", "other"):
        archive.pack(package(tmp_path / name), path)
        contents.append(path.read_bytes())
    assert contents[0] == contents[1]
    with zipfile.ZipFile(path) as found:
        assert found.namelist()[0] == "net-fp16.mlpackage/Manifest.json"
    files = archive.read(path)
    manifest = json.loads(files[archive.MANIFEST])
    assert manifest["rootModelIdentifier"] in manifest["itemInfoEntries"]
    assert len(manifest["itemInfoEntries"]) == 2 and files[archive.MODEL] == b"a model"


def test_it_is_known_by_its_content(tmp_path: Path) -> None:
    path = tmp_path / "renamed.zip"
    archive.pack(package(tmp_path / "one"), path)
    found = registry.recognized(path)
    assert found is not None and found.name == "coreml"
    with zipfile.ZipFile(path, "w") as other:
        other.writestr("notes/Manifest.json", "{}")
    assert registry.recognized(path) is None
