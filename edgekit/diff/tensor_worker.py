"""One artifact taken apart in a process of its own: `python -m edgekit.diff.tensor_worker IN OUT`.

The formats' libraries crash beside PyTorch, and print.
"""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from pydantic import TypeAdapter

from edgekit import child
from edgekit.errors import ArtifactError, RuntimeMissing
from edgekit.runtimes import registry
from edgekit.runtimes.record import Runtime
from edgekit.safe_io import reading
from edgekit.types.diff import ModelGraph

_OPENED: TypeAdapter[ModelGraph] = TypeAdapter(ModelGraph)
_LIMIT_S = 600
_MISSING = 3
_READER = "graph_reader"


def instrument(path: Path, copy: Path) -> ModelGraph:
    """The artifact's operators; `copy`, of the same suffix, becomes the probing copy.

    Raises `ArtifactError` where the file cannot be read, `RuntimeMissing` without its library.
    """
    runtime = _runtime(path)
    try:
        done = subprocess.run(
            child.python("-m", __spec__.name, str(path.resolve()), str(copy.resolve())),
            env=child.environment(),
            cwd=copy.parent,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LIMIT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise ArtifactError(
            f"Cannot read {path} (its library did not end within {_LIMIT_S} s)."
        ) from error
    if done.returncode == _MISSING:
        raise RuntimeMissing(
            f"Taking {path.name} apart needs {runtime.part(_READER).PACKAGE}: "
            f"pip install 'edgekit[{runtime.extra}]'"
        )
    if done.returncode:
        lines = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        reason = lines[-1] if lines else f"exit code {done.returncode}"
        if done.returncode < 0:
            ended = signal.Signals(-done.returncode).name
            reason = f"its library crashed on it with {ended}"
        raise ArtifactError(f"Cannot read {path} ({reason[:300]}).")
    with reading(path, ArtifactError):
        return _OPENED.validate_json(done.stdout.splitlines()[-1])


def _runtime(path: Path) -> Runtime:
    found = registry.of_file(path)
    if found is None or not found.has(_READER):
        raise ArtifactError(f"Cannot read {path} (no runtime takes its graph apart).")
    return found


def main(path: str, copy: str) -> int:
    """Write a copy of the artifact that returns inner tensors; return the exit code."""
    try:
        opened = _runtime(Path(path)).part(_READER).instrument(Path(path), Path(copy))
    except ImportError as error:
        print(error, file=sys.stderr)
        return _MISSING
    print(_OPENED.dump_json(opened).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
