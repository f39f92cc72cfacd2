"""Packages for iOS and macOS: the model as a resource, and a typed Swift actor of its contract."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.package import APP_OPTIONS, Packaged, PackageKind, PackageRequest


def _package(request: PackageRequest) -> Sequence[Packaged]:
    from edgekit.package.ios.packaging import package

    return package(request)


RECORD = PackageKind(
    help="As a Swift package for iOS and macOS, with a typed actor.",
    package=_package,
    options=APP_OPTIONS,
)
