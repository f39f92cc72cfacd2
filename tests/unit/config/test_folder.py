"""Files in the folder of a project."""

from __future__ import annotations

from pathlib import Path

from edgekit.config.folder import first_file, walk


def filled(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()


def test_near_files_come_first_and_hidden_ones_and_builds_never(tmp_path: Path) -> None:
    filled(tmp_path, "b/deep.pt", "a.pt", ".venv/c.pt", "build/d.pt", "x/y/z/far.pt")
    found = [path.relative_to(tmp_path).as_posix() for path in walk(tmp_path)]
    assert found == ["a.pt", "b", "x", "b/deep.pt", "x/y", "x/y/z"]


def test_an_earlier_suffix_goes_before_a_nearer_file(tmp_path: Path) -> None:
    filled(tmp_path, "weights.pt", "inner/weights.safetensors")
    assert first_file(tmp_path, (".safetensors", ".pt")) == "inner/weights.safetensors"
    assert first_file(tmp_path, (".pth", ".pt")) == "weights.pt"
    assert first_file(tmp_path, (".onnx",)) is None
