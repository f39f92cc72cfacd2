"""Packages for iOS: read by a real parser of Swift. Nothing here compiles or runs them."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from edgekit.package import fixtures
from edgekit.package.ios import swift
from edgekit.runtimes.coreml import archive
from edgekit.store import Store
from edgekit.types import Artifact, Precision
from tests.packages import package_app
from tests.runtime.package.ios.conftest import Faults
from tests.runtime.package.relu import tiny, tiny_bundle


def test_the_parser_sees_what_is_no_swift(faults: Faults) -> None:
    assert not faults("struct A { let b: Int }\n")
    assert faults("struct A { let b: }\n") and faults("func f( {\n")


def test_a_package_has_the_model_its_card_and_its_bill(
    tmp_path: Path, faults: Faults
) -> None:
    bundle = tiny_bundle(tmp_path, name="Session")
    given = {"out": tmp_path / "out", "license": "MIT"}
    out = package_app("ios", bundle, Store(tmp_path / "store"), given)
    for absent in ("Boxes.swift", "CoreMLSession.swift"):
        assert not (out / "Sources/SessionModel" / absent).exists()
    for file in (*out.rglob("*.swift"), *swift.ASSETS.rglob("*.swift")):
        assert not faults(file.read_text("utf-8")), file
    model = (out / "Sources/SessionModel/Resources/model.tflite").read_bytes()
    code = (out / "Sources/SessionModel/SessionModel.swift").read_text("utf-8")
    assert hashlib.sha256(model).hexdigest() in code
    manifest = (out / "Package.swift").read_text()
    assert 'branch: "release/2.3.0"' in manifest and ".iOS(.v15)" in manifest
    card = (out / "README.md").read_text()
    assert card.startswith("# Session\n\n**Never compiled, never run.**")
    assert "MIT" in (out / "LICENSE").read_text()
    parts = json.loads((out / "sbom.cdx.json").read_text())["components"]
    assert {one["name"] for one in parts} == {
        "model.tflite",
        "https://github.com/google-ai-edge/LiteRT",
    }
    found = np.fromfile(out / "Tests/SessionModelTests/Fixtures/output_0.f32", "<f4")
    assert found.size == 4 * fixtures.SAMPLES and (found >= 0).all()


def test_a_model_of_core_ml_goes_beside_and_is_labeled(
    tmp_path: Path, faults: Faults
) -> None:
    made = [converted(tmp_path, precision) for precision in ("fp32", "fp16")]
    bundle = tiny_bundle(tmp_path, converted=made)
    given = {"out": tmp_path / "out", "license": "MIT"}
    out = package_app("ios", bundle, Store(tmp_path / "store"), given)
    for file in out.rglob("*.swift"):
        assert not faults(file.read_text("utf-8")), file
    [source] = out.glob("Sources/*")
    model = source / "Resources/model.mlpackage" / archive.MODEL
    assert model.read_bytes() == b"fp16"
    code = (source / f"{source.name}.swift").read_text("utf-8")
    digest = hashlib.sha256(b"fp16").hexdigest()
    assert f'"{archive.MODEL}": "{digest}"' in code
    assert 'inputs: [Tensor(name: "x", shape: [1, 4], type: "float32")]' in code
    assert "init(coreML units: MLComputeUnits) throws" in code
    assert (source / "CoreMLSession.swift").is_file()
    [tests] = out.rglob("*Tests.swift")
    assert "func testCoreMLGivesNearlyTheSame()" in tests.read_text("utf-8")
    card = " ".join((out / "README.md").read_text("utf-8").split())
    assert "coreml-fp16 of the bundle" in card
    assert "It was converted and not run" in card
    parts = json.loads((out / "sbom.cdx.json").read_text())["components"]
    assert f"model.mlpackage/{archive.MODEL}" in {one["name"] for one in parts}


def converted(folder: Path, precision: Precision) -> Artifact:
    """A package that nothing here reads."""
    file = folder / f"{precision}.mlpackage.zip"
    content = [("Manifest.json", b"{}"), (archive.MODEL, precision.encode())]
    archive.write(file, f"{precision}.mlpackage", content)
    return replace(
        tiny(folder),
        name=f"coreml-{precision}",
        runtime="coreml",
        precision=precision,
        files=(file,),
    )
