"""One-operator networks through exporters and runtimes, against PyTorch.

    python -m benchmarks.operators litert     # or onnxruntime, openvino; goes on where it stopped
    python -m benchmarks.operators litert --only pool --again

Rows go to `results/operators.json`. A file is right where its outputs are within 1e-3 of
PyTorch's, as a fraction of the largest, on three seeded inputs. A converter that crashes or hangs
costs its own case alone.
"""

from __future__ import annotations

import argparse
import json
import select
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks.operators import CASES
from benchmarks.results import Row, Table

PACKAGES = ("torch", "litert-torch", "ai-edge-litert", "onnxruntime", "openvino")
RIGHT = 1e-3
_PATIENCE_S = 120


def measured(runtime: str, names: Sequence[str]) -> Iterator[Row]:
    """A row a case: `error` is why there is no file or no output, else `relative_error`."""
    worker: subprocess.Popen[str] | None = None
    for name in names:
        worker = worker or _started(runtime)
        fault, line = _asked(worker, name)
        if fault:
            worker.kill()
            worker.wait()
            worker = None
        row = {"error": fault} if fault else json.loads(line)
        yield {"runtime": runtime, **row, "name": name}
    if worker:
        worker.kill()
        worker.wait()


def _started(runtime: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "benchmarks.operators.worker", runtime],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _asked(worker: subprocess.Popen[str], name: str) -> tuple[str | None, str]:
    """A fault or the worker's line about a case; libraries print lines of their own."""
    assert worker.stdin
    assert worker.stdout
    worker.stdin.write(name + "\n")
    worker.stdin.flush()
    while select.select([worker.stdout], [], [], _PATIENCE_S)[0]:
        line = worker.stdout.readline()
        if not line:
            return f"crashed: exit code {worker.wait()}", ""
        if line.startswith('{"name"'):
            return None, line
    return f"no end within {_PATIENCE_S} s", ""


def verdict(row: Row) -> str:
    if row["error"]:
        return "refused"
    return "right" if row["relative_error"] <= RIGHT else "wrong"


def summary(rows: list[Row]) -> dict[str, Any]:
    counts = Counter((row["runtime"], verdict(row)) for row in rows)
    return {f"{runtime} {found}": n for (runtime, found), n in sorted(counts.items())}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runtime", choices=("litert", "onnxruntime", "openvino"))
    parser.add_argument("--only", default="", help="cases whose name has this")
    parser.add_argument("--again", action="store_true", help="measure known rows too")
    asked = parser.parse_args()
    table = Table("operators", ("runtime", "name"), PACKAGES)
    names = [
        name
        for name in CASES
        if asked.only in name
        and (asked.again or table.find(runtime=asked.runtime, name=name) is None)
    ]
    for row in measured(asked.runtime, names):
        table.add(row, summary)
        detail = row["error"] or f"{row['relative_error']:.1e}"
        print(f"{verdict(row):8} {row['name']}: {detail}", flush=True)
    wrong = [row for row in table.rows.values() if verdict(row) == "wrong"]
    sys.exit(f"{len(wrong)} wrong" if wrong else 0)


if __name__ == "__main__":
    main()
