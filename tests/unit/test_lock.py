"""Installed packages and those in images are pinned by the hashes of their files."""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import pytest

from edgekit.devices import wheels as device_wheels
from edgekit.errors import RuntimeMissing
from edgekit.package.docker import wheels
from edgekit.store import Store

ROOT = Path(__file__).parents[2]
ENTRY = re.compile(r"([\w.-]+)==([\w.]+)((?: \\\n    --hash=sha256:[0-9a-f]{64})+)\n")


def locked(file: Path) -> dict[str, str]:
    """Versions by name; every line belongs to an entry with its hashes."""
    text = re.sub(r"^#.*\n", "", file.read_text(), flags=re.MULTILINE)
    assert ENTRY.sub("", text) == "", f"{file.name}: make lock"
    return {name: version for name, version, _ in ENTRY.findall(text)}


def test_the_lock_holds_every_pin() -> None:
    pins = dict(
        line.split("==")
        for line in (ROOT / "constraints.txt").read_text().splitlines()
        if not line.startswith("#")
    )
    assert locked(ROOT / "requirements.lock") == pins, "make lock"


@pytest.mark.parametrize(
    "name", ["litert", "onnxruntime", "openvino", "tflite-runtime"]
)
def test_the_wheels_of_images_have_hashes(name: str) -> None:
    assert locked(ROOT / "docker" / f"{name}.txt")


def wheel(folder: Path, content: str) -> Path:
    """A wheel that pip takes."""
    folder.mkdir(exist_ok=True)
    place = folder / "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(place, "w") as archive:
        archive.writestr("tiny.py", content)
        about = "Metadata-Version: 2.1\nName: tiny\nVersion: 1.0\n"
        archive.writestr("tiny-1.0.dist-info/METADATA", about)
        archive.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\n")
        archive.writestr("tiny-1.0.dist-info/RECORD", "")
    return place


@pytest.mark.parametrize("pinned", ["right", "another", "none"])
def test_a_wheel_of_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pinned: str
) -> None:
    digest = wheels.sha256(wheel(tmp_path / "index", "VALUE = 1\n"))
    if pinned == "another":
        wheel(tmp_path / "index", "VALUE = 2\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    expected = tmp_path / "wanted.txt"
    hashes = "" if pinned == "none" else f" --hash=sha256:{digest}"
    expected.write_text(f"tiny==1.0{hashes}\n")
    store = Store(tmp_path / "cache")
    if pinned == "right":
        tree, [component] = wheels.fetch(expected, "x86_64", "opt", store)
        assert "opt/tiny.py" in tree and component.digest == digest
    else:
        with pytest.raises(RuntimeMissing, match="hash"):
            wheels.fetch(expected, "x86_64", "opt", store)


def test_a_devices_wheels_are_those_of_the_image_where_its_python_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Another file under the pinned name is not sent to a device."""
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    made = wheel(tmp_path / "index", "")
    made.rename(made.with_name("tflite_runtime-2.14.0-py3-none-any.whl"))
    python = device_wheels.DevicePython(version=(3, 11), arch="armv7l", glibc=(2, 36))
    with pytest.raises(RuntimeMissing, match=r"(?i)hash"):
        device_wheels.fetch("tflite-runtime", python, "a board")
