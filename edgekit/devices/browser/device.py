"""`browser:chromium`: a page of this machine's browser as a device.

Each job is a fresh process of the browser with a profile of its own, and an isolated page in it,
whose clock has steps of 5 us. Models run on the web builds of their runtimes, pinned.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from edgekit.agent import machine, trace
from edgekit.agent.arrays import write_outputs
from edgekit.devices import jobs
from edgekit.devices.browser import chromium
from edgekit.devices.browser.site import DONE, Site
from edgekit.devices.lock import turn
from edgekit.devices.results import understand
from edgekit.errors import ArtifactError, DeviceError
from edgekit.runtimes import browser, registry
from edgekit.runtimes.browser import WebRuntime
from edgekit.store import Store
from edgekit.types import Provenance

ARCH = "wasm32"
_HERE = Path(__file__).parent
_KINDS = ("bench", "infer", "microbenchmark", "verify")
_PAGE, _MODULES = "agent.html", "node_modules"


@dataclass(frozen=True)
class BrowserDevice:
    """Runs each job in a page of a fresh browser; needs Chromium, and npm once."""

    kept: Store
    provenance: Provenance = "device"
    name: str = "browser:chromium"

    def run(self, job: Mapping[str, Any], *, timeout_s: float) -> dict[str, Any]:
        """The result of `job`; raises DeviceError, RuntimeMissing or ArtifactError."""
        if job["kind"] == "probe":
            return self.probe()
        if job["kind"] == "energy":
            reason = "a page reads no meter"
            return {**jobs.done("energy"), "meter": None, "reason": reason}
        if job["kind"] not in _KINDS:
            raise DeviceError(
                f"{self.name} cannot do a job '{job['kind']}': a page has no profiler. "
                "Ask another device."
            )
        runtime = browser.known().get(registry.get(job["runtime"]).format)
        if runtime is None:
            listed = ", ".join(browser.known())
            raise DeviceError(f"{self.name} has no {job['runtime']}. It has: {listed}.")
        site = _site(job, runtime, runtime.files(self.kept))
        with turn(job):
            looks = [trace.conditions()]
            posted = chromium.visit(site, _PAGE, timeout_s=timeout_s)
            looks.append(trace.conditions())
        reply = posted[DONE].decode()
        result = understand(0, "", reply, job=job, device=self.name)
        if job["kind"] == "infer":
            _write(job["outputs"], result["outputs"], posted)
            result["outputs"] = job["outputs"]
        return {
            **result,
            "runtime": job["runtime"],
            "runtime_version": f"{runtime.version} ({runtime.title})",
            "threads": job.get("threads", 1),
            "options": {},
            "machine": self._machine,
            "trace": looks,
        }

    def probe(self) -> dict[str, Any]:
        """The browser, the machine that it runs on, and the runtimes that pages get."""
        return {
            **jobs.done("probe"),
            "machine": self._machine,
            "numpy": None,
            "runtimes": {name: _listed(name) for name in registry.known()},
            "conditions": trace.conditions(),
            "meters": {},
        }

    def fingerprint(self) -> str:
        """A text that changes when figures measured there no longer hold."""
        return f"{self._browser}; {machine.fingerprint(machine.facts())}"

    @cached_property
    def _machine(self) -> dict[str, Any]:
        facts: dict[str, Any] = dict(machine.facts())
        where = f"{self._browser} on {facts['os']} ({facts['arch']})"
        return {**facts, "arch": ARCH, "isa": [], "os": where}

    @cached_property
    def _browser(self) -> str:
        return chromium.version()


def _listed(name: str) -> dict[str, Any]:
    found = browser.known().get(name)
    if found is None:
        return {"version": None, "reason": "it has no build for browsers"}
    return {"version": f"{found.version} ({found.title})", "reason": None}


def _site(job: Mapping[str, Any], runtime: WebRuntime, modules: Path) -> Site:
    """The page, its job, and the files that the job names."""
    texts: dict[str, bytes] = {
        name: (_HERE / name).read_bytes() for name in (_PAGE, "agent.js")
    }
    texts["adapter.js"] = runtime.adapter.encode()
    texts["imports.js"] = _import_map(runtime)
    names: dict[str, str] = {}

    def placed(path: str) -> str:
        address = f"models/{len(names)}"
        texts[address], names[address] = _content(path), path
        return address

    given = {
        **job,
        "assets": f"{_MODULES}/{runtime.assets}/",
        "threads": job.get("threads", 1),
    }
    if "path" in job:
        given["path"] = placed(job["path"])
    if "models" in job:
        edited = runtime.edited(modules)
        texts |= {f"{_MODULES}/{name}": text for name, text in edited.items()}
        given["models"] = [placed(path) for path in job["models"]]
    if job["kind"] == "infer":
        given["arrays"] = _arrays(job["inputs"], texts)
    texts["job.json"] = json.dumps({**given, "names": names}).encode()
    return Site(folders={_MODULES: modules}, texts=texts)


def _import_map(runtime: WebRuntime) -> bytes:
    places = {name: f"./{_MODULES}/{file}" for name, file in runtime.imports.items()}
    return (
        'const map = document.createElement("script"); map.type = "importmap";\n'
        f"map.textContent = JSON.stringify({json.dumps({'imports': places})});\n"
        "document.currentScript.after(map);\n"
    ).encode()


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise ArtifactError(f"Cannot read {path} ({error.strerror}).") from error


def _arrays(path: str, texts: dict[str, bytes]) -> list[dict[str, Any]]:
    """The samples of a `.npz` as raw numbers, each array described."""
    described = []
    with np.load(path, allow_pickle=False) as file:
        for number, name in enumerate(file.files):
            array = np.ascontiguousarray(file[name])
            address = f"inputs/{number}"
            texts[address] = array.tobytes()
            described.append(
                {
                    "address": address,
                    "name": name,
                    "dtype": array.dtype.name,
                    "shape": list(array.shape),
                }
            )
    return described


def _write(
    path: str, outputs: list[dict[str, Any]], posted: Mapping[str, bytes]
) -> None:
    """The posted outputs as the agent writes them: a leading dimension of 1 becomes n."""
    arrays = []
    for number, one in enumerate(outputs):
        shape = one["shape"][1:] if one["shape"][:1] == [1] else one["shape"]
        flat = np.frombuffer(posted[f"outputs/{number}"], one["dtype"])
        arrays.append(flat.reshape(-1, *shape))
    write_outputs(path, arrays)
