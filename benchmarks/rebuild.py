"""Seconds of builds that repeat: digits and a network of 224 x 224 pixels.

    python -m benchmarks.rebuild --before 593ead6      # what has no row yet, of both commits
    python -m benchmarks.rebuild --only digits         # one network, the present commit alone
    python -m benchmarks.rebuild --again               # all rows of the present commit once more

Each network is built cold, and from a copy of the cache that this left: unchanged, with another
budget, with other epochs, for another target. Both commits build the same projects. A row has the
seconds of the whole command and how often it trained, exported and timed by its own words; the
present commit's also the stages that were kept and run (`--explain`). An interrupted benchmark
goes on with the rows that are missing. Writes `benchmarks/results/rebuild.json`.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import rebuild_network
from benchmarks.contract import tree_of
from benchmarks.results import Row, Table

ROOT = Path(__file__).resolve().parents[1]
TARGET, ADDED = "raspberrypi", "intel-n100"
COLD, UNCHANGED, BUDGET, EPOCHS, TARGETED = (
    *("cold", "unchanged", "budget changed"),
    *("epochs changed", "target added"),
)
_STAGES = re.compile(r"(\d+) stages kept, (\d+) run")
_STEPS = {
    "trained": re.compile(r"✔ Distil"),
    "exported": re.compile(r"✔ Export"),
    "timed": re.compile(r"✔ (Measure|Time|Costs of operators|Try the runtime)"),
}
"""Lines of a build about the steps that it took."""
_IMPORTS = (
    "import edgekit.cli, edgekit.api.environment, edgekit.pipeline.build, torch._dynamo"
)


@dataclass(frozen=True, kw_only=True)
class Network:
    """A project to build: how it is made, and two lines of it that change."""

    name: str
    budget: tuple[str, str]
    epochs: tuple[str, str]
    settings: tuple[str, ...] = ()
    """For the present commit alone, whose default trains again where time is left."""

    def write(self, place: Path) -> None:
        if self.name == "digits":
            shutil.copytree(ROOT / "examples/digits", place)
        else:
            rebuild_network.write(place)

    def changes(self, scenario: str) -> tuple[str, str] | None:
        return {BUDGET: self.budget, EPOCHS: self.epochs}.get(scenario)


NETWORKS = (
    Network(
        name="digits",
        budget=("speedup       = 6.0", "speedup       = 5.0"),
        epochs=("[budget]\n", "[recipe.distill]\nepochs = 15\n\n[budget]\n"),
    ),
    Network(
        name="mobile-224",
        budget=(rebuild_network.BUDGET, rebuild_network.OTHER_BUDGET),
        epochs=("epochs = 1", "epochs = 2"),
        settings=("recipe.minutes=0.0",),
    ),
)
SCENARIOS = (COLD, UNCHANGED, BUDGET, EPOCHS, TARGETED)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """One commit's builds of one network."""

    commit: str
    tree: Path
    network: Network
    work: Path
    settings: tuple[str, ...] = ()

    @property
    def cache(self) -> Path:
        """The cold build's own cache; other builds start from copies of it."""
        return self.work / f"{self.commit}-{self.network.name}"

    def run(self, scenario: str) -> Row:
        cache = self.cache if scenario == COLD else self.work / "cache"
        project, out = self.work / "project", self.work / "out"
        for place in (cache, project, out):
            shutil.rmtree(place, ignore_errors=True)
        if scenario != COLD:
            shutil.copytree(self.cache, cache)
        self.network.write(project)
        self._change(project / "edgekit.toml", scenario)
        target = ADDED if scenario == TARGETED else TARGET
        row = self._built(project, out, cache, target)
        return {**self.key(scenario), **row}

    def key(self, scenario: str) -> Row:
        return {
            "commit": self.commit,
            "network": self.network.name,
            "scenario": scenario,
        }

    def _change(self, toml: Path, scenario: str) -> None:
        change = self.network.changes(scenario)
        if change is not None:
            text = toml.read_text()
            assert change[0] in text, change[0]
            toml.write_text(text.replace(*change, 1))

    def _built(self, project: Path, out: Path, cache: Path, target: str) -> Row:
        """Build in a process of its own; ends the benchmark where it fails."""
        present = self.commit == "present"
        settings = (*self.network.settings, *self.settings)
        options = (
            ["--explain", *(f"--set={one}" for one in settings)] if present else []
        )
        command = [sys.executable, "-m", "edgekit", "build", "-p", str(project)]
        began = time.monotonic()
        done = subprocess.run(
            [*command, "-t", target, "-o", str(out), *options],
            cwd=self.work,
            env=self._environment(cache),
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - began
        if done.returncode not in (0, 1):  # 1: a budget missed on a busy machine
            sys.exit(f"{self.network.name} failed:\n{done.stderr[-3000:]}")
        stages = _STAGES.search(done.stderr)
        return {
            "seconds": round(seconds, 2),
            "exit": done.returncode,
            **{name: len(said.findall(done.stderr)) for name, said in _STEPS.items()},
            "kept": int(stages[1]) if stages else None,
            "run": int(stages[2]) if stages else None,
        }

    def _environment(self, cache: Path) -> dict[str, str]:
        return {
            **os.environ,
            "EDGEKIT_CACHE": str(cache),
            "PYTHONPATH": str(self.tree),
            "COLUMNS": "200",
        }

    def imports(self) -> Row:
        """A process that only imports what every build does, the second time."""
        command = [sys.executable, "-c", _IMPORTS]
        for _ in range(2):
            began = time.monotonic()
            subprocess.run(
                command, cwd=self.work, env=self._environment(self.work), check=True
            )
        seconds = round(time.monotonic() - began, 2)
        return {**self.key("imports"), "seconds": seconds}


def summarize(rows: Sequence[Row]) -> Row:
    """Of digits at the present commit; without its rows, `None`."""
    seconds: Mapping[tuple[str, str], float] = {
        (row["commit"] if row["commit"] == "present" else "before", row["scenario"]): (
            row["seconds"]
        )
        for row in rows
        if row["network"] == "digits"
    }
    cold, unchanged = (seconds.get(("present", one)) for one in (COLD, UNCHANGED))
    imports, before = (
        seconds.get(("present", "imports")),
        seconds.get(("before", COLD)),
    )
    return {
        "unchanged_s": round(unchanged - imports, 2) if unchanged and imports else None,
        "unchanged_wall_s": unchanged,
        "unchanged_over_cold": round(unchanged / cold, 4)
        if unchanged and cold
        else None,
        "cold_speedup": round(before / cold, 3) if before and cold else None,
    }


def measure(
    bench: Bench, table: Table, scenarios: Sequence[str], *, again: bool
) -> None:
    """Add the rows that are missing, or all; others than the cold build start from its cache."""
    known = not again and bench.cache.is_dir()
    for scenario in scenarios:
        if known and table.find(**bench.key(scenario)) is not None:
            continue
        row = bench.imports() if scenario == "imports" else bench.run(scenario)
        table.add(row, summarize)
        print(row, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--before", metavar="COMMIT", help="an older commit besides")
    parser.add_argument("--only", choices=[one.name for one in NETWORKS])
    parser.add_argument(
        "--again", action="store_true", help="measure the present once more"
    )
    parser.add_argument("--work", type=Path, default=ROOT / "build/rebuild")
    parser.add_argument(
        "--set", action="append", default=[], help="for the present commit, as `build`"
    )
    arguments = parser.parse_args()
    table = Table(
        "rebuild", ("commit", "network", "scenario"), ("ai-edge-litert", "torch")
    )
    work: Path = arguments.work.resolve()
    work.mkdir(parents=True, exist_ok=True)
    for commit in filter(None, ("present", arguments.before)):
        with tree_of(commit) as tree:
            for network in NETWORKS:
                if arguments.only not in (None, network.name):
                    continue
                bench = Bench(
                    commit=commit,
                    tree=tree,
                    network=network,
                    work=work,
                    settings=tuple(arguments.set),
                )
                first = ("imports",) if network.name == "digits" else ()
                present = first if commit == "present" else ()
                again = arguments.again and commit == "present"
                measure(bench, table, (*present, *SCENARIOS), again=again)
    print(summarize(list(table.rows.values())))


if __name__ == "__main__":
    main()
