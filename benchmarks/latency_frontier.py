"""Accuracy of the shipped file against its measured latency: EdgeKit beside its peers, by network.

    python -m benchmarks.latency_frontier train   # peers' cuts, recovery of all: any machine
    python -m benchmarks.latency_frontier export  # files and their accuracy: any machine
    python -m benchmarks.latency_frontier time    # a short idle spell: all files in turns
    python -m benchmarks.latency_frontier plan    # EdgeKit's cuts: timings, an idle machine
    python -m benchmarks.latency_frontier show

The first three come again after `plan`, which asks for the speeds at which the peers' files stand,
and for those of `frontier_networks` where none was timed. Each step does what is missing, the
cheapest network first: `--only NETWORK`, `--most N` (networks cut, trained or exported) and
`--minutes M` (nothing is begun after them) stop it earlier. A row of
`benchmarks/results/latency_frontier.json` is one (network, method, target, precision, point,
seed); it is there once its file is judged, and has its latency once that is timed. `point` is the
speed-up asked for (EdgeKit), the pruning ratio (Torch-Pruning, FastNAS), or the fraction kept.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch

from benchmarks.frontier_edgekit import METHOD, Bench, cut_for
from benchmarks.frontier_networks import NETWORKS, ROOT, Network, Places, project_of
from benchmarks.frontier_peers import METHODS, UNCUT, cut_by_peer, points_of
from benchmarks.frontier_show import markdown, plot, speedups, summarize
from benchmarks.frontier_time import export_files, time_files
from benchmarks.quantization_networks import Missing
from benchmarks.results import Table
from edgekit.distill import distill
from edgekit.errors import BudgetInfeasible, EdgeKitError
from edgekit.program.program import load
from edgekit.scratch import write
from edgekit.store import Store
from edgekit.types import RuntimeName

KEYS = ("network", "method", "target", "precision", "point", "seed")
PACKAGES = (
    *("torch", "torch-pruning", "ai-edge-litert", "onnxruntime", "openvino"),
    "scipy",
)


@dataclass(frozen=True, kw_only=True)
class Case:
    """One network to train. `target` is the runtime that it is planned for, `any` for peers."""

    network: str
    method: str
    target: str
    point: float
    seed: int

    @property
    def name(self) -> str:
        """Its file's name, without an ending."""
        return f"{self.cut}-seed-{self.seed}"

    @property
    def cut(self) -> str:
        """The same of its untrained network, which all seeds share."""
        return f"{self.method}-{self.target}-{self.point:g}".replace(" ", "-")


def cases(network: Network, seeds: int, asked: Asked) -> Iterator[Case]:
    """All networks to train, those first that a first comparison needs; `asked` has EdgeKit's
    speed-ups by target."""
    for seed in range(seeds):
        for method in METHODS:
            points = {"any": points_of(network, method)}
            for target, several in (asked if method == METHOD else points).items():
                for point in several:
                    yield Case(
                        network=network.name,
                        method=method,
                        target=target,
                        point=point,
                        seed=seed,
                    )


Asked = Mapping[str, tuple[float, ...]]


@dataclass(kw_only=True)
class Session:
    """One run of the benchmark: what it may do, and what it has loaded."""

    places: Places
    most: int | None
    minutes: float | None
    table: Table
    started: float

    def __post_init__(self) -> None:
        self._benches: dict[tuple[str, str], Bench] = {}

    def bench(self, network: Network, runtime: RuntimeName) -> Bench:
        """The network and its data, loaded once."""
        key = network.name, runtime
        if key not in self._benches:
            project = project_of(network, self.places)
            self._benches[key] = Bench.of(project, runtime)
        return self._benches[key]

    def folder(self, network: str) -> Path:
        """The folder of a network's cuts and files."""
        return self.places.cache / network

    def asked(self, network: Network) -> Asked:
        """The speed-ups that EdgeKit is asked for by target: as planned, or else to be."""
        path = self._asked_file(network)
        if path.is_file():
            found = json.loads(path.read_text())
            return {target: tuple(several) for target, several in found.items()}
        rows = [*self.table.rows.values()]
        return {target: speedups(rows, network, target) for target in network.targets}

    def keep_asked(self, network: Network, asked: Asked) -> None:
        """From now on these, whatever is timed later."""
        path = self._asked_file(network)
        path.parent.mkdir(parents=True, exist_ok=True)
        write(path, json.dumps(asked).encode())

    def _asked_file(self, network: Network) -> Path:
        return self.folder(network.name) / "asked.json"

    def may_begin(self) -> bool:
        """Return whether another network may be taken; counts it."""
        spent = (time.monotonic() - self.started) / 60
        if self.minutes is not None and spent > self.minutes:
            return False
        if self.most is not None:
            self.most -= 1
            return self.most >= 0
        return True


