"""Devices of PyTorch: the CPU everywhere, CUDA and MPS where there are any."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


def present(device: str) -> bool:
    accelerator = torch.accelerator.current_accelerator()
    return device == "cpu" or (accelerator is not None and accelerator.type == device)


@pytest.fixture(params=["cpu", "cuda", "mps"])
def device(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[str]:
    """Each device that this machine has; trainings run there."""
    if not present(request.param):
        pytest.skip(f"no {request.param} here")
    if request.param == "cpu":
        monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield request.param
    AcceleratorState._reset_state(reset_partial_state=True)
