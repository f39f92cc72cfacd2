"""A runtime as applications on phones have it: a package of their package manager.

It is the part `android` or `ios` of a runtime's folder: a module with a `RECORD`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from edgekit.runtimes import registry
from edgekit.types import RuntimeName

System = Literal["android", "ios"]


@dataclass(frozen=True, kw_only=True)
class MobileRuntime:
    """The package that runs a runtime's files on phones."""

    title: str
    package: str
    """Its coordinate without the version: `group:artifact` of Maven, or an address of Git."""
    version: str
    purl: str
    license: str
    dtypes: tuple[str, ...]
    """Types of inputs and outputs that it takes."""
    accelerators: tuple[str, ...]
    """Processors that it computes on, the default first."""
    least_system: str
    """The oldest system that it runs on: an API level of Android, a version of iOS."""

    @property
    def name(self) -> str:
        """As licenses and bills name it."""
        return self.package


def known(system: System) -> Mapping[RuntimeName, MobileRuntime]:
    """The runtimes that run in applications of `system`."""
    return {
        name: one.part(system).RECORD
        for name, one in registry.known().items()
        if one.files_of is None and one.has(system)
    }