def plan(session: Session, expected: Sequence[Case]) -> None:
    """EdgeKit's cuts of all speed-ups, untrained."""
    for case in expected:
        place = session.folder(case.network) / f"{case.cut}-cut.pt2"
        facts = place.with_suffix(".json")
        if case.method != METHOD or facts.is_file():
            continue
        if not session.may_begin():
            return
        runtime: RuntimeName = case.target
        place.parent.mkdir(parents=True, exist_ok=True)
        try:
            cut = cut_for(session.bench(NETWORKS[case.network], runtime), case.point)
        except BudgetInfeasible as error:
            print(f"{case.network}: {error}", flush=True)
            write(facts, json.dumps({"refused": str(error)}).encode())
            continue
        cut.program.save(place)
        found = {name: value for name, value in vars(cut).items() if name != "program"}
        write(facts, json.dumps(found).encode())
        print(case.network, case.cut, found, flush=True)


def train(session: Session, expected: Sequence[Case]) -> None:
    """Train what is cut; each network and its facts are kept as they are made."""
    for case in expected:
        place = session.folder(case.network) / f"{case.name}.pt2"
        facts = place.with_suffix(".json")
        if facts.is_file() or (case.method == METHOD and not _planned(session, case)):
            continue
        if not session.may_begin():
            return
        start = time.process_time()
        network = NETWORKS[case.network]
        bench = session.bench(network, network.targets[0])
        loaded, project = bench.loaded, bench.request.project
        cut = session.folder(case.network) / f"{case.cut}-cut.pt2"
        program = load(cut) if case.method == METHOD else None
        if program is None:
            program = cut_by_peer(
                network,
                project,
                loaded.teacher,
                loaded.samples,
                session.places,
                case.method,
                case.point,
            )
        place.parent.mkdir(parents=True, exist_ok=True)
        if program is None:
            write(facts, json.dumps({"refused": "nothing to cut"}).encode())
            continue
        trained = distill(
            loaded.teacher,
            program,
            train=loaded.samples.train,
            validation=loaded.samples.validation,
            recipe=project.recipe.distill,
            seed=case.seed,
            kind=project.task.kind,
        ).program
        trained.save(place)
        found = {
            "parameters": sum(p.numel() for p in trained.module.parameters()),
            "cpu_seconds": round(time.process_time() - start, 1),
        }
        write(facts, json.dumps(found).encode())
        print(case.network, case.name, found, flush=True)


def export(session: Session, expected: Sequence[Case]) -> None:
    """Files and their accuracy: the rows, still without a latency."""
    uncut = [
        Case(network=name, method=UNCUT, target="any", point=1.0, seed=0)
        for name in dict.fromkeys(case.network for case in expected)
    ]
    for case in (*uncut, *expected):
        network = NETWORKS[case.network]
        for runtime in network.targets:
            if case.target not in ("any", runtime) or _exported(session, case, runtime):
                continue
            place = session.folder(case.network) / f"{case.name}.pt2"
            if case.method != UNCUT and not place.is_file():
                continue
            if not session.may_begin():
                return
            bench = session.bench(network, runtime)
            teacher = bench.loaded.teacher
            program = teacher if case.method == UNCUT else load(place)
            folder = session.folder(case.network) / "files" / case.name / runtime
            for file in export_files(bench, program, folder):
                row = {
                    **asdict(case),
                    "target": runtime,
                    "precision": file.precision,
                    "parameters": sum(p.numel() for p in program.module.parameters()),
                    "metric": file.metric,
                    "accuracy": file.accuracy,
                    "us": None,
                    "uncut_us": None,
                    "file": str(Path(file.path).relative_to(session.places.cache)),
                }
                session.table.add(row, summarize)
                print(row, flush=True)


