"""Packages for web pages: the model, its contract as code and types, and a demo page."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.package import APP_OPTIONS, Option, Packaged, PackageKind, PackageRequest


def _package(request: PackageRequest) -> Sequence[Packaged]:
    from edgekit.package.web.packaging import package

    return package(request)


RECORD = PackageKind(
    help="As a package of npm for web pages, with a demo page.",
    package=_package,
    options=(
        *APP_OPTIONS,
        Option(
            name="release",
            help="Version of the package.",
            default="1.0.0",
        ),
    ),
)
