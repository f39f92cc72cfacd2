"""Builds for four targets on one machine, on two nodes of a cluster, and with one node killed.

    python -m benchmarks.fleet

A plain build of the digits example for each target writes `edgekit.lock`. Every row repeats these
locks from empty caches: one after another in one process, on two nodes of Ray (a processor and a
cache each, one shared cache), and on two nodes of which one is killed (SIGKILL) half-way. The file
of devices has two, both on this machine. A row has the seconds, whether all artifacts have the
hashes of the first row, the attempts, the stages that repeated builds found in the store, and
whether two builds ever had one device; `load` is that of the machine at its beginning and end,
other work included. Each build has one thread. Writes `benchmarks/results/fleet.json`.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

from benchmarks.results import Row, Table

ROOT = Path(__file__).resolve().parents[1]
TARGETS = ("raspberrypi4", "intel-n100", "raspberrypi5", "jetson-orin-nano")
AT_DEVICES = ("jetson-orin-nano", "intel-n100")
"""These have a device in the farm. An address with settings is only for a target of its kind."""
RECIPE = """
[recipe]
minutes = 0.0

[recipe.distill]
epochs = 2

[recipe.prune]
cost_provenance = "estimated"
rounds = 1
iterations = 1

[recipe.export]
runtimes = ["onnxruntime"]
precisions = ["fp32"]

[recipe.bench]
runtime_options_s = 0.0
"""
FARM = f"""\
[[device]]
name = "board-1"
address = "local"
target = "{AT_DEVICES[0]}"

[[device]]
name = "board-2"
address = "local?python={sys.executable}"
target = "{AT_DEVICES[1]}"
"""
TIMED = ("report.json", "report.html", "manifest.json", "edgekit.lock")
"""Files of a bundle with times in them."""
EARLY = ("", "Load the network", "Read the data", "Evaluate the network")
"""Steps of a build after which nothing new is in the store yet."""


def write_project(folder: Path) -> None:
    """The digits with a budget of operations, which other work on the machine cannot break."""
    shutil.copytree(ROOT / "examples/digits", folder)
    file = folder / "edgekit.toml"
    text = file.read_text()
    text = text[: text.index("[target.")]
    budget = text[text.index("speedup") : text.index("accuracy_drop = ")]
    text = text.replace(budget, "mmacs = 3.0\n").replace(
        "accuracy_drop = 0.01", "accuracy_drop = 0.5"
    )
    file.write_text(text + RECIPE)
    (folder / "devices.toml").write_text(FARM)


class Fleet:
    """The builds of all targets from one project."""

    def __init__(self, work: Path) -> None:
        self.work, self.project = work, work / "project"
        write_project(self.project)

    def run(self, name: str, *, locked: bool = True, **options: Any) -> Row:
        """Build all into a folder of that name; the row of it."""
        import edgekit as ek

        out = self.work / name
        requests = [
            ek.build_request(self.project, target=target, locked=locked)
            for target in TARGETS
        ]
        before, began = os.getloadavg()[0], time.monotonic()
        results = ek.build_many(requests, out=out, devices=self.project, **options)
        seconds = time.monotonic() - began
        for one in results:
            if one.error is not None:
                sys.exit(f"{name}: {one.name} failed: {one.error}")
        attempts = [a for one in results for a in one.attempts]
        repeated = [one for one in results if len(one.attempts) > 1]
        return {
            "case": name,
            "builds": len(results),
            "seconds": round(seconds, 1),
            "machines": len({one.machine for one in attempts}),
            "attempts": len(attempts),
            "lost": sum(one.lost for one in attempts),
            "repeated": {
                one.name: {"kept": one.stages_kept, "run": one.stages_run}
                for one in repeated
            },
            "leases": leases(attempts),
            "overlaps": overlaps(attempts),
            "files": {one.name: artifacts(one.folder) for one in results},
            "load": [round(before, 1), round(os.getloadavg()[0], 1)],
        }


def artifacts(bundle: Path) -> dict[str, str]:
    """The hashes of a bundle's files without times."""
    from edgekit.store import digest

    return {
        path.relative_to(bundle).as_posix(): digest(path)
        for path in sorted(bundle.rglob("*"))
        if path.is_file() and path.name not in TIMED
    }


def leases(attempts: Sequence[Any]) -> dict[str, int]:
    """Number of lendings of each device."""
    names = sorted({one.device for one in attempts} - {"local"})
    return {name: sum(one.device == name for one in attempts) for name in names}


