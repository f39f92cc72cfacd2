from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from edgekit.config import lock_file
from edgekit.errors import LockError
from edgekit.types import Plan, QuantConfig, RuntimeOptions
from edgekit.types.build_lock import BuildLock, LockedCut, LockedFile

LOCK = BuildLock(
    conditions={"seed": "0", "versions.torch": '"2.13.0"'},
    machine={"processor": "one", "threads": "2"},
    costs="host 1234",
    cuts=(
        LockedCut(
            plan=Plan(
                kept={"conv1": (0, 1, 2, 7), "conv2": (), "fc": (5,)},
                dropped_blocks=("layer1",),
            ),
            widths={"conv1": 4, "conv2": 0, "fc": 1},
            trainings=2,
        ),
    ),
    rounding=True,
    student="ab" * 32,
    files={
        "litert-int8": LockedFile(
            runtime="litert",
            precision="int8",
            quantizer=QuantConfig(ranges="percentile", float_layers=("a", "b")),
            equalized=True,
            sha256={".tflite": "cd" * 32},
        )
    },
    chosen="litert-int8",
    options=RuntimeOptions(threads=1, options={"xnnpack": False}),
)


def test_a_lock_is_read_as_it_was_written(tmp_path: Path) -> None:
    lock_file.write(tmp_path, "raspberrypi4", LOCK)
    assert lock_file.read(tmp_path, "raspberrypi4") == LOCK
    text = (tmp_path / "edgekit.lock").read_text()
    assert '"conv1": "0-2,7"' in text
    assert text.endswith("}\n")


def test_targets_have_locks_of_their_own(tmp_path: Path) -> None:
    lock_file.write(tmp_path, "raspberrypi4", LOCK)
    other = replace(LOCK, chosen="onnxruntime-int8")
    lock_file.write(tmp_path, "intel-n100", other)
    lock_file.write(tmp_path, "intel-n100", other)
    assert lock_file.read(tmp_path, "raspberrypi4") == LOCK
    assert lock_file.read(tmp_path, "intel-n100") == other
    with pytest.raises(
        LockError, match=r"has intel-n100, raspberrypi4, and not jetson"
    ):
        lock_file.read(tmp_path, "jetson")


def test_a_missing_lock_is_named_with_the_way_to_one(tmp_path: Path) -> None:
    with pytest.raises(LockError, match=r"No .*edgekit.lock. Build without --locked"):
        lock_file.read(tmp_path, "raspberrypi4")


def _merged(text: str) -> str:
    return text.replace('"seed"', '<<<<<<< HEAD\n"seed"', 1)


def _without(text: str) -> str:
    content = json.loads(text)
    del content["targets"]["raspberrypi4"]["student"]
    return json.dumps(content)


@pytest.mark.parametrize(
    "harm",
    [
        _merged,
        _without,
        lambda text: text[:400],
        lambda text: "",
        lambda text: "[]",
        lambda text: '{"schema": 1}',
        lambda text: text.replace('"0-2,7"', '"0-x"'),
        lambda text: text.replace('"0-2,7"', "3"),
        lambda text: text.replace('"schema": 1', '"schema": 2'),
        lambda text: text.replace('"cuts"', '"cut"'),
    ],
)
def test_a_damaged_lock_is_one_line(tmp_path: Path, harm: object) -> None:
    lock_file.write(tmp_path, "raspberrypi4", LOCK)
    file = tmp_path / "edgekit.lock"
    file.write_text(harm(file.read_text()))  # type: ignore[operator]
    with pytest.raises(LockError, match=r"edgekit\.lock .*Build without --locked"):
        lock_file.read(tmp_path, "raspberrypi4")
    lock_file.write(tmp_path, "raspberrypi4", LOCK)  # what cannot be read is replaced
    assert lock_file.read(tmp_path, "raspberrypi4") == LOCK


@pytest.mark.parametrize("units", [[], [0], [3, 4, 5], [0, 2, 3, 9], [*range(40)]])
def test_ranges_hold_every_unit(units: list[int]) -> None:
    assert lock_file.units_of(lock_file.ranges(units)) == units
