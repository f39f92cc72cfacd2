"""The files of an Android package beside its sources: build file, model card, license, bill."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.package import card, sbom
from edgekit.package.android.kotlin import Place, rendered
from edgekit.package.contract import Chosen
from edgekit.package.opened import Bundle
from edgekit.package.sbom import Component, Subject
from edgekit.runtimes.mobile import MobileRuntime


@dataclass(frozen=True, kw_only=True)
class _Library:
    """A library of Maven in the version that the sources were compiled against."""

    group: str
    artifact: str
    version: str
    license: str
    scope: str = "implementation"

    @property
    def name(self) -> str:
        """Its coordinate without the version."""
        return f"{self.group}:{self.artifact}"


COROUTINES = _Library(
    group="org.jetbrains.kotlinx",
    artifact="kotlinx-coroutines-core",
    version="1.8.0",
    license="Apache-2.0",
)
_OF_TESTS = (
    _Library(
        group="junit",
        artifact="junit",
        version="4.13.2",
        license="EPL-1.0",
        scope="testImplementation",
    ),
    _Library(
        group="androidx.test",
        artifact="runner",
        version="1.6.2",
        license="Apache-2.0",
        scope="androidTestImplementation",
    ),
)


def build(place: Place, runtime: MobileRuntime) -> str:
    """The text of `build.gradle.kts`."""
    return rendered(
        "build.gradle.kts.j2",
        namespace=place.namespace,
        least_sdk=runtime.least_system,
        litert=f"{runtime.package}:{runtime.version}",
        needs=[
            f'{one.scope}("{one.name}:{one.version}")'
            for one in (COROUTINES, *_OF_TESTS)
        ],
    )


def license_text(model: str, runtime: MobileRuntime) -> str:
    """The licenses of the parts."""
    return card.license_text(model, [_needed(runtime), COROUTINES])


def _needed(runtime: MobileRuntime) -> _Library:
    group, _, artifact = runtime.package.partition(":")
    return _Library(
        group=group,
        artifact=artifact,
        version=runtime.version,
        license=runtime.license,
    )


def bill(
    bundle: Bundle, runtime: MobileRuntime, place: Place, facts: Mapping[str, Any]
) -> bytes:
    """The bill of materials. Google's Maven publishes no hash that a build here could read."""
    components = [
        Component(
            name=one.name,
            version=one.version,
            purl=f"pkg:maven/{one.group}/{one.artifact}@{one.version}",
            digest=None,
            license=one.license,
        )
        for one in (_needed(runtime), COROUTINES)
    ]
    subject = Subject(name=place.namespace, kind="library", epoch=bundle.epoch)
    return sbom.document(subject, components, [(facts["model"]["file"], place.sha256)])


def readme(
    bundle: Bundle,
    chosen: Chosen[MobileRuntime],
    place: Place,
    facts: Mapping[str, Any],
    *,
    overload: Mapping[str, Any],
) -> str:
    """The model card, with how an application uses the module."""
    usage = rendered(
        "README.md.j2",
        namespace=place.namespace,
        folder=place.folder,
        name=place.name,
        arguments=overload["arguments"],
        parameters=overload["parameters"],
        runtime=chosen.runtime,
        model=facts["model"],
        kib=f"{facts['model']['bytes'] / 1024:.0f}",
    )
    return card.readme(bundle, chosen.artifact, usage)
