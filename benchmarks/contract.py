"""Random budgets: is the contract met, or refused before training, and does the band hold?

    python -m benchmarks.contract                 # all pairs that have no row yet
    python -m benchmarks.contract --most 2        # at most two of them
    python -m benchmarks.contract --only digits   # those of some networks
    python -m benchmarks.contract --before COMMIT # the same pairs, built by an older commit

Twenty pairs are drawn once from a seed: one of the trained networks of `examples/`, a speed-up
from 1.2 to 10 (log-uniform) and an allowed loss of 0.5, 1 or 2 points. Each is a whole build for a
Raspberry Pi 4 in a process of its own, timed on this machine. A pair is `met` where the build ends
within its budget, `refused` where it ends before training with the nearest budget, else `missed`;
`failed` is another error. All builds share one cache, so later pairs have the trained networks of
earlier ones: run them in order. An older commit builds its own examples, of the same samples (the
weights of `sound` were trained again after 593ead6, with other validation samples), and without a
limit of minutes. `band_coverage` is the fraction of trained networks whose metric lies in the 80 %
band that was stated before their training.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.results import Row, Table
from edgekit.scratch import folder as scratch_folder

ROOT = Path(__file__).resolve().parents[1]
NETWORKS = ("digits", "sound", "text", "segment")
PAIRS, SEED, TARGET = 20, 16, "raspberrypi4"
MINUTES = 2
"""Of all trainings but the first one, which the recipe sizes."""
_OUTCOMES = ("met", "refused")
_LIMIT_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Pair:
    """One network and its budget."""

    number: int
    network: str
    speedup: float
    accuracy_drop: float


def pairs() -> list[Pair]:
    draw = random.Random(SEED)
    return [
        Pair(
            number=number,
            network=draw.choice(NETWORKS),
            speedup=round(math.exp(draw.uniform(math.log(1.2), math.log(10))), 2),
            accuracy_drop=draw.choice((0.005, 0.01, 0.02)),
        )
        for number in range(1, PAIRS + 1)
    ]


def with_budget(toml: str, pair: Pair, minutes: int | None = MINUTES) -> str:
    """The project with the pair's budget in the place of its own, and of its targets'.

    `None` minutes are for a commit without the setting.
    """
    kept, section = [], ""
    for line in toml.splitlines():
        if line.startswith("["):
            section = line.split("#")[0].strip(" []")
        if section != "budget" and not section.endswith(".budget"):
            kept.append(line)
    lines = [
        *kept,
        "[budget]",
        f"speedup = {pair.speedup}",
        f"accuracy_drop = {pair.accuracy_drop}",
    ]
    if minutes is not None:
        lines += ["[recipe]", f"minutes = {minutes}"]
    return "\n".join(lines) + "\n"


def outcome_of(exit_code: int, report: dict[str, Any] | None) -> str:
    """A build that is over its budget leaves a report; one that is refused leaves none."""
    if exit_code == 0:
        return "met"
    if exit_code == 1:
        return "refused" if report is None else "missed"
    return "failed"


def row_of(
    pair: Pair, commit: str, exit_code: int, report: dict[str, Any] | None
) -> Row:
    row: Row = {
        "commit": commit,
        **vars(pair),
        "outcome": outcome_of(exit_code, report),
    }
    if report is None:
        return row
    [chosen] = [one for one in report["candidates"] if one["chosen"]]
    row |= {
        "found_speedup": round(chosen["speedup"], 3),
        "found_drop": round(chosen["accuracy_drop"], 5),
        "artifact": chosen["artifact"]["name"],
    }
    outlook = report.get("outlook")
    if outlook and outlook["expected"] and outlook["outcome"] is not None:
        band = outlook["expected"]
        row |= {
            "low": round(band["low"], 5),
            "high": round(band["high"], 5),
            "came_to": round(outlook["outcome"], 5),
            "trained_before": band["trained"],
            "inside": band["low"] <= outlook["outcome"] <= band["high"],
        }
    return row


def summarize(rows: Sequence[Row]) -> Row:
    """Of the present commit, with the count of another one beside it."""
    now = [row for row in rows if row["commit"] == "present"]
    before = [row for row in rows if row["commit"] != "present"]
    bands = [row["inside"] for row in now if "inside" in row]

    def kept(some: Sequence[Row]) -> int:
        return sum(row["outcome"] in _OUTCOMES for row in some)

    return {
        "pairs": len(now),
        "met_or_refused": kept(now),
        "met_or_refused_before": kept(before) if before else None,
        "pairs_before": len(before),
        "band_coverage": sum(bands) / len(bands) if bands else None,
        "bands": len(bands),
    }


def build(pair: Pair, tree: Path, cache: Path) -> tuple[int, dict[str, Any] | None]:
    """The exit code of a build, and its report where it left one; its words are in a file of
    its own beside the cache."""
    with scratch_folder() as scratch:
        project = Path(scratch) / pair.network
        shutil.copytree(tree / "examples" / pair.network, project)
        toml = project / "edgekit.toml"
        minutes = MINUTES if tree == ROOT else None
        toml.write_text(with_budget(toml.read_text(), pair, minutes))
        environment = {
            **os.environ,
            "PYTHONPATH": str(tree),
            "EDGEKIT_CACHE": str(cache),
        }
        command = [sys.executable, "-m", "edgekit", "build", "--target", TARGET]
        cache.mkdir(parents=True, exist_ok=True)
        with (cache.parent / f"{cache.name}-{pair.number:02}.log").open("wb") as log:
            done = subprocess.run(
                command,
                cwd=project,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                timeout=_LIMIT_S,
                check=False,
            )
        report = project / "build" / TARGET / "report.json"
        found = json.loads(report.read_text()) if report.is_file() else None
        return done.returncode, found


@contextmanager
def tree_of(commit: str) -> Iterator[Path]:
    """The present sources, or those of a commit."""
    if commit == "present":
        yield ROOT
        return
    git = ["git", "-C", str(ROOT), "worktree"]
    with scratch_folder() as scratch:
        place = Path(scratch) / "tree"
        subprocess.run([*git, "add", "--detach", place, commit], check=True)
        try:
            yield place
        finally:
            subprocess.run([*git, "remove", "--force", place], check=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", default="present", metavar="COMMIT")
    parser.add_argument("--most", type=int, default=PAIRS)
    parser.add_argument("--only", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--cache", type=Path, default=Path("build/contract-cache"))
    arguments = parser.parse_args()
    table = Table("contract", ("commit", "number"), ("ai-edge-litert", "torch"))
    commit, left = arguments.before, arguments.most
    cache = (arguments.cache / commit).absolute()
    with tree_of(commit) as tree:
        for pair in pairs():
            known = table.find(commit=commit, number=pair.number)
            if left == 0 or known or pair.network not in arguments.only:
                continue
            left -= 1
            started = time.monotonic()
            row = row_of(pair, commit, *build(pair, tree, cache))
            row["seconds"] = round(time.monotonic() - started)
            table.add(row, summarize)
            print(row, flush=True)
    print(summarize(list(table.rows.values())))


if __name__ == "__main__":
    main()