def time_all(session: Session, network: Network) -> None:
    """Time the files of a network on runtimes that have one without a latency, in turns."""
    for runtime in network.targets:
        rows = [
            row
            for row in session.table.rows.values()
            if (row["network"], row["target"]) == (network.name, runtime)
            and (session.places.cache / row["file"]).is_file()
        ]
        if all(row["us"] is not None for row in rows):
            continue
        if not session.may_begin():
            return
        paths = {str(session.places.cache / row["file"]): row for row in rows}
        found = time_files([*paths], runtime)
        [uncut] = [
            path
            for path, row in paths.items()
            if (row["method"], row["precision"]) == (UNCUT, "fp32")
        ]
        for path, us in found.items():
            timed = {
                "us": statistics.median(us),
                "uncut_us": statistics.median(found[uncut]),
                "us_launches": us,
                "fraction": statistics.median(
                    one / whole for one, whole in zip(us, found[uncut], strict=True)
                ),
            }
            session.table.add({**paths[path], **timed}, summarize)
        print(network.name, runtime, f"{len(found)} files timed", flush=True)


def show(table: Table) -> None:
    """Print the tables of `RESULTS.md`, and draw the plot."""
    rows = list(table.rows.values())
    print("\n".join(markdown(rows)))
    plot(rows, table.path.with_suffix(".html"))
    summary = summarize(rows)
    print(json.dumps(summary, indent=1))


def _planned(session: Session, case: Case) -> bool:
    return (session.folder(case.network) / f"{case.cut}-cut.pt2").is_file()


def _exported(session: Session, case: Case, runtime: str) -> bool:
    key = {**asdict(case), "target": runtime}
    return any(
        all(row[name] == value for name, value in key.items())
        for row in session.table.rows.values()
    )


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    session = Session(
        places=Places(
            images=arguments.data,
            weights=arguments.weights,
            resnet56=arguments.resnet56,
            cache=arguments.cache.absolute(),
            teacher_epochs=arguments.teacher_epochs,
        ),
        most=arguments.most,
        minutes=arguments.minutes,
        table=Table("latency_frontier", KEYS, PACKAGES),
        started=time.monotonic(),
    )
    if arguments.step == "show":
        show(session.table)
        return
    for name in arguments.only or NETWORKS:
        network = NETWORKS[name]
        asked = session.asked(network)
        expected = [
            case
            for case in cases(network, arguments.seeds, asked)
            if arguments.method in (None, case.method)
        ]
        try:
            if arguments.step == "plan":
                session.keep_asked(network, asked)
            if arguments.step == "time":
                time_all(session, network)
            else:
                steps = {"plan": plan, "train": train, "export": export}
                steps[arguments.step](session, expected)
        except (Missing, EdgeKitError) as error:
            print(f"{name} is left out: {error}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("step", choices=("train", "export", "time", "plan", "show"))
    shared = ROOT.parent / "shared"
    models = Path(os.environ.get("FRONTIER_MODELS", shared / "models"))
    parser.add_argument("--data", type=Path, default=shared / "data/cifar10-jpeg.zip")
    parser.add_argument(
        "--weights", type=Path, default=models / "resnet20-cifar10-jpeg.safetensors"
    )
    parser.add_argument(
        "--resnet56", type=Path, default=models / "third-party/resnet56-4bfd9763.th"
    )
    parser.add_argument("--cache", type=Path, default=Store().root / "latency_frontier")
    parser.add_argument("--only", nargs="+", choices=NETWORKS, metavar="NETWORK")
    parser.add_argument("--method", choices=METHODS, metavar="METHOD")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--most", type=int, help="networks that a step takes")
    parser.add_argument("--minutes", type=float, help="after which none is begun")
    parser.add_argument("--teacher-epochs", type=int, default=8)
    return parser.parse_args()


if __name__ == "__main__":
    main()
