"""The model card and the license of a package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from edgekit.package.opened import Bundle


class _Licensed(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...
    @property
    def license(self) -> str | None: ...


def readme(bundle: Bundle, artifact: Mapping[str, Any], usage: str) -> str:
    """The model card: use, figures with their source, and where the model comes from."""
    name = " ".join(bundle.name.split())
    candidate = next(
        one
        for one in bundle.report["candidates"]
        if one["artifact"]["name"] == artifact["name"]
    )
    source = str(bundle.manifest["source_sha256"])[:12]
    return f"""# {name}

{usage}
## Figures

{_figures(candidate)}

## Origin

Made by EdgeKit {bundle.manifest["versions"].get("edgekit", "")} for the target
`{bundle.target}` from the trained network {source}, on {bundle.manifest["created"]}. The figures
are of the bundle's report; `sbom.cdx.json` lists what the package depends on, and the model's hash.
"""


def license_text(model: str, packages: Sequence[_Licensed]) -> str:
    """The licenses of the parts of a package."""
    needs = "".join(
        f"  {one.name} {one.version}: {one.license or 'see the package'}\n"
        for one in packages
    )
    return f"""The model, its weights and its labels: {model}

The code beside it, generated and written by EdgeKit: Apache-2.0
(https://www.apache.org/licenses/LICENSE-2.0)

Packages that it depends on, which are not part of it:
{needs}"""


def _figures(candidate: Mapping[str, Any]) -> str:
    evaluation = candidate.get("evaluation") or {}
    measured = candidate.get("measurement") or {}
    rows = {
        "precision": candidate["artifact"].get("precision"),
        str(evaluation.get("metric", "accuracy")): _number(evaluation.get("value")),
        "samples it was judged on": evaluation.get("samples"),
        "latency, p50": _timed(measured),
    }
    lines = [f"| {key} | {value} |" for key, value in rows.items() if value is not None]
    return "\n".join(["| | |", "|---|---|", *lines])


def _number(value: Any) -> str | None:
    return None if value is None else f"{value:.4g}"


def _timed(measured: Mapping[str, Any]) -> str | None:
    """With what was timed where: a figure of another machine is none of the application's."""
    p50_ms = (measured.get("latency") or {}).get("p50_ms")
    if p50_ms is None:
        return None
    return (
        f"{p50_ms:.3g} ms by {measured['runtime']} {measured['runtime_version']} on "
        f"{measured['device']} (provenance: {measured['provenance']})"
    )
