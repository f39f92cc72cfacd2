"""A bundle from anywhere: nothing beyond its own files is read, and links are refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edgekit.bench import history
from edgekit.bundle_files import inside
from edgekit.diff.inputs import Question, subject
from edgekit.errors import UsageError
from edgekit.package.opened import open_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    (folder / "model.tflite").write_bytes(b"model")
    report = {
        "created": "2026-01-02T03:04:05+00:00",
        "target": {"image": "linux/arm64", "threads": 2},
        "candidates": [
            {
                "artifact": {
                    "name": "litert-fp32",
                    "runtime": "litert",
                    "precision": "fp32",
                    "files": ["model.tflite"],
                    "inputs": [],
                },
                "chosen": True,
            }
        ],
    }
    (folder / "report.json").write_text(json.dumps(report))
    manifest = {
        "schema_version": 3,
        "project": "p",
        "target": "t",
        "created": "2026-01-02T03:04:05+00:00",
        "source_sha256": "0",
        "versions": {},
        "model": {
            "artifact": "litert-fp32",
            "runtime": "litert",
            "precision": "fp32",
            "files": ["model.tflite"],
        },
        "contract": {"preprocessing": None},
        "files": [],
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    vouch(folder)
    open_bundle(folder)
    return folder


def vouch(folder: Path, *more: dict[str, Any]) -> None:
    """The manifest as an attacker leaves it: every hash is right."""
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"] = [*more]
    for file in sorted(folder.iterdir()):
        if file.name != "manifest.json" and file.is_file():
            content = file.read_bytes()
            manifest["files"].append(
                {
                    "path": file.name,
                    "sha256": hashlib.sha256(content).hexdigest(),
                    "size_bytes": len(content),
                }
            )
    (folder / "manifest.json").write_text(json.dumps(manifest))


def change(folder: Path, name: str, edit: Callable[[Any], None]) -> None:
    document = json.loads((folder / name).read_text())
    edit(document)
    (folder / name).write_text(json.dumps(document))


@pytest.mark.parametrize("how", ["absolute", "dots", "link", "folder-link", "absent"])
def test_no_file_of_the_packager_gets_into_an_image(
    bundle: Path, tmp_path: Path, how: str
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    name = {
        "absolute": str(secret),
        "dots": "../secret",
        "link": "link.bin",
        "folder-link": "away/secret",
        "absent": "nothing.bin",
    }[how]
    if how == "link":
        (bundle / "link.bin").symlink_to(secret)
    if how == "folder-link":
        (bundle / "away").symlink_to(tmp_path)
    change(
        bundle,
        "report.json",
        lambda r: r["candidates"][0]["artifact"]["files"].append(name),
    )
    listed = {
        "path": name,
        "sha256": hashlib.sha256(b"secret").hexdigest(),
        "size_bytes": 6,
    }
    for more in ([], [listed]):
        vouch(bundle, *more)
        with pytest.raises(UsageError) as refused:
            open_bundle(bundle)
        assert "\n" not in str(refused.value)
        with pytest.raises(UsageError):
            history.read(bundle / "report.json")


def test_diff_reads_only_what_the_manifest_vouches_for(bundle: Path) -> None:
    (bundle / "model.tflite").write_bytes(b"other")
    with pytest.raises(UsageError, match=r"model\.tflite differs"):
        subject(Question(artifact=bundle))
    change(
        bundle, "manifest.json", lambda m: m["model"].update(files=["/etc/hostname"])
    )
    with pytest.raises(UsageError, match="not inside"):
        subject(Question(artifact=bundle))


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", "[" * 9000, '{"files": NaN}'])
@pytest.mark.parametrize("name", ["manifest.json", "report.json"])
def test_damaged_json_is_one_line(bundle: Path, name: str, text: str) -> None:
    (bundle / name).write_text(text)
    if name == "report.json":
        vouch(bundle)
    with pytest.raises(UsageError) as refused:
        open_bundle(bundle)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("text", ["yesterday", "/etc/passwd", "0001-01-01"])
def test_a_date_that_is_none(bundle: Path, text: str) -> None:
    change(bundle, "manifest.json", lambda m: m.update(created=text))
    with pytest.raises(UsageError, match=r"manifest\.json"):
        open_bundle(bundle)


@pytest.mark.parametrize(
    "name", ["", ".", "/x", "../x", "a/../../x", "a\\x", "a\nb", "x" * 5000]
)
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError):
        inside(tmp_path, name)