def overlaps(attempts: Sequence[Any]) -> int:
    """Pairs of builds that had one device at the same time, by the log of their attempts."""
    found = 0
    for name in leases(attempts):
        times = sorted((a.began, a.ended) for a in attempts if a.device == name)
        found += sum(ended > began for (_, ended), (began, _) in pairwise(times))
    return found


@contextmanager
def caches(work: Path, case: str, *, shared: bool) -> Iterator[Path]:
    """Empty caches of a case, in the environment while the block lasts."""
    place = work / f"caches-{case}"
    (place / "shared").mkdir(parents=True)
    before = dict(os.environ)
    os.environ["EDGEKIT_CACHE"] = str(place / "asking")
    if shared:
        os.environ["EDGEKIT_SHARED_CACHE"] = str(place / "shared")
    try:
        yield place
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def nodes(place: Path) -> Iterator[Any]:
    """A cluster of two nodes, a processor and a cache each, that this process is connected to;
    the second node."""
    import ray
    from ray.cluster_utils import Cluster

    own = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    caches = [{"EDGEKIT_CACHE": str(place / name)} for name in ("first", "second")]
    head = {**own, "include_dashboard": False, "env_vars": caches[0]}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        # Before there is a second node at this address, which might be taken for the own one.
        ray.init(address=cluster.address, log_to_driver=False, logging_level=50)
        yield cluster.add_node(**own, env_vars=caches[1])
    finally:
        ray.shutdown()
        cluster.shutdown()


def killing(node: Any, of: int) -> Any:
    """Kills the node when half of the builds have ended and one of its own is well under way."""
    killed: list[int] = []

    def watch(states: Sequence[Any]) -> None:
        ended = sum(state.over for state in states)
        for state in states:
            current, name = state.current, node.node_id[:6]
            if killed or current is None or not current.machine.endswith(name):
                continue
            if ended >= of // 2 - 1 and state.stage not in EARLY:
                process = node.all_processes["raylet"][0].process
                process.kill()
                process.wait()  # until then it is there, for its workers
                killed.append(process.pid)

    return watch


def compared(row: Row, first: Row) -> Row:
    """The row with what differs from the first one's files, instead of its own."""
    files: Mapping[str, Mapping[str, str]] = row["files"]
    same = {name: files[name] == each for name, each in first["files"].items()}
    plain = {name: value for name, value in row.items() if name != "files"}
    return {
        **plain,
        "artifacts": sum(map(len, files.values())),
        "same_hashes": all(same.values()),
        "others": [name for name, is_same in same.items() if not is_same],
        "ratio": round(row["seconds"] / first["seconds"], 3),
    }


def summarize(rows: Sequence[Row]) -> Row:
    """Ratios of wall time to that of one machine; without its rows, `None`."""
    by_case = {row["case"]: row for row in rows}
    two, killed = (by_case.get(name) for name in ("two nodes", "one killed"))
    return {
        "ratio_two_nodes": two and two["ratio"],
        "ratio_one_killed": killed and killed["ratio"],
        "same_hashes": all(row["same_hashes"] for row in rows),
        "overlaps": sum(row["overlaps"] for row in rows),
        "lost": killed and killed["lost"],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, default=ROOT / "build/fleet")
    parser.add_argument(
        "--short", action="store_true", help="not the undisturbed nodes"
    )
    arguments = parser.parse_args()
    work: Path = arguments.work.resolve()
    shutil.rmtree(work, ignore_errors=True)
    os.environ |= {
        "OMP_NUM_THREADS": "1",
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONPATH": str(ROOT),
    }
    table = Table("fleet", ("case",), ("ray", "torch", "onnxruntime"))
    fleet = Fleet(work)

    def add(row: Row, first: Row) -> None:
        table.add(compared(row, first), summarize)
        print(table.rows[(row["case"],)], flush=True)

    with caches(work, "plain", shared=False):
        fleet.run("plain", locked=False)
    with caches(work, "one", shared=False):
        first = fleet.run("one machine")
    add(first, first)
    if not arguments.short:
        with caches(work, "two", shared=True) as place, nodes(place):
            row = fleet.run("two nodes", engine="ray")
        add(row, first)
    with caches(work, "killed", shared=True) as place, nodes(place) as node:
        watch = killing(node, len(first["files"]))
        row = fleet.run("one killed", engine="ray", watch=watch)
    add(row, first)
    print(summarize(list(table.rows.values())))


if __name__ == "__main__":
    main()
