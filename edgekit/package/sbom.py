"""The bill of materials of a package: CycloneDX 1.5 as JSON, the same for the same content.

https://cyclonedx.org/docs/1.5/json/
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import edgekit


@dataclass(frozen=True, kw_only=True)
class Component:
    """A package inside what was packaged, as the bill of materials names it."""

    name: str
    version: str
    purl: str
    digest: str | None
    """In hex, by `algorithm`; `None` where its registry names none."""
    algorithm: Literal["SHA-256", "SHA-512"] = "SHA-256"
    license: str | None = None
    """An SPDX expression."""


@dataclass(frozen=True, kw_only=True)
class Subject:
    """The subject of a bill of materials."""

    name: str
    kind: Literal["container", "library"]
    epoch: int
    """Seconds since 1970 of what it holds."""
    agent: bool = False
    """True where EdgeKit's agent is in it."""


def document(
    subject: Subject,
    components: Sequence[Component],
    models: Sequence[tuple[str, str]],
) -> bytes:
    """The bill of `subject`; `models` are file names with their SHA-256."""
    parts = [
        *(_library(one) for one in sorted(components, key=lambda c: c.purl)),
        *(_model(file, digest) for file, digest in sorted(models)),
        *([_agent()] if subject.agent else []),
    ]
    body: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(subject.epoch, UTC).isoformat(),
            "tools": {
                "components": [
                    {
                        "type": "application",
                        "name": "edgekit",
                        "version": edgekit.__version__,
                    }
                ]
            },
            "component": {
                "type": subject.kind,
                "bom-ref": subject.name,
                "name": subject.name,
            },
        },
        "components": parts,
        "dependencies": [
            {"ref": subject.name, "dependsOn": [p["bom-ref"] for p in parts]}
        ],
    }
    content = json.dumps(body, sort_keys=True)
    serial = uuid.uuid5(uuid.NAMESPACE_URL, content)
    return json.dumps({"serialNumber": f"urn:uuid:{serial}", **body}, indent=1).encode()


def _library(component: Component) -> dict[str, Any]:
    part: dict[str, Any] = {
        "type": "library",
        "bom-ref": component.purl,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
    }
    if component.digest is not None:
        part["hashes"] = [{"alg": component.algorithm, "content": component.digest}]
    if component.license:
        part["licenses"] = [{"expression": component.license}]
    return part


def _model(file: str, digest: str) -> dict[str, Any]:
    return {
        "type": "machine-learning-model",
        "bom-ref": f"model:{file}",
        "name": file,
        "hashes": [{"alg": "SHA-256", "content": digest}],
    }


def _agent() -> dict[str, Any]:
    agent = f"pkg:pypi/edgekit@{edgekit.__version__}"
    return {
        "type": "application",
        "bom-ref": agent,
        "name": "edgekit-agent",
        "version": edgekit.__version__,
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "purl": agent,
    }
