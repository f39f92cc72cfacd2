"""Images for devices: a context of two layers, a build without a foreign instruction, a list."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import edgekit
from edgekit.config.resources import shipped
from edgekit.errors import OutputError, UsageError
from edgekit.package.docker import image, layers
from edgekit.package.docker.engine import Engine
from edgekit.package.docker.image import FAMILIES, Family
from edgekit.package.docker.smoke_test import tried
from edgekit.package.opened import Bundle, open_bundle
from edgekit.progress import Progress
from edgekit.scratch import folder as scratch_folder
from edgekit.store import Store, key
from edgekit.types import RuntimeName

EVERY = "all"
"""In the place of a platform: every platform, and every runtime that runs a file of the bundle."""
FROM_DEBIAN = "debian"
"""In the place of a base's name: make one from Debian packages, where no registry is in reach."""
BASE = "EDGEKIT_IMAGE_BASE"
"""Environment variable that names the base where no `--base` does."""


@dataclass(frozen=True, kw_only=True)
class Image:
    """An image that was built, and what it weighs."""

    tag: str
    platform: str
    runtime: RuntimeName
    base: str
    layers: tuple[str, ...]
    """Digests of the uncompressed layers beyond the base."""
    parts_bytes: Mapping[str, int]
    """Unpacked, beyond the base; the largest first."""
    base_bytes: int
    trial: str
    """Result of one inference in it, or the reason why it was not run here."""

    @property
    def beyond_base_bytes(self) -> int:
        """Bytes of the layers beyond the base."""
        return sum(self.parts_bytes.values())


@dataclass(frozen=True, kw_only=True)
class ImageRequest:
    """A request for images of one bundle."""

    bundle: Path
    platforms: tuple[str, ...] = ()
    """None named: the platform of the bundle's target."""
    runtime: RuntimeName | None = None
    tag: str | None = None
    base: str | None = None
    """A base to use in the place of the Dockerfile's own, or `debian`."""


def package(
    request: ImageRequest,
    store: Store,
    progress: Progress,
    engine: Engine | None = None,
) -> list[Image]:
    """An image for each platform; raises `UsageError`, `DeviceError` or `RuntimeMissing`."""
    bundle = open_bundle(request.bundle)
    engine = engine or Engine.find()
    built = []
    requested = chosen(request, bundle)
    with progress.step("Package images") as step:
        for number, (family, runtime) in enumerate(requested):
            step.update(number, len(requested), f"{runtime} {family.platform}")
            base = _base(request, family, engine, progress)
            made = replace(request, base=base)
            built.append(_build(made, bundle, family, runtime, engine, store))
    return built


def chosen(request: ImageRequest, bundle: Bundle) -> list[tuple[Family, RuntimeName]]:
    """The requested images, one by one; raises `UsageError` for impossible ones."""
    if request.platforms == (EVERY,):
        return [
            (family, runtime)
            for family in FAMILIES.values()
            for runtime in ([request.runtime] if request.runtime else family.runtimes)
            if runtime in family.runtimes and image.models_for(bundle, runtime)
        ]
    return [
        (family, image.runtime_for(bundle, family, request.runtime))
        for family in families_of(request, bundle)
    ]


def families_of(request: ImageRequest, bundle: Bundle) -> list[Family]:
    """The families of the platforms that were named; raises `UsageError` for an unknown one."""
    platforms = request.platforms or (str(bundle.report["target"]["image"]),)
    for platform in platforms:
        if platform not in FAMILIES:
            raise UsageError(
                f"No images for the platform '{platform}'. "
                f"Known: {', '.join(FAMILIES)}; or all."
            )
    return [FAMILIES[platform] for platform in dict.fromkeys(platforms)]


def write_context(
    bundle: Bundle, family: Family, runtime: RuntimeName, folder: Path, store: Store
) -> image.Contents:
    """`site.tar` and `app.tar`, the context of the family's Dockerfile, and the Dockerfile."""
    contents = image.contents(bundle, family, runtime, store)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        layers.write(contents.site, folder / "site.tar", layers.EPOCH)
        layers.write(contents.app, folder / "app.tar", contents.epoch)
        bill = contents.app[f"{image.ROOT}/sbom.cdx.json"].read()
        (folder / "sbom.cdx.json").write_bytes(bill)
        text = _dockerfile(bundle, family, runtime)
        (folder / "Dockerfile").write_text(text, "utf-8")
    except OSError as error:
        raise OutputError(f"Cannot write the context {folder} ({error}).") from error
    return contents


def _dockerfile(bundle: Bundle, family: Family, runtime: RuntimeName) -> str:
    """The family's Dockerfile with this bundle's labels for defaults."""
    text = (shipped("docker") / f"{family.name}.Dockerfile").read_text("utf-8")
    for name, value in {
        "TITLE": bundle.name,
        "VERSION": edgekit.__version__,
        "CREATED": datetime.fromtimestamp(bundle.epoch, UTC).isoformat(),
        "REVISION": str(bundle.manifest["source_sha256"]),
        "RUNTIME": runtime,
    }.items():
        text = text.replace(f"ARG {name}\n", f"ARG {name}={_quoted(value)}\n")
    return text


