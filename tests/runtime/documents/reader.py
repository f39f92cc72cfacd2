"""A reader, who goes through a page in a fresh folder, block by block."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edgekit.child import python
from edgekit.config import project
from edgekit.errors import EdgeKitError
from tests.runtime.documents import folders, kernel, pages
from tests.runtime.documents.pages import Block
from tests.unit.test_habits import ROOT

ELSEWHERE = {
    "edgekit build --targets all": "every target is a build of minutes",
    "edgekit search -t raspberrypi --vary budget": "twelve builds; docs/search.md has two",
    "make ": "builds the whole environment, and runs every test",
    "-m venv": "an environment of its own; `make release-check` makes one",
    "pip install": "the same; it is filled from the wheel and the lock",
    "pip wheel": "the wheel; `make release-check` builds it",
    "hf download": "needs the network",
    "docker run": "needs a Docker engine, and an image",
    "edgekit package --docker": "needs a Docker engine",
    "--target host --image": "an image; tests/device/package builds and runs them",
    "--device browser": "minutes of a browser's launches; `tests/runtime/devices` has short ones",
    "build/web": "the bundle of a build in a browser",
    "container:": "needs a Docker engine",
    "ssh://": "needs a board",
    "ray start": "a service on machines; tests/runtime/pipeline/fleet has clusters",
    "devices check": "needs the boards of the file; tests/runtime/bench checks this machine",
    "--address auto": "needs such a cluster",
    "adb://": "needs a telephone",
    "accelerate launch": "needs several processors or machines",
    "torchrun": "two whole trainings; a build of two processes has a test of its own",
    "profile-device": "minutes of kernels; tests/runtime/cost measures some",
    "npm run demo": "serves until it is stopped; tests/runtime/package/web runs the packages",
}
"""Parts of commands that do not run here, and why. Their options are checked all the same."""
NEEDS = {
    "edgekit package --web": "npm",
    "--track sqlite": "mlflow",
    "--tensorboard": "tensorboard",
    "edgekit decoder export": "openvino_genai",
    "edgekit decoder bench": "openvino_genai",
    "--budget tokens_per_s": "openvino_genai",
    "--lora": "peft",
    "--engine ray": "ray",
    "edgekit search": "optuna",
    "ek.search(": "optuna",
}
"""Parts of commands and of blocks of Python, and the program or package that a machine may lack.
With it they run."""
MAY_END = {
    "edgekit bench ": 4,  # figures of a busy machine must not be quoted
    "--set budget.speedup=6": 1,  # no test counts on speed
}
"""Parts of commands, and an exit code beside 0 that leaves the page right."""
INSTEAD = {
    'device="ssh://pi@raspberrypi"': 'device="local"',
    "budget=budget\n)  # no training": "budget=budget, recipe=quick\n)  # no training",
    "epochs=20": "epochs=1",
    'out="build/raspberrypi4"': 'out="build/raspberrypi4", recipe=quick',
}
"""Parts of blocks of Python that need a board or minutes, and what runs in their place."""
QUICK = tomllib.loads(
    """
    [recipe]
    minutes = 0
    [recipe.prune]
    cost_provenance = "estimated"
    rounds = 1
    iterations = 1
    [recipe.distill]
    epochs = 1
    [recipe.export]
    runtimes = ["litert"]
    precisions = ["fp32"]
    [recipe.bench]
    runtime_options_s = 0
    [target.raspberrypi-armv7.recipe.export]
    runtimes = ["tflite-runtime"]
    """
)
"""Under every project, so that builds take seconds; keys that a page has stay as they are."""
TIMED = ("speedup", "latency_ms", "memory_mb", "energy_mj")
SECONDS = 300


class Fault(AssertionError):
    """A block of a page that does not work."""


@dataclass(frozen=True, kw_only=True)
class Shell:
    """A reader's terminal: `edgekit` and `python` are forks of one process."""

    bin: Path
    process: subprocess.Popen[bytes]

    @classmethod
    def opened(cls, folder: Path) -> Shell:
        """With its programs in `folder`, ready to be used."""
        bin = folder / "bin"
        bin.mkdir()
        address = str(Path(tempfile.mkdtemp(prefix="reader-")) / "kernel")
        client = kernel.CLIENT.format(python=sys.executable, address=address)
        for name in ("edgekit", "python"):
            (bin / name).write_text(client)
            (bin / name).chmod(0o755)
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        command = python(str(kernel.__file__), address)
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
        while not Path(address).exists():
            if process.poll() is not None:
                raise RuntimeError(f"{command} ended with {process.returncode}")
            time.sleep(0.05)
        return cls(bin=bin, process=process)

    def close(self) -> None:
        """End the process, which ends with its input."""
        self.process.communicate()

    def type(
        self, command: str, folder: Path, cache: Path
    ) -> subprocess.CompletedProcess[str]:
        """Run a command in a folder; its exit code and output."""
        return subprocess.run(
            ["sh", "-c", command],
            cwd=folder,
            env={
                **os.environ,
                "PATH": f"{self.bin}{os.pathsep}{os.environ['PATH']}",
                "EDGEKIT_CACHE": str(cache),
                "EDGEKIT_LOCK": str(cache.with_name("lock")),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )


@dataclass(kw_only=True)
class Reader:
    """Somebody with a page, a folder and a terminal; `built` is a project as `folders` takes it."""

    page: Path
    name: str
    folder: Path
    cache: Path
    shell: Shell
    built: Path
    _seen: str = field(default="", init=False)

    def read(self) -> None:
        """Go through the page. Raises `Fault` at the first thing that does not work."""
        own = folders.HAS.get(self.name, {"": folders.project})
        own[""](self.folder, self.built)
        headings = {""}
        for block in pages.blocks(self.page):
            if block.heading not in headings:
                headings.add(block.heading)
                own.get(block.heading, folders.empty)(self.folder, self.built)
            self._do(block)

    def _do(self, block: Block) -> None:
        if block.language == "toml":
            self._enter(block)
        elif block.language == "python":
            self._run(block)
        elif block.language == "sh":
            for command in block.commands:
                self._type(command, block)

    def _enter(self, block: Block) -> None:
        """Put a block into `edgekit.toml`, and have the project's own loader read it; save one
        that names its file."""
        if block.file is not None:
            (self.folder / block.file).write_text(block.text)
            return
        entered = pages.merged(self._document(), tomllib.loads(block.text))
        (self.folder / project.FILE).write_text(pages.dumped(entered))
        try:
            project.load(self.folder)
        except EdgeKitError as error:
            raise self._fault(block, f"is refused: {error}") from error
        self._quicken()

    def _run(self, block: Block) -> None:
        """Save a file that is named, and run what is none."""
        if block.file is not None:
            (self.folder / block.file).write_text(block.text)
            return
        if missing(block.text):
            return
        held = self.folder / "session.py"
        text = (held.read_text() if held.exists() else "") + block.text
        for part, other in INSTEAD.items():
            text = text.replace(part, other)
        trained = re.sub(
            r"^(\w+)( = .*  # trained)$", r"\1\2\ntrain(\1)", text, flags=re.M
        )
        if trained != text:
            trained = f"from tests.runtime.documents.training import train\n{trained}"
        (self.folder / "block.py").write_text(trained)
        self._end("python block.py", block)

    def _type(self, command: str, block: Block) -> None:
        if any(part in command for part in ELSEWHERE) or missing(command):
            return
        for part in command.split("&&"):
            self._end(part.strip(), block)
        self._quicken()

    def _end(self, command: str, block: Block) -> None:
        done = self.shell.type(command, self.folder, self.cache)
        allowed = {0} | {code for part, code in MAY_END.items() if part in command}
        if done.returncode not in allowed:
            said = (done.stderr or done.stdout)[-900:]
            raise self._fault(block, f"{command!r} ends with {done.returncode}: {said}")

    def _document(self) -> dict[str, Any]:
        file = self.folder / project.FILE
        return tomllib.loads(file.read_text()) if file.exists() else {}

    def _quicken(self) -> None:
        """Fill in the preprocessing and make builds quick, where the project changed."""
        file = self.folder / project.FILE
        if not file.exists() or file.read_text() == self._seen:
            return
        known = tomllib.loads(folders.FILLS.get(self.name, folders.IMAGES))
        self._seen = pages.dumped(quick(pages.layered(self._document(), known)))
        file.write_text(self._seen)

    def _fault(self, block: Block, text: str) -> Fault:
        return Fault(f"{self.name}:{block.line}: {text}")


def quick(document: Mapping[str, Any]) -> dict[str, Any]:
    """The project with `QUICK` under it, without budgets that a short training or a busy machine
    could miss; with one that every network of the pages keeps, uncut."""
    whole = pages.layered(QUICK, document)
    for owner in (whole, *whole.get("target", {}).values()):
        if "budget" in owner:
            kept = {k: v for k, v in owner["budget"].items() if k not in TIMED}
            owner["budget"] = {**kept, "accuracy_drop": 0.9}
    whole["budget"] = {"size_mb": 50.0, **whole.get("budget", {})}
    return whole


def missing(text: str) -> str | None:
    """The program or package that a command or a block needs and this machine lacks."""
    for part, name in NEEDS.items():
        found = shutil.which(name) or importlib.util.find_spec(name)
        if part in text and not found:
            return name
    return None
