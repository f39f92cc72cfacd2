"""A module's folder: what is in it beside the sources, quick to make of a tiny file."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import UsageError
from edgekit.store import Store
from tests.packages import package_app
from tests.runtime.package.relu import tiny_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    """ReLU of four numbers, with labels."""
    return tiny_bundle(tmp_path, name="Session")


def package(bundle: Path, **options: Any) -> Path:
    given = {"out": bundle.parent / "out", **options}
    return package_app("android", bundle, Store(bundle.parent / "store"), given)


def test_a_module_has_the_model_its_build_and_its_bill(bundle: Path) -> None:
    out = package(bundle, license="MIT", namespace="com.example.net")
    model = (out / "src/main/assets/com_example_net/model.tflite").read_bytes()
    code = (out / "src/main/kotlin/com/example/net/SessionModel.kt").read_text()
    assert code.startswith("// Generated") and "\npackage com.example.net\n" in code
    assert f'SHA256 = "{hashlib.sha256(model).hexdigest()}"' in code
    build = (out / "build.gradle.kts").read_text()
    for line in (
        'namespace = "com.example.net"',
        'api("com.google.ai.edge.litert:litert:2.3.0")',
        "minSdk = 23",
        'noCompress += "tflite"',
    ):
        assert line in build
    assert "MIT" in (out / "LICENSE").read_text()
    bill = json.loads((out / "sbom.cdx.json").read_text())
    parts = {part["name"]: part for part in bill["components"]}
    litert = parts["com.google.ai.edge.litert:litert"]
    assert litert["purl"] == "pkg:maven/com.google.ai.edge.litert/litert@2.3.0"
    assert "hashes" not in litert
    assert parts["model.tflite"]["hashes"][0]["content"] in code
    assert json.loads((out / "contract.json").read_text())["labels"] == list("abcd")


def test_the_card_says_what_was_not_done(bundle: Path) -> None:
    card = (package(bundle) / "README.md").read_text()
    assert card.startswith("# Session\n\n**Not built by Gradle, not run on Android.**")
    for words in ("SessionModel.load(context.assets)", "16 KB pages", "AI pack"):
        assert words in card
    assert "{" not in card.replace("{ ", "")


def test_the_same_bundle_gives_the_same_module_over_an_older_one(bundle: Path) -> None:
    def content(out: Path) -> dict[Path, bytes]:
        return {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}

    before = content(package(bundle))
    (bundle.parent / "out/build").mkdir()
    (bundle.parent / "out/build/x").touch()
    assert content(package(bundle)) == before


@pytest.mark.parametrize("name", ["net", "Com.x", "com.9", "com.in.x", "com..x"])
def test_a_namespace_is_a_package_of_kotlin(bundle: Path, name: str) -> None:
    with pytest.raises(UsageError, match="--namespace"):
        package(bundle, namespace=name)
    assert not (bundle.parent / "out").exists()
