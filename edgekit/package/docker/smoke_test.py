"""One inference in a new image, where this machine can run it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np

from edgekit.agent.arrays import of_network
from edgekit.devices.emulated import CORES, cpuinfo
from edgekit.errors import DeviceError
from edgekit.package.docker import environment
from edgekit.package.docker.engine import Engine, explained
from edgekit.package.docker.image import Family
from edgekit.package.opened import Bundle
from edgekit.scratch import folder as scratch_folder

_CORES = {"aarch64": "cortex-a72", "armv7l": "cortex-a7"}
_EMULATORS = {"aarch64": "aarch64", "armv7l": "arm"}
_TIMEOUT_S = 600.0


def tried(engine: Engine, tag: str, family: Family, bundle: Bundle) -> str:
    """The output of the image, or the reason why it was not run here; raises `DeviceError`
    where it failed."""
    native = engine.architecture() == family.platform.split("/")[1]
    emulator = _EMULATORS.get(family.machine)
    if not native and (emulator is None or not environment.emulator(emulator).ok):
        return f"not run here: nothing runs {family.platform} (edgekit doctor)"
    options = ["--platform", family.platform, "--network", "none", "--read-only"]
    how = "on this machine"
    with scratch_folder() as name:
        if not native:
            core = _core(family, bundle)
            options += ["-e", f"QEMU_CPU={core}", *_listing(Path(name), core)]
            how = f"emulated, {core}"
        run = engine.run(
            tag, ["infer"], options=options, stdin=_sample(bundle), timeout_s=_TIMEOUT_S
        )
    reason = explained(run)
    if reason is not None:
        raise DeviceError(f"The image {tag} was built and does not work: {reason}.")
    return f"{json.loads(run.out)['model']} answered ({how})"


def _core(family: Family, bundle: Bundle) -> str:
    """The core of the bundle's own target where it is of this family, else a common one."""
    own = str(bundle.report["target"].get("cpu"))
    if own in CORES and CORES[own].arch == family.machine:
        return own
    return _CORES[family.machine]


def _listing(folder: Path, core: str) -> list[str]:
    """The core's own list of processors; QEMU 7 would show this machine's, and LiteRT crash."""
    folder.chmod(0o755)
    listing = folder / "cpuinfo"
    listing.write_text(cpuinfo(core))
    return ["-v", f"{listing}:/proc/cpuinfo:ro"]


def _sample(bundle: Bundle) -> bytes:
    """A sample of zeros as a `.npy`; of several inputs as a `.npz` by their names; or a text,
    with zeros beside it."""
    zeros = {
        given["name"]: np.zeros(
            of_network(given["shape"][1:], given.get("layout")), np.float32
        )
        for given in bundle.manifest["contract"].get("inputs", ())
        if given["name"] not in (bundle.text or {}).get("inputs", ())
    }
    if bundle.text is not None:
        pair = {"text_pair": "b"} if bundle.text["pair"] else {}
        beside = {name: values.tolist() for name, values in zeros.items()}
        return json.dumps({"text": "a", **pair, **beside}).encode()
    file = io.BytesIO()
    if len(zeros) == 1:
        np.save(file, next(iter(zeros.values())))
    else:
        np.savez(file, **zeros)  # type: ignore[arg-type]
    return file.getvalue()
