"""Installed and missing parts, each with its remedy."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest

from edgekit.commands import installation
from edgekit.errors import OutputError, RuntimeMissing
from edgekit.runtimes import registry
from edgekit.types import Finding


def by_name(findings: list[Finding]) -> dict[str, Finding]:
    return {one.name: one for one in findings}


def test_libraries_of_exporters_have_their_versions() -> None:
    found = by_name(installation._exporters())
    assert found["torch"].found == metadata.version("torch")
    for one in found.values():
        assert one.ok or one.fix.startswith("pip install 'edgekit[")


def test_the_agents_runtimes_and_meters_are_listed() -> None:
    found = by_name(installation._agent())
    assert found["onnxruntime"].ok and "processor" in found
    missing = found["tflite-runtime"]
    assert missing.ok or missing.fix
    assert any(name.startswith("energy meter ") for name in found)


def test_a_cache_that_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    assert installation._cache() == Finding(
        name="cache", ok=True, found=str(tmp_path / "cache")
    )
    assert not list((tmp_path / "cache").iterdir())
    (tmp_path / "file").touch()
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "file"))
    found = installation._cache()
    assert not found.ok and "EDGEKIT_CACHE" in found.fix


def test_tools_are_looked_for_on_the_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "adb").write_text("#!/bin/sh\n")
    (tmp_path / "adb").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    found = by_name(installation._tools())
    assert found["adb"].found == str(tmp_path / "adb")
    assert (found["ssh"].found, found["ssh"].ok) == ("missing", False)
    assert "apt install openssh-client" in found["ssh"].fix


def test_a_machine_without_runtimes_or_cache_is_an_error() -> None:
    names = [one.name for one in registry.formats()]

    def found(cache: bool, *present: str) -> list[Finding]:
        return [
            Finding(name="cache", ok=cache, found="/x", fix="Set EDGEKIT_CACHE"),
            *(Finding(name=n, ok=n in present, found="") for n in names),
        ]

    assert installation.obstacle(found(True, names[-1])) is None
    none = installation.obstacle(found(True))
    assert isinstance(none, RuntimeMissing) and "pip install 'edgekit[" in str(none)
    assert not any(f"[{name}]" in str(none) for name in registry.converted(names))
    assert isinstance(installation.obstacle(found(False, *names)), OutputError)
