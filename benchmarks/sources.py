"""Trained models as people have them: what comes in, trains, is cut and exported.

    python -m benchmarks.sources FOLDER [--only NAME] [--again] [--peer-python PYTHON]

Every file that a source recognizes, and every checkpoint with a builder, is loaded (which compares
it with its own runtime), trained for 20 steps towards half of its own outputs, cut at random by
30 % of every width that can be cut exactly, held against the same network with those units silent,
and exported to each format and run there (without a softmax or sigmoid at the end).
onnx2torch's result stands beside ours where the Python given has it, with onnxruntime.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.coverage import AGREES, EXACT, exported, step
from benchmarks.results import Row, Table
from benchmarks.sources_steps import CHECKPOINTS
from edgekit import sources

PACKAGES = ("torch", "onnx", "onnxruntime", "openvino", "litert-torch")
TIMEOUT_S = 900


def main() -> None:
    arguments = _arguments()
    table = Table("sources", ("name",), PACKAGES)
    for path in models(arguments.folder):
        if arguments.only in (None, path.name) and (
            arguments.again or table.find(name=path.name) is None
        ):
            row = measured(path, arguments.peer_python)
            table.add(row, summary)
            print(row, flush=True)
    print(summary(list(table.rows.values())))


def models(folder: Path) -> list[Path]:
    """Files and folders of `folder` that sources recognize, and known checkpoints."""
    return [p for p in sorted(folder.iterdir()) if _kind(p) is not None]


def _kind(path: Path) -> str | None:
    if path.name in CHECKPOINTS:
        return "torch"
    known = sources.known().items()
    return next((n for n, s in known if s.recognizes(path.name, path.parent)), None)


def measured(path: Path, peer_python: str) -> Row:
    """One row of the table."""
    with tempfile.TemporaryDirectory() as folder:
        own = step("sources_steps", "take", str(path), folder, timeout_s=TIMEOUT_S)
        made: dict[str, Any] | None = None
        if own["error"] is None:
            made = exported(folder)
        alike = step("sources_steps", "same", str(path), folder, timeout_s=TIMEOUT_S)
    fields = (
        "parity",
        "batch_norms_kept",
        "trains",
        "learning_rate",
        "cut_exact",
        "relative_error",
    )
    return {
        "name": path.name,
        "kind": _kind(path),
        "error": own["error"],
        **{field: own.get(field) for field in fields},
        "exports": made,
        "same_as": alike.get("same_as"),
        "peer": _peer(path, peer_python),
    }


def _peer(path: Path, python: str) -> Row:
    """The result of onnx2torch for a file, or its error."""
    if path.suffix != ".onnx":
        return {"error": "takes ONNX files alone"}
    script = Path(__file__).with_name("sources_peer.py")
    done = subprocess.run(
        [python, str(script), str(path)],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    if done.returncode:
        return {"error": done.stderr.strip().splitlines()[-1][:160]}
    row: Row = json.loads(done.stdout.strip().splitlines()[-1])
    return row


def _works(row: Row) -> bool:
    made = row["exports"] or {}
    agree = [isinstance(error, float) and error < AGREES for error in made.values()]
    return bool(row["trains"] and row["cut_exact"] and agree and all(agree))


def summary(rows: list[Row]) -> Row:
    return {
        "works": sum(map(_works, rows)),
        "total": len(rows),
        "peer_works": sum(row["peer"]["error"] is None for row in rows),
        "exact_below": EXACT,
        "exports_agree_below": AGREES,
    }


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--peer-python", default=sys.executable)
    return parser.parse_args()


if __name__ == "__main__":
    main()
