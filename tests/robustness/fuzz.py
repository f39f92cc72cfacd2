"""`make fuzz`: damaged files of every kind, read as EdgeKit reads them.

    python -m tests.robustness.fuzz [--tries 500] [--first 0] [--seed 0] [--only KIND]

A try is refused in one line, or loads. A traceback, a signal, a timeout or code that runs is a
fault, and the command fails. The table is the last thing printed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from tests.robustness import hostile_pt2, mutate
from tests.robustness.readers import KINDS, Kind

LIMIT_S, SLOW_LIMIT_S = 30.0, 180.0
_OUTCOMES = ("refused", "loaded", "tracebacks", "hangs", "code run")
_FAULTS = _OUTCOMES[2:]
_STARTS = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "os.fork",
           "socket.connect", "webbrowser.open")  # fmt: skip
_CHUNK = 100
_DIED = "its process ended"


@dataclass(kw_only=True)
class Tally:
    """Outcomes of a kind's tries, and the first few faults."""

    counts: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not any(self.counts[name] for name in _FAULTS)


def fuzz(kind: Kind, tries: int, seed: int, jobs: int = 1, first: int = 0) -> Tally:
    """`tries` mutations of `kind` from the number `first` on, in processes of their own."""
    tally, end = Tally(), first + tries
    spans = [range(n, min(n + _CHUNK, end)) for n in range(first, end, _CHUNK)]
    with ThreadPoolExecutor(jobs) as pool:
        for found in pool.map(lambda span: list(_span(kind, span, seed)), spans):
            for outcome, said in found:
                tally.counts[outcome] += 1
                if outcome in _FAULTS:
                    tally.faults.append(said)
    return tally


def _span(kind: Kind, numbers: range, seed: int) -> Iterator[tuple[str, str]]:
    """The outcome of each number; a process that dies is replaced after the one it died of."""
    left = list(numbers)
    while left:
        ours, theirs = multiprocessing.get_context("fork").Pipe(duplex=False)
        process = multiprocessing.get_context("fork").Process(
            target=_work, args=(kind, left, seed, theirs)
        )
        process.start()
        theirs.close()
        while left:
            outcome, said = _next(ours, process, kind)
            number = left.pop(0)
            yield outcome, f"{kind.name} {number}: {said}"
            if outcome == "hangs" or said.startswith(_DIED):
                break
        process.kill()
        process.join()


def _next(ours: Connection, process: Any, kind: Kind) -> tuple[str, str]:
    limit = SLOW_LIMIT_S if kind.slow else LIMIT_S
    try:
        if ours.poll(limit):
            outcome: tuple[str, str] = ours.recv()
            return outcome
        return "hangs", f"no end within {limit:g} s"
    except EOFError:
        process.join(10)
        return "tracebacks", f"{_DIED} with {process.exitcode}"


def _work(kind: Kind, numbers: list[int], seed: int, pipe: Connection) -> None:
    """In the process: one try after the other, each in a folder of its own."""
    warnings.simplefilter("ignore")
    started: list[str] = []
    sys.addaudithook(lambda event, given: _watch(kind, started, event, given))
    devices = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devices, 1)
    os.dup2(devices, 2)
    with tempfile.TemporaryDirectory(prefix="edgekit-fuzz-") as name:
        sound = Path(name) / "sound"
        sound.mkdir()
        _apart(kind, sound)
        canary = Path(name) / "canary"
        bases = _bases(kind, sound, Path(name), canary)
        started.clear()
        for number in numbers:
            folder = Path(name) / f"try-{number}"
            shutil.copytree(sound, folder)
            base = bases[number % len(bases)] if number % 3 == 0 else bases[0]
            content = mutate.of(base, kind.damage, hash((seed, number)))
            if base is not bases[0] and number % 2:
                content = base
            (folder / kind.file).write_bytes(content)
            outcome = _try(kind, folder / kind.file)
            if canary.exists() or started:
                outcome = ("code run", ", ".join(started) or "the canary is there")
                canary.unlink(missing_ok=True)
                started.clear()
            pipe.send(outcome)
            shutil.rmtree(folder)


def _apart(kind: Kind, folder: Path) -> None:
    """The sound file, made in a process of its own: some libraries start threads for it."""
    process = os.fork()
    if not process:
        try:
            kind.make(folder)
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(process, 0)
    if status:
        raise RuntimeError(f"no sound file of kind {kind.name} ({status})")


def _watch(kind: Kind, started: list[str], event: str, given: Any) -> None:
    if event in _STARTS and not kind.slow:
        started.append(f"{event} {str(given)[:120]}")


def _bases(kind: Kind, sound: Path, folder: Path, canary: Path) -> list[bytes]:
    """The sound file, and for formats that can carry code, ones that do."""
    path = sound / kind.file
    found = [path.read_bytes()]
    if kind.name == "pt2":
        (folder / "hostile").mkdir()
        files = hostile_pt2.make_all(path, folder / "hostile", canary)
        found += [file.read_bytes() for file in files]
    if kind.name == "pt":
        found += hostile_pt2.pickles(canary)
    return found


def _try(kind: Kind, path: Path) -> tuple[str, str]:
    from edgekit.errors import EdgeKitError

    try:
        kind.read(path)
    except EdgeKitError as error:
        text = str(error)
        if "\n" in text or len(text) > 1000:
            return "tracebacks", f"not one line: {text[:200]!r}"
        return "refused", ""
    except BaseException as error:  # noqa: BLE001 - to be counted, not hidden
        last = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(last.filename).name}:{last.lineno}"
        return "tracebacks", f"{type(error).__name__} at {place}: {str(error)[:160]}"
    return "loaded", ""


def table(tallies: dict[str, Tally], tries: dict[str, int]) -> str:
    rows = [("kind", "tries", *_OUTCOMES)]
    for name, tally in tallies.items():
        counts = (str(tally.counts[outcome]) for outcome in _OUTCOMES)
        rows.append((name, str(tries[name]), *counts))
    total = Counter[str]()
    for tally in tallies.values():
        total.update(tally.counts)
    rows.append(
        ("total", str(sum(tries.values())), *(str(total[o]) for o in _OUTCOMES))
    )
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if number == 0 else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tries", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    given = parser.parse_args()
    kinds = [kind.name for kind in KINDS]
    unknown = [name for name in given.only or () if name not in kinds]
    if unknown:
        parser.error(f"no kind {', '.join(unknown)}; there are {', '.join(kinds)}")
    import torch

    torch.set_num_threads(1)
    tallies, tries = {}, {}
    for kind in KINDS:
        if given.only and kind.name not in given.only:
            continue
        if kind.missing:
            print(f"{kind.name}: left out, it {kind.missing}", flush=True)
            continue
        began = time.monotonic()
        tries[kind.name] = given.tries
        tallies[kind.name] = fuzz(
            kind, given.tries, given.seed, given.jobs, given.first
        )
        spent = time.monotonic() - began
        print(
            f"{kind.name}: {dict(tallies[kind.name].counts)} in {spent:.0f} s",
            flush=True,
        )
        for fault in tallies[kind.name].faults[:5]:
            print(f"  {fault}", flush=True)
    print(table(tallies, tries))
    return 0 if all(tally.sound for tally in tallies.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
