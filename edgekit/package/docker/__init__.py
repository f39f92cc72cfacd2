"""Images for devices: the models, one runtime, numpy and the agent, that answer on their own."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.package import Option, Packaged, PackageKind, PackageRequest


def _package(request: PackageRequest) -> Sequence[Packaged]:
    from edgekit.package.docker.packaging import package

    return package(request)


def _check() -> None:
    from edgekit.package.docker.engine import Engine

    Engine.find()


RECORD = PackageKind(
    help="As Docker images, one for each platform.",
    package=_package,
    check=_check,
    build_flag="image",
    options=(
        Option(
            name="platform",
            form="texts",
            help="linux/amd64, linux/arm64 or linux/arm/v7 (may be repeated), or all.",
            default="the target's",
        ),
        Option(
            name="runtime",
            help="Runtime in the image.",
            default="the chosen artifact's",
        ),
        Option(
            name="tag",
            help="Name of the images; each gets its architecture for a suffix.",
            default="edgekit/PROJECT:RUNTIME",
        ),
        Option(
            name="base",
            help="Base image; `debian` makes one here from Debian packages.",
            default="the Dockerfile's",
        ),
        Option(
            name="contexts",
            form="path",
            help="Only write the build contexts into this folder, for `docker buildx bake`.",
        ),
        Option(
            name="push",
            form="flag",
            help="Push the images, and a list over all platforms.",
        ),
    ),
)
