"""Another processor's programs in a folder."""

from __future__ import annotations

from pathlib import Path

from edgekit.devices import rootfs


def test_an_emulated_userland_has_the_runtimes_with_wheels_for_it() -> None:
    assert list(rootfs.runtimes("aarch64")) == ["litert", "onnxruntime"]
    assert rootfs.runtimes("armv7l") == {"tflite-runtime": "2.14.0"}


def test_what_is_in_there_has_a_name_before_it_is_made() -> None:
    assert rootfs.name("aarch64") == rootfs.name("aarch64")
    assert rootfs.name("aarch64") != rootfs.name("armv7l")


def test_libraries_behind_alternatives_are_linked(tmp_path: Path) -> None:
    library = tmp_path / "usr/lib/arm-linux-gnueabihf/blas/libblas.so.3"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"code")
    rootfs._settle(tmp_path)
    assert (library.parent.parent / "libblas.so.3").read_bytes() == b"code"
    made = rootfs.Rootfs(path=tmp_path, name="x")
    assert made.environment()["PYTHONHOME"] == str(tmp_path / "usr")
    assert made.python.parent == tmp_path / "usr/bin"
