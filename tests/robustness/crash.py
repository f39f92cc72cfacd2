"""A build killed at random moments, and two builds at once: `python -m tests.robustness.crash`.

A first build of the digits example writes `edgekit.lock`, and a second one repeats it (`--locked`)
in an empty cache. Each try starts a locked build with a cache of its own, kills its process group
at a seeded moment (SIGKILL), runs it again and compares the bundle with that of the undisturbed
locked build, file by file, and what lies in the cache, the output folder and the folder for
temporary files. Then two locked builds start at the same moment, with one cache and one output
folder, and are compared so too. Exits with 1 on any miss.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
RECIPE = """
[recipe.distill]
epochs = 3
checkpoint_minutes = 0.0

[recipe.prune]
cost_provenance = "estimated"

[recipe.export]
runtimes = ["onnxruntime"]
precisions = ["fp32"]

[recipe.bench]
runtime_options_s = 0.0
"""
TIMED = ("report.json", "report.html", "manifest.json")
"""Files with milliseconds or the time of day; the manifest is compared without them."""


@dataclass(frozen=True, kw_only=True)
class Place:
    """A project with a cache, an output folder and a folder for temporary files."""

    root: Path

    @property
    def bundle(self) -> Path:
        return self.root / "out/bundle"

    def start(self, *more: str) -> subprocess.Popen[bytes]:
        environment = {
            **os.environ,
            "EDGEKIT_CACHE": str(self.root / "cache"),
            "TMPDIR": str(self.root / "tmp"),
            "PYTHONPATH": str(ROOT),
        }
        command = [sys.executable, "-m", "edgekit", "build", "-t", "raspberrypi"]
        with (self.root / "log").open("ab") as log:
            return subprocess.Popen(
                [
                    *(*command, "-p", str(self.root / "project")),
                    *("-o", str(self.bundle), *more),
                ],
                cwd=self.root,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def left(self) -> Iterator[str]:
        """Leftovers of a build: scratch folders, half trainings, temporary files."""
        yield from (str(p) for p in self.root.rglob(".*edgekit-*"))
        # Timed jobs take turns over a lock file that stays; PyTorch has a cache for all programs.
        found = [p for p in (self.root / "tmp").iterdir() if p.suffix != ".lock"]
        yield from (str(p) for p in found if not p.name.startswith("torchinductor_"))
        yield from (str(p) for p in (self.root / "out").iterdir() if p != self.bundle)
        for stage in ("training", "calls"):
            folder = self.root / "cache" / stage
            yield from (str(p) for p in folder.iterdir() if folder.is_dir())


def made(root: Path) -> Place:
    for name in ("tmp", "out", "cache/training", "cache/calls"):
        (root / name).mkdir(parents=True)
    shutil.copytree(ROOT / "examples/digits", root / "project")
    file = root / "project/edgekit.toml"
    budget = "speedup       = 6.0                     # against the unpruned fp32 network, same run"
    text = file.read_text()
    assert budget in text
    text = text.replace(budget, "mmacs = 3.0").replace(
        "accuracy_drop = 0.01", "accuracy_drop = 0.5"
    )
    file.write_text(text[: text.index("[target.")] + RECIPE)
    return Place(root=root)


def contents(bundle: Path) -> dict[str, str]:
    """A digest of each file that repeats, and the manifest's contract."""
    found = {
        path.relative_to(bundle).as_posix(): hashlib.sha256(
            path.read_bytes()
        ).hexdigest()
        for path in sorted(bundle.rglob("*"))
        if path.is_file() and path.name not in TIMED
    }
    manifest = json.loads((bundle / "manifest.json").read_text())
    for timed in ("created", "files"):
        del manifest[timed]
    return {**found, "manifest.json": json.dumps(manifest, sort_keys=True)}


def locked(root: Path, lock: Path) -> Place:
    """A project with the lock of an earlier build."""
    place = made(root)
    shutil.copyfile(lock, root / "project/edgekit.lock")
    return place


def undisturbed(place: Place, *more: str) -> tuple[dict[str, str], float]:
    began = time.monotonic()
    if place.start(*more).wait() != 0:
        sys.exit(f"The undisturbed build failed:\n{(place.root / 'log').read_text()}")
    if left := list(place.left()):
        sys.exit(f"The undisturbed build left {left}")
    return contents(place.bundle), time.monotonic() - began


def killed(place: Place, after_s: float) -> bool:
    """Return whether the kill met the build before it ended."""
    process = place.start("--locked")
    try:
        process.wait(after_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        return True
    return False


def outcome(place: Place, after_s: float, right: dict[str, str]) -> tuple[bool, str]:
    """Return whether the second build ended as an undisturbed one, and in words what happened."""
    met = killed(place, after_s)
    passed, words = judged(place, [place.start("--locked").wait()], right)
    return passed, words if met or not passed else f"{words} (ended before the kill)"


def together(place: Place, right: dict[str, str]) -> tuple[bool, str]:
    """The same of two builds at once."""
    both = [place.start("--locked"), place.start("--locked")]
    return judged(place, [one.wait() for one in both], right)


def judged(
    place: Place, statuses: list[int], right: dict[str, str]
) -> tuple[bool, str]:
    """Return whether all ended well with the `right` files and left nothing, in words too."""
    if any(statuses):
        return False, f"exit {statuses}: {(place.root / 'log').read_text()[-300:]}"
    found = contents(place.bundle)
    differ = sorted(k for k in {**right, **found} if right.get(k) != found.get(k))
    if differ:
        return False, f"differs: {', '.join(differ)}"
    if left := list(place.left()):
        return False, f"left: {', '.join(left)}"
    return True, "as undisturbed"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--pairs", type=int, default=10, help="of builds at once")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    draw, good = random.Random(arguments.seed), 0
    with TemporaryDirectory(prefix="crash-") as name:
        first = made(Path(name) / "first")
        undisturbed(first)
        lock = first.root / "project/edgekit.lock"
        again = locked(Path(name) / "undisturbed", lock)
        right, seconds = undisturbed(again, "--locked")
        print(f"undisturbed: {seconds:.1f} s, {len(right)} files", flush=True)
        for number in range(arguments.kills):
            after_s = draw.uniform(0.02, 0.98) * seconds
            root = Path(name) / f"killed-{number}"
            passed, words = outcome(locked(root, lock), after_s, right)
            good += passed
            mark = "ok  " if passed else "MISS"
            print(
                f"{number + 1:3d}  killed at {after_s:6.1f} s  {mark}  {words}",
                flush=True,
            )
            shutil.rmtree(root)
        for number in range(arguments.pairs):
            root = Path(name) / f"pair-{number}"
            passed, words = together(locked(root, lock), right)
            good += passed
            mark = "ok  " if passed else "MISS"
            print(f"{number + 1:3d}  two at once          {mark}  {words}", flush=True)
            shutil.rmtree(root)
    tries = arguments.kills + arguments.pairs
    print(f"{good} of {tries} end with the files of the undisturbed build")
    sys.exit(good != tries)


if __name__ == "__main__":
    main()
