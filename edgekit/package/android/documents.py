"""The files of an Android package beside its sources: build file, model card, license, bill."""

from __future__ import annotations

from dataclasses import dataclass

from edgekit.package import card, phone
from edgekit.package.android.kotlin import KOTLIN, Place, overloads
from edgekit.package.phone import Parts
from edgekit.package.sbom import Component
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
    return KOTLIN.rendered(
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
    return card.license_text(model, [runtime, COROUTINES])


def bill(made: Parts, place: Place) -> bytes:
    """The bill of materials."""
    coroutines = Component(
        name=COROUTINES.name,
        version=COROUTINES.version,
        purl=f"pkg:maven/{COROUTINES.group}/{COROUTINES.artifact}@{COROUTINES.version}",
        digest=None,
        license=COROUTINES.license,
    )
    return phone.bill(made, place.namespace, [coroutines])


def readme(made: Parts, place: Place) -> str:
    """The model card, with how an application uses the module."""
    model = made.facts["model"]
    overload = overloads(made.facts, text=made.rules is not None)[-1]
    usage = KOTLIN.rendered(
        "README.md.j2",
        namespace=place.namespace,
        folder=place.folder,
        name=place.name,
        arguments=overload["arguments"],
        parameters=overload["parameters"],
        runtime=made.chosen.runtime,
        model=model,
        kib=f"{model['bytes'] / 1024:.0f}",
    )
    return card.readme(made.bundle, made.chosen.artifact, usage)
