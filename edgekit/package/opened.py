"""A bundle that is to be packaged: read, and found whole."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from edgekit.bundle_files import MANIFEST, REPORT, read_manifest, read_report
from edgekit.errors import UsageError
from edgekit.package import bundle


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A build's folder, read and found whole."""

    folder: Path
    manifest: Mapping[str, Any]
    report: Mapping[str, Any]

    @property
    def name(self) -> str:
        """The project's name."""
        return str(self.manifest["project"])

    @property
    def target(self) -> str:
        """The target's name."""
        return str(self.manifest["target"])

    @property
    def text(self) -> Mapping[str, Any] | None:
        """From a text to the inputs; `None` for other samples."""
        found: Mapping[str, Any] | None = self.manifest["contract"].get("text")
        return found

    @property
    def code(self) -> str | None:
        """The file with the author's own decoder; `None` without one."""
        found = self.manifest["contract"].get("decoder_code")
        return None if found is None else str(found["file"])

    @property
    def epoch(self) -> int:
        """Date of the layer that the bundle makes: `SOURCE_DATE_EPOCH`, or the build's end."""
        given = os.environ.get("SOURCE_DATE_EPOCH", "")
        if given.isdigit():
            return int(given)
        return int(datetime.fromisoformat(self.manifest["created"]).timestamp())


def open_bundle(folder: Path) -> Bundle:
    """Raises `UsageError` where the folder is not a bundle, or differs from its manifest."""
    missing = [name for name in (MANIFEST, REPORT) if not (folder / name).is_file()]
    if missing:
        raise UsageError(
            f"{folder} is not a bundle: it has no {missing[0]}. "
            "Make one: edgekit build --target raspberrypi"
        )
    manifest, known = read_manifest(folder)
    differs = bundle.check(folder)
    text, code = known.contract.text, known.contract.decoder_code
    if not differs and text is not None:
        differs = _differs(folder, text.tokenizer, text.sha256)
    if not differs and code is not None:
        differs = _differs(folder, code.file, code.sha256)
    report = read_report(folder, known) if not differs else {}
    if differs:
        raise UsageError(
            f"The bundle {folder} was changed: {differs[0]}. Build it again."
        )
    return Bundle(folder=folder, manifest=manifest, report=report)


def _differs(folder: Path, name: str, sha256: str) -> list[str]:
    """Return how a file is not that of the contract, a line each."""
    file = folder / name
    if not file.is_file():
        return [f"{name}: missing"]
    same = hashlib.sha256(file.read_bytes()).hexdigest() == sha256
    return [] if same else [f"{name}: differs from the contract"]
