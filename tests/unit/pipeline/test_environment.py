"""Facts of the process that a build runs in."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.config import targets
from edgekit.devices.local import LocalDevice
from edgekit.pipeline.environment import Environment
from edgekit.progress import Silent
from edgekit.store import Store
from edgekit.types import Provenance


class Counted(LocalDevice):
    """This machine, counting its probes."""

    def probe(self) -> dict:
        PROBES.append(1)
        return super().probe()


PROBES: list[int] = []


def environment(folder: Path, provenance: Provenance) -> Environment:
    device = Counted(provenance=provenance)
    return Environment(device=device, store=Store(folder), progress=Silent())


@pytest.mark.parametrize(("provenance", "proven"), [("device", True), ("host", False)])
def test_an_attached_device_proves_and_states_what_it_can(
    tmp_path: Path, provenance: Provenance, proven: bool
) -> None:
    PROBES.clear()
    env = environment(tmp_path, provenance)
    profile = targets.load("raspberrypi4")
    assert env.proven is proven
    observed = env.observed(profile)
    isa = env.probe["machine"]["isa"]
    assert observed.isa == (tuple(isa) if proven else profile.isa)
    assert (
        env.runtimes["onnxruntime"] == env.probe["runtimes"]["onnxruntime"]["version"]
    )
    assert len(PROBES) == 1
    assert not env.held
