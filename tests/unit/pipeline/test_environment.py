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


def test_this_machine_is_probed_again_where_a_package_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    PROBES.clear()
    found = {"runtimes": {"onnxruntime": {"version": "1.0"}}}
    monkeypatch.setattr(LocalDevice, "probe", lambda _: PROBES.append(1) or found)
    place = tmp_path / "packages"
    place.mkdir()
    monkeypatch.syspath_prepend(str(place))

    def probes() -> int:
        store = Store(tmp_path / "cache")
        env = Environment(device=LocalDevice(), store=store, progress=Silent())
        assert env.runtimes == {"onnxruntime": "1.0"}
        return len(PROBES)

    assert probes() == probes() == 1
    (place / "notes.txt").write_text("of the user's")
    assert probes() == 1
    (place / "another-2.0.dist-info").mkdir()
    assert probes() == 2
