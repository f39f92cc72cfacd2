"""Contents of an image for a device: one runtime, numpy, the agent, the models, the bill."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edgekit import tasks
from edgekit.config.resources import shipped
from edgekit.devices.packing import pack_agent
from edgekit.errors import UsageError
from edgekit.package import card, sbom
from edgekit.package.docker import debian, layers, wheels
from edgekit.package.docker.layers import Entry, Tree
from edgekit.package.opened import Bundle
from edgekit.package.sbom import Component
from edgekit.runtimes import registry
from edgekit.scratch import folder as scratch_folder
from edgekit.store import Store
from edgekit.types import DEFAULT_TASK, RuntimeName

ROOT = "opt/edgekit"
SITE = f"{ROOT}/site"
_USAGE = """`docker run --rm -i IMAGE infer < SAMPLE` answers one sample, `serve` listens for them,
`bench` times the model, `info` prints its contract.
"""


@dataclass(frozen=True, kw_only=True)
class Family:
    """Devices that share a processor's architecture, and how their images are made."""

    name: str
    platform: str
    machine: str
    base: tuple[str, ...]
    """Lists of Debian packages that make the base where no registry is in reach."""

    @property
    def runtimes(self) -> tuple[RuntimeName, ...]:
        """Those that images can hold, the preferred one first."""
        return registry.on(self.machine)


FAMILIES = {
    family.platform: family
    for family in (
        Family(
            name="amd64",
            platform="linux/amd64",
            machine="x86_64",
            base=("base", "python"),
        ),
        Family(
            name="arm64",
            platform="linux/arm64",
            machine="aarch64",
            base=("base", "python"),
        ),
        Family(
            name="armv7",
            platform="linux/arm/v7",
            machine="armv7l",
            base=("base",),
        ),
    )
}


@dataclass(frozen=True, kw_only=True)
class Contents:
    """Two layers: what changes with a release of the runtime, and what changes with a build."""

    site: Tree
    app: Tree
    components: tuple[Component, ...]
    epoch: int


def runtime_for(
    bundle: Bundle, family: Family, requested: RuntimeName | None
) -> RuntimeName:
    """The runtime asked for, the bundle's choice, or the first that runs one of its files."""
    preferred = [requested] if requested else [bundle.manifest["model"]["runtime"]]
    order = preferred if requested else [*preferred, *family.runtimes]
    for runtime in order:
        if runtime in family.runtimes and models_for(bundle, runtime):
            return runtime
    have = sorted({c["artifact"]["runtime"] for c in bundle.report["candidates"]})
    raise UsageError(
        f"No image for {family.platform} with {requested or 'any runtime'}: the bundle has files "
        f"for {', '.join(have)}, and the images for {family.platform} run "
        f"{', '.join(family.runtimes)}."
    )


def models_for(bundle: Bundle, runtime: RuntimeName) -> dict[str, dict[str, Any]]:
    """The artifacts that `runtime` runs, by name."""
    runs = registry.readers(runtime)
    return {
        candidate["artifact"]["name"]: candidate["artifact"]
        for candidate in bundle.report["candidates"]
        if candidate["artifact"]["runtime"] in runs
    }


def contents(
    bundle: Bundle, family: Family, runtime: RuntimeName, store: Store
) -> Contents:
    """Everything an image holds beyond its base."""
    left_out = debian.names(shipped("docker") / "leave-out.txt")
    site, components = Tree(), list[Component]()
    for one in _lists(bundle, runtime):
        files, own = wheels.fetch(one, family.machine, SITE, store)
        site, components = {**site, **files}, [*components, *own]
    beside = registry.get(runtime).debian
    if beside:
        packages, more = _packages(beside, family.machine)
        site, components = {**packages, **site}, [*components, *more]
    site = layers.compiled(layers.without(site, left_out))
    models = models_for(bundle, runtime)
    app = _app(bundle, runtime, models)
    digests = [
        (path.rpartition("/")[2], hashlib.sha256(entry.read()).hexdigest())
        for path, entry in app.items()
        if entry.part == "models"
    ]
    subject = sbom.Subject(
        name=f"{bundle.name}-{runtime}-{family.name}",
        kind="container",
        epoch=bundle.epoch,
        agent=True,
    )
    bill = sbom.document(subject, components, digests)
    app[f"{ROOT}/sbom.cdx.json"] = Entry(part="agent", content=bill)
    return Contents(
        site=site, app=app, components=tuple(components), epoch=bundle.epoch
    )


def _lists(bundle: Bundle, runtime: RuntimeName) -> list[Path]:
    """The lists of wheels that the bundle needs on a runtime."""
    text = ["tokenizers"] if bundle.text is not None else []
    return [shipped("docker") / f"{name}.txt" for name in (runtime, *text)]


