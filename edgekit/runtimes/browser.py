"""A runtime as web pages have it: packages of npm, and an adapter to one interface.

It is the part `web` of a runtime's folder: a folder with a `RECORD`, `adapter.js`, and the lock of
the packages. The adapter exports `open(content, options)`, which loads a model's file and returns a
session: `inputs` and `outputs` (name, shape, dtype), `prepare(arrays)`, `invoke()`, `read()` and
`close()`, as the agent's sessions have them. `invoke` alone is what is timed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgekit.errors import RuntimeMissing
from edgekit.runtimes import npm, registry
from edgekit.store import Store
from edgekit.types import RuntimeName

ADAPTER = "adapter.js"


@dataclass(frozen=True, kw_only=True)
class WebRuntime:
    """The packages that run a runtime's files in a browser."""

    title: str
    package: str
    """The package of npm that an application depends on."""
    folder: Path
    """Where the lock and the adapter lie."""
    imports: Mapping[str, str]
    """Names that the adapter and the packages import -> files below `node_modules`."""
    assets: str
    """The folder of the compiled runtime, below `node_modules`."""
    downloads: tuple[str, ...]
    """Files that a page downloads, below `node_modules`, for one thread."""
    threaded: tuple[str, ...]
    """Files that take the place of those in `downloads` for several threads."""
    dtypes: tuple[str, ...]
    """Types of inputs and outputs that it takes."""
    accelerators: tuple[str, ...]
    """Processors that it computes on, the default first."""
    edits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """File below `node_modules` -> a text in it and its replacement, for models of single
    operators, whose types the compiled runtime takes and the library's own list lacks. Applications
    get the library as it is."""

    @property
    def version(self) -> str:
        """The pinned version of `package`."""
        return npm.version(self.folder, self.package)

    @property
    def adapter(self) -> str:
        """The adapter's code."""
        return (self.folder / ADAPTER).read_text("utf-8")

    def files(self, store: Store) -> Path:
        """A folder as `node_modules`, with what pages need; raises `RuntimeMissing`."""
        needed = {*self.imports.values(), *self.downloads, *self.threaded}
        return npm.installed(self.folder, sorted(needed), store)

    def edited(self, folder: Path) -> dict[str, bytes]:
        """The files of `edits`, replaced; `folder` is that of `files`."""
        found = {}
        for name, (old, new) in self.edits.items():
            text = (folder / name).read_text("utf-8")
            if old not in text:
                raise RuntimeMissing(
                    f"{name} of {self.version} has no {old!r} to edit."
                )
            found[name] = text.replace(old, new, 1).encode()
        return found


def known() -> Mapping[RuntimeName, WebRuntime]:
    """The runtimes that run in browsers."""
    return {
        name: one.part("web").RECORD
        for name, one in registry.known().items()
        if one.files_of is None and one.has("web")
    }
