"""The meter of `edgekit bench` by its options, and its output."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from edgekit.bench.protocol import Metering
from edgekit.bench.tiers import TIERS
from edgekit.commands import bench_words
from edgekit.commands.measuring import Asked, Failed, Found
from edgekit.errors import DeviceUnreachable, UsageError
from tests import reports

CANDIDATE = reports.report().candidates[0]
FOUND = Found(measurement=CANDIDATE.measurement)
LOST = Failed(address="ssh://pi", error=DeviceUnreachable("ssh://pi: no route."))


def asked(folder: Path) -> Asked:
    file = folder / "model.tflite"
    file.write_bytes(b"model")
    return Asked(
        artifact=replace(CANDIDATE.artifact, files=(file,)),
        other=None,
        threads=1,
        tier=TIERS["quick"],
        metering=Metering(),
    )


def printed(folder: Path, *said: Found | Failed) -> str:
    console = Console(file=io.StringIO(), width=120)
    bench_words.show(console, asked(folder), said, None)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_meter_is_named_with_its_port() -> None:
    assert bench_words.metering("auto", None, ["local"]).meter == "auto"
    found = bench_words.metering("serial:/dev/ttyUSB0", None, ["local"])
    assert (found.meter, dict(found.options)) == ("serial", {"path": "/dev/ttyUSB0"})


@pytest.mark.parametrize(
    ("energy", "target", "words"),
    [
        (
            "sundial",
            None,
            r"No energy meter 'sundial'. Did you mean 'serial'\? Known: auto, none, modeled",
        ),
        ("rapl:/x", None, "only a serial meter has a path"),
        ("serial", None, "Where is the meter"),
        ("modeled", None, "needs --target"),
        ("modeled", "raspberrypi4", "cannot be modeled from times of this machine"),
    ],
)
def test_a_wrong_meter_is_explained(
    energy: str, target: str | None, words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        bench_words.metering(energy, target, ["local"])


def test_a_device_alone_is_shown_in_full_and_several_in_a_line_each(
    tmp_path: Path,
) -> None:
    alone = printed(tmp_path, FOUND)
    assert "p50" in alone and CANDIDATE.measurement.runtime_version in alone
    both = printed(tmp_path, FOUND, LOST)
    assert CANDIDATE.measurement.device in both and "ssh://pi" in both


def test_a_document_has_the_measurement_or_the_error(tmp_path: Path) -> None:
    made: dict[str, Any] = bench_words.document(asked(tmp_path), FOUND, None)
    assert made["measurement"]["device"] == CANDIDATE.measurement.device
    assert "carbon" not in made
    assert bench_words.document(asked(tmp_path), LOST, None) == {
        "device": "ssh://pi",
        "error": "ssh://pi: no route.",
        "kind": "DeviceUnreachable",
    }


def test_grams_follow_the_energy_and_the_grid(tmp_path: Path) -> None:
    energy = replace(FOUND.measurement.energy, net_mj=36.0, gross_mj=36.0)
    metered = replace(FOUND, measurement=replace(FOUND.measurement, energy=energy))
    carbon = bench_words.document(asked(tmp_path), metered, 100.0)["carbon"]
    # 36 mJ a million times are 36 kJ: a hundredth of a kilowatt-hour.
    assert carbon["grams_per_million_inferences"] == pytest.approx(1.0)
