"""`python -m edgekit.agent JOB.json RESULT.json`: does one job in this process.

`--watchdog SECONDS` before the files does it in a child that ends when standard input is
silent for that long. Exit code 0: done; 1: failed, with the reason in the result; 2: wrong
usage.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
import traceback
from array import array
from collections.abc import Iterator, Mapping, Sequence
from math import ceil
from pathlib import Path
from types import TracebackType
from typing import Any

from .errors import (
    FILES,
    INTERNAL,
    JOB_INVALID,
    NUMPY_MISSING,
    OUT_OF_MEMORY,
    AgentError,
    one_line,
)
from .schema import KINDS, SCHEMA

_PIECE = 10_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Do the job of a file in this process, or under a watchdog; return the exit code."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    if given[:1] == ["--watchdog"] and len(given) == 4:
        return _watched(given[1], given[2:])
    if len(given) != 2 or given[0] in ("-h", "--help"):
        print(
            "usage: python -m edgekit.agent [--watchdog SECONDS] JOB.json RESULT.json",
            file=sys.stderr,
        )
        return 0 if given[:1] in (["-h"], ["--help"]) else 2
    job_file, result_file = Path(given[0]), Path(given[1])
    _report_defects(result_file)
    kind = "unknown"
    try:
        job = _read(job_file)
        kind = job["kind"]
        result = perform(job)
    except AgentError as error:
        return _fail(result_file, kind, {"kind": error.kind, "message": error.message})
    except MemoryError:
        message = "The process could not get the memory it asked for."
        return _fail(result_file, kind, {"kind": OUT_OF_MEMORY, "message": message})
    return 0 if _write(result_file, result) else 1


def _watched(seconds: str, files: Sequence[str]) -> int:
    from . import watchdog

    lock = os.environ.get("EDGEKIT_LOCK", files[0] + ".lock")
    # A launcher that starts the agent by another program sets this: an emulated Python
    # cannot restart itself.
    python = os.environ.get("EDGEKIT_PYTHON", sys.executable)
    command = [python, sys.argv[0], *files]
    return watchdog.keep(command, Path(files[1]), silence_s=float(seconds), lock=lock)


def perform(job: Mapping[str, Any]) -> dict[str, Any]:
    """The result of one job; raises AgentError."""
    if "timeout_s" in job and hasattr(signal, "alarm"):
        # Outlives a lost connection: the process ends itself even inside a runtime's call.
        signal.alarm(ceil(job["timeout_s"]))
    try:
        module = importlib.import_module("." + job["kind"], __package__)
    except ModuleNotFoundError as error:
        if error.name != "numpy":
            raise
        raise AgentError(
            NUMPY_MISSING, f"The agent needs numpy, and {sys.executable} has none."
        ) from error
    try:
        result: dict[str, Any] = getattr(module, job["kind"])(job)
    except KeyError as error:
        if error.args[0] in job:
            raise
        raise AgentError(
            JOB_INVALID, f"A {job['kind']!r} job needs {error.args[0]!r}."
        ) from error
    return result


def _read(file: Path) -> dict[str, Any]:
    try:
        job = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise AgentError(FILES, f"Cannot read {file} ({error.strerror}).") from error
    except ValueError as error:
        raise AgentError(JOB_INVALID, f"{file} is not JSON ({error}).") from error
    if not isinstance(job, dict) or job.get("schema") != SCHEMA:
        found = job.get("schema") if isinstance(job, dict) else None
        raise AgentError(
            JOB_INVALID,
            f"The job has schema {found!r}; this agent supports {SCHEMA}. "
            "Use the agent and the EdgeKit of one release.",
        )
    if job.get("kind") not in KINDS:
        raise AgentError(
            JOB_INVALID, f"No job {job.get('kind')!r}. Known: {', '.join(KINDS)}."
        )
    return job


def _fail(file: Path, kind: str, error: Mapping[str, str]) -> int:
    print(f"{error['kind']}: {error['message']}", file=sys.stderr)
    _write(file, {"schema": SCHEMA, "kind": kind, "error": error})
    return 1


def _write(file: Path, result: Mapping[str, Any]) -> bool:
    """The result as JSON; the file is there whole or not at all."""
    partial = file.with_name(file.name + ".partial")
    try:
        with partial.open("w", encoding="utf-8") as opened:
            opened.writelines(_text(result))
        os.replace(partial, file)  # noqa: PTH105 - as elsewhere in the agent
    except OSError as error:
        if partial.exists():
            partial.unlink()
        print(f"{FILES}: Cannot write {file} ({error.strerror}).", file=sys.stderr)
        return False
    return True


def _text(result: Mapping[str, Any]) -> Iterator[str]:
    """The result in pieces: five minutes of a small model's latencies are millions, which as
    Python integers or as one text would not fit into a small device's memory."""
    opening = "{"
    for name, value in result.items():
        yield f"{opening}{json.dumps(name)}: "
        opening = ", "
        if not isinstance(value, array):
            yield json.dumps(value)
            continue
        yield "["
        for first in range(0, len(value), _PIECE):
            yield ", " if first else ""
            yield ", ".join(map(str, value[first : first + _PIECE]))
        yield "]"
    yield "}"


def _report_defects(file: Path) -> None:
    """A defect of ours ends in the result with its line, not in a traceback on the screen."""

    def report(
        kind: type[BaseException],
        error: BaseException,
        trace: TracebackType | None,
    ) -> None:
        frames = traceback.extract_tb(trace)
        where = (
            f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else "?"
        )
        message = one_line(f"{kind.__name__}: {error}")
        _fail(file, "unknown", {"kind": INTERNAL, "message": message, "where": where})

    sys.excepthook = report


if __name__ == "__main__":
    sys.exit(main())
