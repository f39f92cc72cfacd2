"""Packages for web pages: the model, its contract as code and types, and a demo page."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.package import Option, Packaged, PackageKind, PackageRequest


def _package(request: PackageRequest) -> Sequence[Packaged]:
    from edgekit.package.web.packaging import package

    return package(request)


RECORD = PackageKind(
    help="As a package of npm for web pages, with a demo page.",
    package=_package,
    options=(
        Option(
            name="out",
            form="path",
            help="Folder to write.",
            default="BUNDLE-web",
        ),
        Option(
            name="artifact",
            help="File of the bundle to take, by its name in the report.",
            default="the chosen one where a browser runs it",
        ),
        Option(
            name="release",
            help="Version of the package.",
            default="1.0.0",
        ),
        Option(
            name="license",
            help="License of the model, as an SPDX expression.",
            default="UNLICENSED",
        ),
    ),
)
