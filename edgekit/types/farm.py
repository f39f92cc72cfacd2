"""A farm of devices."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from annotated_types import Gt, Lt

from edgekit.types.names import Text


@dataclass(frozen=True, kw_only=True)
class FarmDevice:
    """One `[[device]]` of `devices.toml`."""

    name: Text
    address: Text
    """As `--device` takes it: `ssh://USER@HOST`, `adb://SERIAL`."""
    target: Text
    """The target that it measures for."""
    node: Text | None = None
    """The custom resource of the cluster's node that it is attached to; `None` where every node
    reaches it."""
    drift: Annotated[float, Gt(0), Lt(1)] = 0.1
    """Fraction by which its check measurement may depart from the first one."""
    quarantine: Text | None = None
    """Why nothing is measured there; `None` where it may be."""
