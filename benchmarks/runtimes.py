"""Files of a build on every runtime beside each other: `results/runtimes.json`.

    python -m benchmarks.runtimes build/host ...

The rows are those of the bundle's own report; nothing is timed here. All files of a bundle were
timed in turns on one machine, the unpruned network on every runtime among them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from benchmarks.results import Row, Table
from edgekit.package.opened import Bundle, open_bundle


def main() -> None:
    """Write a row for each file of the bundles."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", nargs="+", type=Path)
    table = Table("runtimes", ("network", "artifact"), ("numpy",))
    for folder in parser.parse_args().bundles:
        bundle = open_bundle(folder)
        for row in rows(bundle):
            table.add(row, summary)


def rows(bundle: Bundle) -> Iterator[Row]:
    """Of every file: its task's metric, size, latency and memory, and the outcome."""
    chosen = bundle.manifest["model"]["artifact"]
    device = bundle.report["environment"]
    for candidate in bundle.report["candidates"]:
        artifact, measured = candidate["artifact"], candidate["measurement"]
        evaluation, latency = candidate["evaluation"], measured["latency"]
        yield {
            "network": bundle.name,
            "artifact": artifact["name"],
            "runtime": f"{measured['runtime']} {measured['runtime_version'].partition('-')[0]}",
            "precision": artifact["precision"],
            evaluation["metric"]: evaluation["value"],
            "samples": evaluation["samples"],
            "agreement": (candidate["parity"] or {}).get("agreement"),
            "relative_error": (candidate["parity"] or {}).get("relative_error"),
            "size_bytes": size(bundle, artifact),
            "p50_ms": latency["p50_ms"],
            "p95_ms": latency["p95_ms"],
            "speedup": candidate["speedup"],
            "peak_memory_mb": measured.get("peak_memory_mb"),
            "provenance": measured["provenance"],
            "machine": f"{device['device cpu']}, {device['device cores']} cores",
            "chosen": artifact["name"] == chosen,
            "verdict": bundle.report["verdict"],
        }


def size(bundle: Bundle, artifact: Mapping[str, Any]) -> int:
    """Bytes of an artifact's files."""
    return sum((bundle.folder / file).stat().st_size for file in artifact["files"])


def summary(rows: list[Row]) -> Mapping[str, Any]:
    """The runtimes of each network, and the file that ships."""
    return {
        row["network"]: {
            "ships": row["artifact"],
            "verdict": row["verdict"],
            "runtimes": sorted(
                {r["runtime"] for r in rows if r["network"] == row["network"]}
            ),
        }
        for row in rows
        if row["chosen"]
    }


if __name__ == "__main__":
    main()
