"""The bill of materials of an image: CycloneDX 1.5 as JSON, the same for the same content.

https://cyclonedx.org/docs/1.5/json/
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import edgekit
from edgekit.package.docker.wheels import Component


def document(
    name: str,
    components: Sequence[Component],
    models: Sequence[tuple[str, str]],
    epoch: int,
) -> bytes:
    """The bill of an image called `name`; `models` are file names with their SHA-256."""
    parts = [
        *(_library(one) for one in sorted(components, key=lambda c: c.purl)),
        *(_model(file, digest) for file, digest in sorted(models)),
    ]
    agent = f"pkg:pypi/edgekit@{edgekit.__version__}"
    parts.append(
        {
            "type": "application",
            "bom-ref": agent,
            "name": "edgekit-agent",
            "version": edgekit.__version__,
            "licenses": [{"license": {"id": "Apache-2.0"}}],
            "purl": agent,
        }
    )
    body: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(epoch, UTC).isoformat(),
            "tools": {
                "components": [
                    {
                        "type": "application",
                        "name": "edgekit",
                        "version": edgekit.__version__,
                    }
                ]
            },
            "component": {"type": "container", "bom-ref": name, "name": name},
        },
        "components": parts,
        "dependencies": [{"ref": name, "dependsOn": [p["bom-ref"] for p in parts]}],
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
        "hashes": [{"alg": "SHA-256", "content": component.sha256}],
    }
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
