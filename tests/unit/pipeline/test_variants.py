"""Variants of a student that a device's instructions ask for."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from torch import nn

from edgekit.config import targets
from edgekit.devices.local import LocalDevice
from edgekit.export.workers import artifact_name
from edgekit.pipeline import variants
from edgekit.pipeline.environment import Environment
from edgekit.program.program import trace
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import InputSpec, Precision, Provenance, RuntimeName

SKYLAKE = ("sse4_2", "avx", "avx2", "fma", "f16c", "avx512f", "avx512bw")
"""Of a Xeon with AVX-512, before VNNI."""
ICE_LAKE = (*SKYLAKE, "avx512_vnni")


@dataclass(frozen=True, kw_only=True)
class Attached(LocalDevice):
    """A machine whose probe was stored."""

    provenance: Provenance = "device"
    isa: tuple[str, ...]

    def probe(self) -> dict[str, Any]:
        return {"machine": {"isa": list(self.isa)}, "runtimes": {}}


def names(
    isa: tuple[str, ...],
    asked: tuple[Precision, ...],
    folder: Path,
    runtimes: tuple[RuntimeName, ...] = ("onnxruntime",),
) -> dict[str, bool]:
    """The variants by name, and whether their weights take 7 bits."""
    env = Environment(device=Attached(isa=isa), store=Store(folder), progress=Silent())
    target = env.observed(targets.load("intel-n100"))
    student = trace(nn.Linear(4, 2), (InputSpec(shape=(4,)),))
    found = variants.requested(student, runtimes, target, asked)
    return {
        artifact_name(*one): len(one) == 3 and one[2].narrow_weights for one in found
    }


def test_weights_are_narrow_where_a_processor_overflows(tmp_path: Path) -> None:
    assert names(SKYLAKE, ("fp32", "int8", "int8-dynamic"), tmp_path) == {
        "onnxruntime-fp32": False,
        "onnxruntime-int8": False,
        "onnxruntime-int8-unsigned": True,
        "onnxruntime-int8-narrow": True,
        "onnxruntime-int8-dynamic": False,
        "onnxruntime-int8-dynamic-narrow": True,
    }


def test_weights_of_each_runtime_that_overflows_are_narrow(tmp_path: Path) -> None:
    assert names(SKYLAKE, ("int8",), tmp_path, ("openvino", "litert")) == {
        "openvino-int8": False,
        "openvino-int8-narrow": True,
        "litert-int8": False,
    }
    assert names(ICE_LAKE, ("int8",), tmp_path, ("openvino",)) == {
        "openvino-int8": False
    }


@pytest.mark.parametrize("isa", [ICE_LAKE, (*SKYLAKE, "avx_vnni")])
def test_weights_keep_8_bits_where_none_overflows(
    isa: tuple[str, ...], tmp_path: Path
) -> None:
    assert names(isa, ("int8", "int8-dynamic"), tmp_path) == {
        "onnxruntime-int8": False,
        "onnxruntime-int8-unsigned": False,
        "onnxruntime-int8-dynamic": False,
    }


def test_arm_processors_have_no_such_variant(tmp_path: Path) -> None:
    student = trace(nn.Linear(4, 2), (InputSpec(shape=(4,)),))
    target = targets.load("raspberrypi4")
    found = variants.requested(student, ("onnxruntime",), target, ("int8",))
    assert found == [("onnxruntime", "int8")]


@pytest.mark.parametrize("isa", [SKYLAKE, ICE_LAKE])
def test_plans_go_by_the_unsigned_file_where_one_is_made(
    isa: tuple[str, ...], tmp_path: Path
) -> None:
    env = Environment(
        device=Attached(isa=isa), store=Store(tmp_path), progress=Silent()
    )
    target = env.observed(targets.load("intel-n100"))
    student = trace(nn.Linear(4, 2), (InputSpec(shape=(4,)),))
    made = variants.requested(student, ("onnxruntime",), target, ("fp32", "int8"))
    found = variants.planned("onnxruntime", "int8", target)
    assert found in made and artifact_name(*found) == "onnxruntime-int8-unsigned"
    pi = targets.load("raspberrypi4")
    assert variants.planned("onnxruntime", "int8", pi) == ("onnxruntime", "int8")
    assert variants.planned("onnxruntime", "fp32", target) == ("onnxruntime", "fp32")
    assert variants.planned("litert", "int8", target) == ("litert", "int8")


@pytest.mark.parametrize("activation", [nn.Hardswish(), nn.GELU(), nn.Softmax(1)])
def test_operators_that_are_slow_in_int8_ask_for_a_mixed_file(
    activation: nn.Module,
) -> None:
    target = targets.load("raspberrypi4")

    def requested(*layers: nn.Module) -> list[str]:
        student = trace(
            nn.Sequential(nn.Linear(4, 2), *layers), (InputSpec(shape=(4,)),)
        )
        found = variants.requested(student, ("litert",), target, ("int8",))
        return [artifact_name(*one) for one in found]

    assert requested(nn.ReLU()) == ["litert-int8"]
    assert requested(activation) == ["litert-int8", "litert-int8-mixed"]


@pytest.mark.parametrize(
    ("isa", "expected"),
    [
        (ICE_LAKE, ["onnxruntime-int8-unsigned-mixed", "openvino-int8-mixed"]),
        (SKYLAKE, ["onnxruntime-int8-unsigned-mixed", "openvino-int8-narrow-mixed"]),
    ],
)
def test_mixed_files_are_as_the_runtime_runs_them_fastest(
    isa: tuple[str, ...], expected: list[str]
) -> None:
    target = replace(targets.load("intel-n100"), isa=isa)
    student = trace(
        nn.Sequential(nn.Linear(4, 2), nn.LayerNorm(2)), (InputSpec(shape=(4,)),)
    )
    runtimes = "onnxruntime", "openvino"
    found = variants.requested(student, runtimes, target, ("int8",))
    mixed = [one for one in found if len(one) == 3 and one[2].operators == "mixed"]
    assert [artifact_name(*one) for one in mixed] == expected
    assert {one[2].narrow_weights for one in mixed} == {isa == SKYLAKE}
