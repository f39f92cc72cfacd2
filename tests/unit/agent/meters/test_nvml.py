"""A graphics card's counter."""

from __future__ import annotations

from edgekit.agent.meters.nvml import Nvml


def test_a_missing_library_is_explained() -> None:
    assert "no NVIDIA driver" in (Nvml("libnothing.so.9").available() or "")
