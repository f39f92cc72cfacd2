"""Measures a runtime's folder in a process of its own: speed, peak memory, likelihood.

    python -m edgekit.decoders.trial

reads a job as JSON from stdin and prints its result as JSON on the last line.
"""

from __future__ import annotations

import json
import math
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from edgekit import child
from edgekit.decoders.engines import registry
from edgekit.decoders.engines.protocol import Generated
from edgekit.errors import ArtifactError

_STATUS = Path("/proc/self/status")


@dataclass(frozen=True, kw_only=True)
class SpeedJob:
    """Generations to time."""

    prompt: Sequence[int]
    count: int
    """Tokens to generate."""
    repeats: int = 5
    """Timed; one more goes before them."""

    def prompts(self) -> Iterator[list[int]]:
        """The prompt, begun at another token each time and closed to a ring; itself at last.

        A runtime that keeps prompts (OpenVINO GenAI does) would look the same one up, and the time
        to the first token would lack the prompt's.
        """
        tokens = list(self.prompt)
        for place in range(self.repeats, -1, -1):
            at = place % len(tokens)
            yield tokens[at:] + tokens[:at]


@dataclass(frozen=True, kw_only=True)
class Job:
    """What to do with a folder."""

    engine: str
    folder: Path
    threads: int
    exact: bool = False
    """Compute in float32, for comparisons with PyTorch."""
    speed: SpeedJob | None = None
    rows: Sequence[Sequence[int]] = ()
    """Of tokens, to take the perplexity of."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """The figures of a folder, from one process; `None` where nothing was measured."""

    load_s: float
    ttft_ms: float | None
    """Time to the first token, median of the repeats."""
    tokens_per_s: float | None
    """Behind the first token, median of the repeats."""
    tokens: tuple[int, ...]
    """Of the last generation."""
    peak_mib: float | None
    """Most memory of the process while it generated, libraries and all; `None` but on Linux."""
    perplexity: float | None


def measure(job: Job) -> Trial:
    """Run the job in a fresh process. Raises `ArtifactError` where it fails."""
    done = subprocess.run(
        child.python("-m", "edgekit.decoders.trial"),
        input=json.dumps({**asdict(job), "folder": str(job.folder)}),
        capture_output=True,
        text=True,
        env=child.environment(),
        check=False,
    )
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise ArtifactError(
            f"{job.engine} cannot run {job.folder} ({lines[-1][:300].rstrip('.')})."
        )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return Trial(**{**found, "tokens": tuple(found["tokens"])})


def run(job: Job) -> Trial:
    """Run the job here, where what the process did before counts into its memory."""
    began = time.perf_counter()
    engine = registry.engine(job.engine)
    session = engine.open(job.folder, threads=job.threads, exact=job.exact)
    runs: list[Generated] = []
    prompts = job.speed.prompts() if job.speed else iter(())
    if job.speed is not None:
        session.generate(next(prompts), 2)
    load_s = time.perf_counter() - began
    if job.speed is not None:
        runs = [session.generate(prompt, job.speed.count) for prompt in prompts]
    peak = _peak_mib() if runs else None
    return Trial(
        load_s=load_s,
        ttft_ms=statistics.median(r.ttft_ms for r in runs) if runs else None,
        tokens_per_s=statistics.median(r.tokens_per_s for r in runs) if runs else None,
        tokens=runs[-1].tokens if runs else (),
        peak_mib=peak,
        perplexity=math.exp(session.nll(job.rows)) if job.rows else None,
    )


def _peak_mib() -> float | None:
    if not _STATUS.exists():
        return None
    (kibibytes,) = re.findall(r"VmHWM:\s+(\d+) kB", _STATUS.read_text())
    return int(kibibytes) / 1024


def main() -> None:
    """Run the job on stdin."""
    given: dict[str, Any] = json.load(sys.stdin)
    speed = given.pop("speed")
    job = Job(
        **{
            **given,
            "folder": Path(given["folder"]),
            "speed": None if speed is None else SpeedJob(**speed),
        }
    )
    print(json.dumps(asdict(run(job))))


if __name__ == "__main__":
    main()
