"""Looks at a machine, on files like those of the kernel."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edgekit.agent import trace


def write(root: Path, name: str, text: str) -> None:
    file = root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def test_an_empty_tree_reports_nothing(tmp_path: Path) -> None:
    found = trace.conditions(str(tmp_path))
    assert found.pop("at_ns") > 0  # type: ignore[misc]
    assert set(found.values()) == {None}


def test_governor_and_clock_are_read(tmp_path: Path) -> None:
    cpu = "sys/devices/system/cpu/cpu0/cpufreq"
    write(tmp_path, f"{cpu}/scaling_governor", "powersave\n")
    write(tmp_path, f"{cpu}/scaling_cur_freq", "1500000\n")
    found = trace.conditions(str(tmp_path))
    assert found["governor"] == "powersave"
    assert found["freq_mhz"] == pytest.approx(1500.0)


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="needs affinities")
def test_the_fastest_processors_are_chosen(tmp_path: Path) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    for cpu in allowed:
        capacity = 1024 if cpu == allowed[0] else 512
        write(
            tmp_path, f"sys/devices/system/cpu/cpu{cpu}/cpu_capacity", f"{capacity}\n"
        )
    assert trace.choose_cpus(1, str(tmp_path)) == [allowed[0]]
    assert trace.choose_cpus(len(allowed) + 1, str(tmp_path)) is None
