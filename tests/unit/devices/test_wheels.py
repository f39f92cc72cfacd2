from __future__ import annotations

from importlib import metadata

import pytest

from edgekit.devices.wheels import DevicePython, requirements


def python(arch: str) -> DevicePython:
    return DevicePython(version=(3, 11), arch=arch, glibc=(2, 36))


@pytest.mark.parametrize(
    ("arch", "expected"),
    [
        ("armv7l", ("tflite-runtime==2.14.0",)),
        ("aarch64", ("tflite-runtime==2.14.0", "numpy<2")),
    ],
)
def test_the_last_release_is_pinned_and_its_numpy_where_there_are_wheels(
    arch: str, expected: tuple[str, ...]
) -> None:
    assert requirements("tflite-runtime", python(arch)) == expected


def test_others_come_in_the_version_that_is_here() -> None:
    here = metadata.version("onnxruntime")
    asked = requirements("onnxruntime", python("aarch64"))
    assert asked == (f"onnxruntime=={here}", "numpy")