def base(family: Family) -> Tree:
    """A root file system of Debian packages for the family: a user, and no shell."""
    tree, _ = _packages(family.base, family.machine, part="base")
    tree = layers.compiled(
        layers.without(tree, debian.names(shipped("docker") / "leave-out.txt"))
    )
    files = {
        "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
        "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
        "etc/group": "root:x:0:\nnonroot:x:65532:\n",
        "etc/nsswitch.conf": "hosts: files dns\n",
        "etc/os-release": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nID=debian\n'
        'VERSION_ID="12"\nVERSION_CODENAME=bookworm\n',
        "tmp/.keep": "",
        "proc/.keep": "",
        "sys/.keep": "",
        "dev/.keep": "",
    }
    made = {path: Entry(part="base", content=t.encode()) for path, t in files.items()}
    links = {
        name: Entry(part="base", link=f"usr/{name}")
        for name in ("bin", "lib", "lib64", "sbin")
        if any(path.startswith(f"usr/{name}/") for path in tree)
    }
    return {**tree, **made, **links}


def _packages(
    lists: Sequence[str], machine: str, part: str | None = None
) -> tuple[Tree, list[Component]]:
    folder = shipped("docker")
    requested = [n for one in lists for n in debian.names(folder / f"{one}.debian")]
    return debian.fetch(requested, machine, part)


def _app(bundle: Bundle, runtime: RuntimeName, models: Mapping[str, Any]) -> Tree:
    """The agent, the models and their description for the agent."""
    place, app = f"{ROOT}/bundle", Tree()
    described = {}
    for name, artifact in models.items():
        files = [str(file) for file in artifact["files"]]
        described[name] = {
            "files": [Path(file).name for file in files],
            "precision": artifact["precision"],
            "runtime_options": artifact.get("runtime_options", {}),
            "layout": next((one["layout"] for one in artifact["inputs"]), None),
            "layouts": [one["layout"] for one in artifact["inputs"]],
        }
        for file in files:
            content = bundle.folder / file
            app[f"{place}/{Path(file).name}"] = Entry(part="models", content=content)
    about = {
        "schema": 2,
        "name": re.sub(r"[^\w.-]", "-", bundle.name),
        "target": bundle.target,
        "created": bundle.manifest["created"],
        "runtime": runtime,
        "threads": bundle.report["target"]["threads"],
        "default": _default(bundle, models),
        "models": described,
        "preprocessing": bundle.manifest["contract"]["preprocessing"],
        "preprocessing_by_input": {
            one["name"]: one.get("preprocessing")
            for one in bundle.manifest["contract"].get("inputs", ())
        },
        "reads": bundle.manifest["contract"].get("reads", []),
        "labels": bundle.manifest["contract"]["labels"],
        "decoder": bundle.manifest["contract"].get("decoder"),
        "decoder_code": bundle.manifest["contract"].get("decoder_code"),
        "labels_samples": tasks.of(
            bundle.manifest["contract"].get("task", DEFAULT_TASK)
        ).labels_samples,
        "postprocess": (bundle.manifest["contract"].get("folded") or {}).get(
            "postprocess"
        ),
        "text": bundle.text,
        "versions": bundle.manifest["versions"],
    }
    beside = [] if bundle.text is None else [str(bundle.text["tokenizer"])]
    beside += [] if bundle.code is None else [bundle.code]
    for name in beside:
        app[f"{place}/{name}"] = Entry(part="models", content=bundle.folder / name)
    text = json.dumps(about, indent=2, sort_keys=True)
    app[f"{place}/image.json"] = Entry(part="models", content=text.encode())
    manifest = bundle.folder / "manifest.json"
    app[f"{place}/manifest.json"] = Entry(part="models", content=manifest)
    readme = card.readme(bundle, models[_default(bundle, models)], _usage(bundle))
    app[f"{place}/README.md"] = Entry(part="models", content=readme.encode())
    with scratch_folder() as folder:
        agent = pack_agent(Path(folder) / "agent.pyz").read_bytes()
    app[f"{ROOT}/agent.pyz"] = Entry(part="agent", content=agent)
    return app


def _usage(bundle: Bundle) -> str:
    if bundle.code is None:
        return _USAGE
    return (
        f"{_USAGE}\n`{bundle.code}` is Python of the model's author, which finds boxes in the "
        "outputs. Nothing runs it\nunasked: `infer --allow-code`, `serve --allow-code` or "
        "`EDGEKIT_ALLOW_CODE=1` do.\n"
    )


def _default(bundle: Bundle, models: Mapping[str, Any]) -> str:
    """The chosen artifact; on another runtime, the one of the same precision."""
    chosen = bundle.manifest["model"]
    if chosen["artifact"] in models:
        return str(chosen["artifact"])
    same = [n for n, a in models.items() if a["precision"] == chosen["precision"]]
    return (same or list(models))[0]
