"""Bundles, and the forms that a bundle is packaged in.

A kind of package is a folder here (or under `package/` in a folder of `EDGEKIT_PLUGINS`) whose
`RECORD` is a `PackageKind`: the folder `docker` is `edgekit package --docker`. It is found by
scanning.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from edgekit import plugins
from edgekit.errors import UsageError

if TYPE_CHECKING:
    from edgekit.progress import Progress
    from edgekit.store import Store

plugins.extend(__name__)


@dataclass(frozen=True, kw_only=True)
class Option:
    """An option of `edgekit package` that a kind takes."""

    name: str
    """As a Python name: `base_image` is `--base-image`."""
    help: str
    form: Literal["text", "texts", "path", "flag"] = "text"
    """`texts` may be repeated."""
    default: str | None = None
    """The default in help texts; the kind itself gets `empty`."""

    @property
    def empty(self) -> Literal[False] | None:
        """The value of an option that is not given."""
        return False if self.form == "flag" else None


UNLICENSED = "UNLICENSED"
APP_OPTIONS = (
    Option(name="out", form="path", help="Folder to write.", default="BUNDLE-KIND"),
    Option(
        name="artifact",
        help="File of the bundle to take, by its name in the report.",
        default="the chosen one where the package runs it",
    ),
    Option(
        name="license",
        help="License of the model, as an SPDX expression.",
        default=UNLICENSED,
    ),
)
"""Of every package for applications."""


@dataclass(frozen=True, kw_only=True)
class PackageRequest:
    """What to package, and how."""

    bundle: Path
    options: Mapping[str, Any]
    """The values of the kind's options by name; `None` or `False` where not given."""
    store: Store
    progress: Progress


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """One thing that was made of a bundle."""

    title: str
    """Its name: a tag, a file's path."""
    facts: Any
    """The document that `--json` prints."""
    parts_bytes: Mapping[str, int] = field(default_factory=dict)
    """Sizes of its parts by name, the largest first."""
    totals_bytes: Mapping[str, int] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class PackageKind:
    """One form of package. Importing its folder loads no library."""

    help: str
    """Of the option that asks for it: "As Docker images, one for each platform."."""
    package: Callable[[PackageRequest], Sequence[Packaged]]
    """Makes the packages; raises EdgeKit's errors for a bundle or option that does not fit."""
    options: tuple[Option, ...] = ()
    check: Callable[[], None] = lambda: None
    """Raises EdgeKit's errors where this machine cannot make such packages. Called before the
    build of a bundle that is to be packaged."""
    build_flag: str | None = None
    """The option of `edgekit build` that packages the bundle, too: `image` is `--image`."""


def kinds() -> Mapping[str, PackageKind]:
    """Every kind of package by name; raises `UsageError` for a plugin that is none."""
    return plugins.records(__name__, PackageKind, folders_only=True)


def of_build(flag: str) -> PackageKind:
    """The kind of package that an option of `edgekit build` makes; raises `UsageError` for none."""
    for kind in kinds().values():
        if kind.build_flag == flag:
            return kind
    raise UsageError(f"No kind of package is made by --{flag}.")
