"""The folder of a package for web pages."""

from __future__ import annotations

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from edgekit.errors import OutputError, UsageError
from edgekit.package.web.packaging import npm_name
from tests.packages import write_bundle
from tests.unit.package.web.conftest import Package, artifact

HOSTILE = 'a"]); alert(1); //*/ </script> `${x}`\u2028\n'


def exported(file: Path) -> Any:
    """The JSON that a generated module exports."""
    text = file.read_text("utf-8")
    return json.loads(text[text.index("= ") + 2 :].rstrip().rstrip(";"))


def test_a_package_has_the_model_its_contract_and_its_bill(
    tmp_path: Path, package: Package
) -> None:
    bundle = write_bundle(
        tmp_path / "b", [artifact(tmp_path)], labels=list("abcdefghij")
    )
    out = package(bundle, license="MIT", release="2.0.1")
    described = json.loads((out / "package.json").read_text())
    assert (described["name"], described["version"]) == ("digits-co", "2.0.1")
    assert described["license"] == "MIT" and "MIT" in (out / "LICENSE").read_text()
    assert described["dependencies"] == {"@litertjs/core": "2.5.3"}
    model = (out / "model.tflite").read_bytes()
    assert model == b"litert-int8"
    digest = hashlib.sha256(model).digest()
    facts = exported(out / "contract.js")
    assert facts["model"]["integrity"] == f"sha256-{base64.b64encode(digest).decode()}"
    bill = json.loads((out / "sbom.cdx.json").read_text())
    parts = {part["name"]: part for part in bill["components"]}
    assert parts["model.tflite"]["hashes"][0]["content"] == digest.hex()
    assert parts["@litertjs/core"]["purl"] == "pkg:npm/%40litertjs/core@2.5.3"
    assert parts["@litertjs/core"]["hashes"][0]["alg"] == "SHA-512"
    assert bill["metadata"]["component"]["type"] == "library"
    assert not (out / "text.js").exists()
    assert (out / "README.md").read_text().startswith("# Digits & co\n")


def test_the_same_bundle_gives_the_same_package_and_takes_the_place_of_an_older_one(
    tmp_path: Path, package: Package
) -> None:
    bundle = write_bundle(tmp_path / "b", [artifact(tmp_path)])
    out = package(bundle)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    (out / "node_modules/x").mkdir(parents=True)
    (out / "node_modules/x/y").touch()
    package(bundle)
    assert before == {
        path: path.read_bytes() for path in out.rglob("*") if path.is_file()
    }


def test_a_folder_with_other_files_is_left_alone(
    tmp_path: Path, package: Package
) -> None:
    bundle = write_bundle(tmp_path / "b", [artifact(tmp_path)])
    mine = tmp_path / "out/mine.txt"
    mine.parent.mkdir()
    mine.write_text("mine")
    with pytest.raises(OutputError, match=r"mine\.txt is not of such a package"):
        package(bundle)
    assert list((tmp_path / "out").iterdir()) == [mine]
    with pytest.raises(OutputError, match="is a file"):
        package(bundle, out=mine)
    assert mine.read_text() == "mine"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"release": "1"}, "--release '1' is not a version"),
        ({"license": "MIT\nx"}, "--license"),
        ({"artifact": "x"}, "no artifact 'x'"),
    ],
)
def test_bad_options_leave_nothing(
    tmp_path: Path, package: Package, options: dict[str, str], words: str
) -> None:
    bundle = write_bundle(tmp_path / "b", [artifact(tmp_path)])
    with pytest.raises(UsageError, match=words):
        package(bundle, **options)
    assert not (tmp_path / "out").exists()


def test_a_changed_bundle_is_refused(tmp_path: Path, package: Package) -> None:
    bundle = write_bundle(tmp_path / "b", [artifact(tmp_path)])
    (bundle / "candidates/litert-int8.tflite").write_bytes(b"other")
    with pytest.raises(UsageError, match="differs from the manifest"):
        package(bundle)


def test_names_of_a_bundle_stay_text(tmp_path: Path, package: Package) -> None:
    bundle = write_bundle(
        tmp_path / "b", [artifact(tmp_path)], name=HOSTILE, labels=[HOSTILE, "b"]
    )
    out = package(bundle)
    facts = exported(out / "contract.js")
    assert (facts["name"], facts["labels"][0]) == (HOSTILE, HOSTILE)
    types = (out / "index.d.ts").read_text("utf-8")
    assert f'export type Label = {json.dumps(HOSTILE)} | "b";' in types
    assert HOSTILE not in (out / "index.js").read_text("utf-8")
    assert len((out / "README.md").read_text("utf-8").splitlines()[0]) < 60


@pytest.mark.parametrize(
    ("project", "name"),
    [("Digits", "digits"), ("my net!", "my-net"), ("数字", "model"), ("..a", "a")],
)
def test_projects_are_named_as_npm_takes_names(project: str, name: str) -> None:
    assert npm_name(project) == name
