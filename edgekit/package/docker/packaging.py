"""`edgekit package --docker`: images of a bundle, or the contexts to build them from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from edgekit.arguments import check_image
from edgekit.errors import UsageError
from edgekit.package import Packaged, PackageRequest
from edgekit.package.docker import docker
from edgekit.package.docker.docker import Image, ImageRequest
from edgekit.package.docker.engine import Engine
from edgekit.runtimes import registry
from edgekit.suggestions import suggest_path


def package(request: PackageRequest) -> Sequence[Packaged]:
    """Images on this machine's engine, or with `contexts` folders of build contexts.

    Raises `UsageError` for options that do not fit each other, `RuntimeMissing` without an engine.
    """
    options = request.options
    image_request = _image_request(request)
    if not request.bundle.is_dir():  # before an engine is asked for
        raise UsageError(
            f"No bundle at {request.bundle}.{suggest_path(request.bundle)} Make one: "
            "edgekit build --target raspberrypi"
        )
    if options["contexts"] is not None:
        folders = docker.contexts(
            image_request, options["contexts"], request.store, request.progress
        )
        return [Packaged(title=f"{folder}/", facts=str(folder)) for folder in folders]
    engine = Engine.find()
    built = docker.package(image_request, request.store, request.progress, engine)
    if options["push"]:
        digest = docker.push(built, options["tag"], engine)
        request.progress.say(f"Pushed {options['tag']} ({digest})")
    return [described(image) for image in built]


def described(image: Image) -> Packaged:
    """An image with the sizes of its parts, for the terminal and as JSON."""
    return Packaged(
        title=f"{image.tag}  {image.platform}",
        facts={**asdict(image), "beyond_base_bytes": image.beyond_base_bytes},
        parts_bytes=image.parts_bytes,
        totals_bytes={
            "beyond the base": image.beyond_base_bytes,
            f"base {image.base}": image.base_bytes,
        },
        note=image.trial,
    )


def _image_request(request: PackageRequest) -> ImageRequest:
    options = request.options
    _check(options)
    runtime = options["runtime"]
    return ImageRequest(
        bundle=request.bundle,
        platforms=tuple(options["platform"] or ()),
        runtime=runtime and registry.get(runtime).name,
        tag=options["tag"],
        base=options["base"],
    )


def _check(options: Mapping[str, Any]) -> None:
    if options["push"] and not options["tag"]:
        raise UsageError("--push needs --tag REGISTRY/NAME:VERSION.")
    if options["push"] and options["platform"] == [docker.EVERY]:
        raise UsageError(
            "A list holds one image a platform: name the platforms to --push."
        )
    for name in ("tag", "base"):
        if options[name] is not None:
            check_image(options[name], f"--{name}", UsageError)
