"""Coverage of architectures, exactness and speed: EdgeKit beside Torch-Pruning.

    python -m benchmarks.coverage [--only NAME] [--no-exports] [--again]

Every network of the zoo, of those after reports and of the strange ones is traced, analyzed and
cut at random by 30 % of every width that can be cut exactly. The cut is compared with the
author's module, run eagerly with the same units silent, saved, reloaded, trained one step,
exported to each format and run there; residual blocks are dropped and compared too.
Torch-Pruning cuts the zoo's networks by the same fraction in naive use, given only the layers
that make the outputs. Each step has a process of its own. Rows already in
`benchmarks/results/coverage.json` are kept.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table as Screen

from benchmarks.results import Row, Table
from tests.zoo.models import EVERY, REPORTED, ZOO

FORMATS = {"onnx": "onnxruntime", "openvino": "openvino", "litert": "litert"}
PACKAGES = (
    "torch",
    "torch-pruning",
    "timm",
    "transformers",
    "onnx",
    "onnxruntime",
    "openvino",
    "litert-torch",
    "ai-edge-litert",
)
EXACT = 1e-5
AGREES = 1e-4
PEER_TIMEOUT_S = 120
OWN_TIMEOUT_S = 900


def main() -> None:
    arguments = _arguments()
    table = Table("coverage", ("name",), PACKAGES)
    for name in [arguments.only] if arguments.only else list(EVERY):
        known = None if arguments.again else table.find(name=name)
        if not _done(known, exports=arguments.exports):
            row = _measure(name, exports=arguments.exports)
            table.add(row, _summary)
            _say(row)
    _print(list(table.rows.values()))


def _done(row: Row | None, *, exports: bool) -> bool:
    """Return whether a row was compared with the author's module, or refused, and exported on
    request."""
    if row is None or not (row["error"] or row.get("reference") == "eager"):
        return False
    return not exports or row["exports"] is not None or bool(row["error"])


def _kind(name: str) -> str:
    return "zoo" if name in ZOO else "reported" if name in REPORTED else "strange"


def _measure(name: str, *, exports: bool) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        own = step("coverage_steps", "cut", name, folder)
        peer: Row = {"error": "not tried"}
        if name in ZOO:
            peer = step(
                "coverage_steps", "peer", name, folder, timeout_s=PEER_TIMEOUT_S
            )
        expected = exports and own["error"] is None
        return {
            "name": name,
            "kind": _kind(name),
            "exact": _exact(own),
            "exports": exported(folder) if expected else None,
            "seconds": own.get("seconds"),
            **{key: own.get(key) for key in _OWN},
            "peer_works": peer["error"] is None,
            "peer_seconds": peer.get("seconds"),
            "peer_error": peer["error"],
            "peer_macs_left": peer.get("macs_left"),
        }


def _exact(own: Row) -> bool | None:
    """`None` where no two runs of the author's network agree."""
    if own.get("random_outputs"):
        return None
    return bool(own.get("relative_error", 1.0) < EXACT)


_OWN = (
    "error",
    "random_outputs",
    "reference",
    "relative_error",
    "relative_error_float64",
    "groups",
    "groups_exact",
    "groups_cut_alone",
    "blocks",
    "blocks_dropped",
    "kinds",
    "barriers",
    "parameters",
    "parameters_left",
    "macs",
    "macs_left",
    "trains",
    "trace_seconds",
    "analyze_seconds",
    "shrink_seconds",
)


def exported(folder: str) -> dict[str, Any]:
    """Format -> relative error of its outputs to PyTorch's, or why there is none."""
    made = step("coverage_steps", "export", folder)
    found: dict[str, Any] = {}
    for title, runtime in FORMATS.items():
        if runtime in made:
            ran = step("coverage_run", runtime, made[runtime], folder)
            failed = ran["error"]
            found[title] = ran["relative_error"] if failed is None else failed
        else:
            found[title] = made.get(f"{runtime} error", made["error"])
    return found


