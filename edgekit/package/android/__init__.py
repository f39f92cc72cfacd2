"""Modules for Android: the model as an asset, and a typed Kotlin class of its contract."""

from __future__ import annotations

from collections.abc import Sequence

from edgekit.package import APP_OPTIONS, Option, Packaged, PackageKind, PackageRequest


def _package(request: PackageRequest) -> Sequence[Packaged]:
    from edgekit.package.android.packaging import package

    return package(request)


RECORD = PackageKind(
    help="As a Gradle library module for Android, with a typed Kotlin class.",
    package=_package,
    options=(
        *APP_OPTIONS,
        Option(
            name="namespace",
            help="Kotlin package of the class.",
            default="model.PROJECT",
        ),
    ),
)
