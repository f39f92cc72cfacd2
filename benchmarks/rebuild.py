"""Seconds of builds that repeat: `python -m benchmarks.rebuild [--before COMMIT]`.

Builds the digits example cold, unchanged, with another budget, with other epochs and for one more
target, in one cache, and counts the stages that ran by `--explain`. With `--before` the cold build
of that commit is timed in a worktree of its own beside it, in the same run. Writes
`benchmarks/results/rebuild.json`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/rebuild.json"
_RAN = re.compile(r"(\d+) stages kept, (\d+) run")


@dataclass(frozen=True, kw_only=True)
class Run:
    """One build: its wall time, the imports included, and the stages."""

    name: str
    seconds: float
    kept: int | None
    ran: int | None


def build(
    name: str, project: Path, root: Path, *options: str, code: Path = ROOT
) -> Run:
    """Build in a process of its own; ends the benchmark where it fails."""
    command = [sys.executable, "-m", "edgekit", "build", "-p", str(project), *options]
    environment = {
        **os.environ,
        "EDGEKIT_CACHE": str(root / f"cache-{code.name}"),
        "PYTHONPATH": str(code),
    }
    began = time.monotonic()
    done = subprocess.run(
        [*command, "-o", str(root / f"out-{name.replace(' ', '-')}")],
        cwd=root,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.monotonic() - began
    if done.returncode not in (0, 1):  # 1: a budget missed on a busy machine
        sys.exit(f"{name} failed:\n{done.stderr[-3000:]}")
    found = _RAN.search(done.stderr)
    kept, ran = map(int, found.groups()) if found else (None, None)
    print(f"{name}: {seconds:.1f} s, {kept} stages kept, {ran} run", flush=True)
    return Run(name=name, seconds=seconds, kept=kept, ran=ran)


def imports_s() -> float:
    """Seconds of a process that only imports what every build does."""
    code = "import edgekit.cli, edgekit.api.environment, edgekit.pipeline.build"
    began = time.monotonic()
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)
    return time.monotonic() - began


def changed(project: Path, old: str, new: str) -> None:
    file = project / "edgekit.toml"
    text = file.read_text()
    assert old in text, old
    file.write_text(text.replace(old, new, 1))


@contextmanager
def worktree(commit: str, root: Path) -> Iterator[Path]:
    """The code of a commit."""
    place = root / "before"
    git = ["git", "-C", str(ROOT), "worktree"]
    subprocess.run([*git, "add", "-q", "--detach", str(place), commit], check=True)
    try:
        yield place
    finally:
        subprocess.run([*git, "remove", "--force", str(place)], check=True)


def measured(root: Path, before: str | None) -> list[Run]:
    project, target = root / "project", ("-t", "raspberrypi")
    shutil.copytree(ROOT / "examples/digits", project)
    runs = []
    if before is not None:
        with worktree(before, root) as code:
            runs.append(build("before", project, root, *target, code=code))
    options = (*target, "--explain")
    runs.append(build("cold", project, root, *options))
    runs.append(build("unchanged", project, root, *options))
    changed(project, "speedup       = 6.0", "speedup       = 5.0")
    runs.append(build("budget changed", project, root, *options))
    changed(project, "speedup       = 5.0", "speedup       = 6.0")
    changed(project, "[budget]", "[recipe.distill]\nepochs = 15\n\n[budget]")
    runs.append(build("epochs changed", project, root, *options))
    changed(project, "[recipe.distill]\nepochs = 15\n\n", "")
    both = (*options, "-t", "intel-n100")
    runs.append(build("target added", project, root, *both))
    return runs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", help="a commit whose cold build is timed beside")
    arguments = parser.parse_args()
    with TemporaryDirectory(prefix="rebuild-") as name:
        runs = measured(Path(name), arguments.before)
    seconds = {run.name: run.seconds for run in runs}
    imports = imports_s()
    summary = {
        "unchanged_s": seconds["unchanged"] - imports,
        "unchanged_over_cold": seconds["unchanged"] / seconds["cold"],
        "cold_speedup": seconds["before"] / seconds["cold"]
        if "before" in seconds
        else None,
    }
    document = {
        "summary": summary,
        "imports_s": imports,
        "before": arguments.before,
        "runs": [asdict(run) for run in runs],
    }
    RESULT.write_text(json.dumps(document, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
