"""Training on another device: nothing is made on the CPU that belongs there."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch

from edgekit.distill.processes import Processes
from tests.elsewhere import DEVICE, Elsewhere, SecondDevice
from tests.gpu.distill.test_train import CASES, outputs, trained


class There(Processes):
    def __init__(self) -> None:
        super().__init__()
        self.device = DEVICE


@pytest.mark.parametrize("name", ["classes", "mixed and averaged", "layers", "masks"])
def test_a_student_is_that_of_the_cpu(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    case = CASES[name]
    expected = trained(case)
    monkeypatch.setattr(import_module("edgekit.distill.train"), "Processes", There)
    with SecondDevice() as second:
        found = trained(case)
    assert second.seen > 1000
    held = found.program.module.state_dict().values()
    assert not any(isinstance(each, Elsewhere) for each in held)
    losses = [one.loss for one in expected.epochs]
    assert [one.loss for one in found.epochs] == pytest.approx(losses, rel=1e-4)
    torch.testing.assert_close(
        outputs(found, case), outputs(expected, case), rtol=1e-3, atol=1e-4
    )
