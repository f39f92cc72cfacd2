"""Declarations of a runtime's folder, and the parts that lie in the folder.

The record is the folder's `RECORD`. It imports no library of a runtime: those are imported by
the parts, and a part is imported when somebody asks for it.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from edgekit.types import Precision, RangeMethod, RuntimeName

if TYPE_CHECKING:
    from edgekit.runtimes.protocol import Exporter

Options = Mapping[str, Any]
"""Options of a runtime, as its file in the agent takes them."""


@dataclass(frozen=True, kw_only=True)
class Runtime:
    """One runtime. Its folder is its name, with `_` for `-`."""

    name: RuntimeName
    title: str
    """Name of the format in an exporter's errors."""
    color: str
    """Of its points in the report, as `#rrggbb`: distinct to the color-blind."""
    suffixes: tuple[str, ...]
    """Of the files of an artifact; the first is the one that the runtime opens."""
    recognizes: Callable[[bytes], bool]
    """True where a file that begins so (at most `HEAD` bytes) is of its format."""
    precisions: tuple[Precision, ...]
    """Precisions that its exporter writes."""
    ranges: tuple[RangeMethod, ...] = ()
    """Range methods of static int8, the first choice first."""
    takes_tails: bool = False
    """True where its files can end with the operators of an ONNX file (`exporter.complete`)."""

    package: str
    """Package that pip installs on a device, and its `module`."""
    module: str
    install: str
    """Command that installs it beside EdgeKit."""
    extra: str
    """The extra of EdgeKit's package that installs `libraries`."""
    libraries: Mapping[str, str] = field(default_factory=dict)
    """Module that exporting imports -> package that brings it."""
    version: str | None = None
    """The release that EdgeKit was made with, for devices where this machine has none."""
    final: bool = False
    """True where `version` is the last there will be, so that a device has no other."""
    needs: tuple[str, ...] = ("numpy",)
    """Packages that pip installs beside `package`."""
    machines: Mapping[str, int] = field(default_factory=dict)
    """The architectures of Linux that it has wheels for, and how early it is preferred there."""
    debian: tuple[str, ...] = ()
    """Lists in `docker/` of Debian packages that its images need besides."""
    absent: str | None = None
    """Advice where it is not installed and need not be; `None` is `install`."""
    timer: str | None = None
    """A program of its makers' that times its files on a device without Python."""
    export_only: bool = False
    """True where no machine of EdgeKit's runs its files: they are converted from the student that
    ships, and there is no figure of them. It has no file in the agent."""
    refusals: tuple[str, ...] = ()
    """Patterns of errors about a missing operator, with the operator's name or number."""

    files_of: RuntimeName | None = None
    """The runtime whose files it runs, where it has no format of its own."""
    starts_from: RuntimeName | None = None
    """The runtime from whose fp32 file its own is converted (`exporter.convert_file`)."""
    channels_last: bool = False
    """True where its files can take images with their channels last, as it computes."""
    unsigned_int8_on: tuple[str, ...] = ()
    """Architectures whose kernels like activations in unsigned int8, as a target's `arch`."""
    overflows_on: tuple[str, ...] = ()
    """Architectures whose processors without VNNI make its int8 kernels add two products in 16
    bits, which weights of 8 bits overflow: files with weights of 7 bits are candidates there."""
    slow_in_int8: tuple[str, ...] = ()
    """Operators that its int8 kernels were seen to be slower at than its float ones: where a
    network has them, a file that mixes the two is a candidate."""
    options: tuple[Options, ...] = ()
    """Tried on a build's best candidates, beside the defaults."""
    options_with_threads: tuple[Options, ...] = ()
    """Tried as well where there are several threads."""

    @property
    def format(self) -> RuntimeName:
        """The runtime that owns the format of its files: mostly itself."""
        return self.files_of or self.name

    @property
    def suffix(self) -> str:
        """Of the file that the runtime opens."""
        return self.suffixes[0]

    @property
    def folder(self) -> Path:
        """Where the record and the parts lie."""
        return Path(str(importlib.import_module(package_of(self.name)).__file__)).parent

    @property
    def exporter(self) -> Exporter:
        """The folder's `exporter`, imported."""
        return cast("Exporter", self.part("exporter"))

    def has(self, part: str) -> bool:
        """Return whether the folder has a module `part`, or that of the runtime whose files it
        runs."""
        return self._place(part) is not None

    def part(self, part: str) -> ModuleType:
        """The folder's module `part`, imported; raises `ImportError` where there is none."""
        place = self._place(part)
        if place is None:
            raise ImportError(f"runtime {self.name} has no {part}")
        return importlib.import_module(place)

    def _place(self, part: str) -> str | None:
        folders = dict.fromkeys((self.name, self.format))
        places = [f"{package_of(name)}.{part}" for name in folders]
        return next((one for one in places if importlib.util.find_spec(one)), None)


HEAD = 4096
"""Bytes of a file that `Runtime.recognizes` is given."""


def package_of(name: RuntimeName) -> str:
    """The module of a runtime's folder."""
    return f"{__package__}.{name.replace('-', '_')}"