def _quoted(value: str) -> str:
    """As a Dockerfile reads it: in quotes, with nothing in it that would be replaced."""
    plain = re.sub(r'["$\\\s]+', " ", value)
    return f'"{plain}"'


def contexts(
    request: ImageRequest, folder: Path, store: Store, progress: Progress
) -> list[Path]:
    """The contexts alone, for `docker buildx bake`: `FOLDER/RUNTIME-FAMILY` each."""
    bundle = open_bundle(request.bundle)
    requested = chosen(request, bundle)
    written = []
    with progress.step("Write contexts") as step:
        for number, (family, runtime) in enumerate(requested):
            step.update(number, len(requested), f"{runtime} {family.platform}")
            place = folder / f"{runtime}-{family.name}"
            write_context(bundle, family, runtime, place, store)
            written.append(place)
    return written


def push(images: Sequence[Image], name: str, engine: Engine) -> str:
    """Pushes images and a list over them called `name`; returns the list's digest."""
    for one in images:
        engine.docker("push", "--quiet", one.tag)
    insecure = ["--insecure"] if _local(name) else []
    tags = [one.tag for one in images]
    engine.docker("manifest", "create", "--amend", *insecure, name, *tags)
    for one in images:
        _, arch, *variant = one.platform.split("/")
        chosen = ["--arch", arch, "--os", "linux"]
        chosen += ["--variant", variant[0]] if variant else []
        engine.docker("manifest", "annotate", *chosen, name, one.tag)
    digest = engine.docker("manifest", "push", "--purge", *insecure, name)
    return digest.strip().splitlines()[-1]


def _local(name: str) -> bool:
    return name.startswith(("127.0.0.1:", "localhost:"))


def _build(
    request: ImageRequest,
    bundle: Bundle,
    family: Family,
    runtime: RuntimeName,
    engine: Engine,
    store: Store,
) -> Image:
    base = request.base
    tag = tag_of(request, bundle, family, runtime)
    with scratch_folder() as name:
        folder = Path(name)
        contents = write_context(bundle, family, runtime, folder, store)
        engine.build(
            folder,
            folder / "Dockerfile",
            tag=tag,
            platform=family.platform,
            arguments={"BASE": base} if base else {},
        )
    found = engine.inspect(tag)
    parts = layers.sizes({**contents.site, **contents.app})
    return Image(
        tag=tag,
        platform=family.platform,
        runtime=runtime,
        base=base or _declared_base(family),
        layers=tuple(found["RootFS"]["Layers"][-2:]),
        parts_bytes=parts,
        base_bytes=int(found["Size"]) - sum(parts.values()),
        trial=_reported(tried(engine, tag, family, bundle), bundle),
    )


def _reported(trial: str, bundle: Bundle) -> str:
    if bundle.code is None:
        return trial
    return (
        f"{trial}; {bundle.code} in it is Python, which infer and serve run with --allow-code "
        "alone"
    )


def _base(
    request: ImageRequest, family: Family, engine: Engine, progress: Progress
) -> str | None:
    """The base by its digest; made here where nobody named one and no registry is in reach."""
    named, declared = request.base or os.environ.get(BASE), _declared_base(family)
    if named == FROM_DEBIAN:
        return debian_base(family, engine)
    pinned = engine.pulled(named or declared, family.platform)
    if pinned is None and named is None:
        progress.say(
            f"{declared} cannot be pulled here: the base is made from Debian packages"
        )
        return debian_base(family, engine)
    return pinned or named


def debian_base(family: Family, engine: Engine) -> str:
    """The tag of a base made here from Debian packages, named by its content."""
    tree = image.base(family)
    with _context() as folder:
        layers.write(tree, folder / "base.tar", layers.EPOCH)
        with (folder / "base.tar").open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        tag = f"edgekit/base-{family.name}:{key(digest)[:12]}"
        if not engine.has(tag):
            engine.build(
                folder,
                shipped("docker") / "base.Dockerfile",
                tag=tag,
                platform=family.platform,
                arguments={},
            )
    return tag


@contextmanager
def _context() -> Iterator[Path]:
    with scratch_folder() as name:
        yield Path(name)


def _declared_base(family: Family) -> str:
    text = (shipped("docker") / f"{family.name}.Dockerfile").read_text()
    found = re.search(r"^ARG BASE=(\S+)$", text, re.MULTILINE)
    return found.group(1) if found else "unknown"


def tag_of(
    request: ImageRequest, bundle: Bundle, family: Family, runtime: RuntimeName
) -> str:
    """The name that was given, with the platform, as it names several images; else our own."""
    own = f"{runtime}-{family.name}"
    if request.tag:
        name, colon, version = request.tag.rpartition(":")
        if not colon or "/" in version:
            name, version = request.tag, "latest"
        suffix = own if request.platforms == (EVERY,) else family.name
        return f"{name}:{version}-{suffix}"
    project = re.sub(r"[^a-z0-9._-]+", "-", bundle.name.lower()).strip("-._") or "model"
    return f"edgekit/{project}:{own}"