def step(module: str, *words: str, timeout_s: int = OWN_TIMEOUT_S) -> Row:
    """Run one step in a process of its own; its last line is its result."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", f"benchmarks.{module}", *words],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            cwd=Path(__file__).parents[1],
        )
    except subprocess.TimeoutExpired:
        return {"error": f"not done after {timeout_s} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode or not lines:
        reasons = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"error": reasons[-1][:200]}
    result: Row = json.loads(lines[-1])
    return result


def _agrees(exports: dict[str, Any] | None) -> bool | None:
    if exports is None:
        return None
    return all(isinstance(e, float) and e < AGREES for e in exports.values())


def _summary(rows: list[Row]) -> Row:
    exported = [row for row in rows if row["exports"] is not None]
    return {
        "networks": len(rows),
        "refused": sum(bool(row["error"]) for row in rows),
        "exact": sum(bool(row["exact"]) for row in rows),
        "random_outputs": sum(bool(row.get("random_outputs")) for row in rows),
        "by_kind": {
            kind: _count_of(rows, kind) for kind in ("zoo", "reported", "strange")
        },
        "trained": sum(bool(row["trains"]) for row in rows),
        "exported": len(exported),
        "exports_agree": sum(bool(_agrees(row["exports"])) for row in exported),
        "unit_kinds": sorted({kind for row in rows for kind in row["kinds"] or ()}),
        "seconds_most": max((row["seconds"] or 0 for row in rows), default=None),
        "peer_works": sum(row["peer_works"] for row in rows),
        "exact_below": EXACT,
        "exports_agree_below": AGREES,
        "threads": 1,
    }


def _count_of(rows: list[Row], kind: str) -> Row:
    of_kind = [row for row in rows if _kind(row["name"]) == kind]
    return {
        "networks": len(of_kind),
        "exact": sum(bool(row["exact"]) for row in of_kind),
        "random_outputs": sum(bool(row.get("random_outputs")) for row in of_kind),
        "refused": sum(bool(row["error"]) for row in of_kind),
    }


def _say(row: Row) -> None:
    agree = {None: "not exported", True: "exports agree", False: "exports differ"}
    ours = row["error"] or f"{_error(row)} in {row['seconds']:.1f} s"
    peer = "works" if row["peer_works"] else row["peer_error"]
    print(
        f"{row['name']}: {ours}, {agree[_agrees(row['exports'])]}; peer {peer}",
        flush=True,
    )


def _error(row: Row) -> str:
    found = row["relative_error"]
    return "random outputs" if found is None else f"error {found:.0e}"


def _print(rows: list[Row]) -> None:
    screen = Screen(title="Cut by 30 % of every width")
    for heading in ("network", "groups", "exact", "s", "MACs left", "exports"):
        screen.add_column(heading)
    for heading in ("peer works", "peer s", "peer's error"):
        screen.add_column(heading, max_width=50)
    for row in rows:
        agrees = _agrees(row["exports"])
        screen.add_row(
            row["name"],
            f"{row['groups']}",
            "yes" if row["exact"] else row["error"] or _inexact(row),
            _number(row["seconds"]),
            _fraction(row["macs_left"], row["macs"]),
            "-" if agrees is None else "agree" if agrees else "differ",
            "yes" if row["peer_works"] else "no",
            _number(row["peer_seconds"]),
            row["peer_error"] or "",
        )
    Console(width=150).print(screen)


def _inexact(row: Row) -> str:
    return "no" if row["exact"] is False else "random outputs"


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"


def _fraction(left: int | None, whole: int | None) -> str:
    return "-" if left is None or not whole else f"{left / whole:.0%}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=list(EVERY), metavar="NAME")
    parser.add_argument("--no-exports", dest="exports", action="store_false")
    parser.add_argument(
        "--again", action="store_true", help="measure existing rows again"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
