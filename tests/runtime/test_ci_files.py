"""The ready files of `docs/ci`: their steps, run literally, end green and red."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from edgekit.child import environment, python
from tests.runtime.commands import planted

CI = Path(__file__).parents[2] / "docs/ci"


def read(name: str) -> Any:
    return yaml.safe_load((CI / name).read_text())


def github() -> list[tuple[str, Mapping[str, str]]]:
    whole = read("github.yml")
    steps = whole["jobs"]["gate"]["steps"]
    return [(step["run"], whole["env"]) for step in steps if "run" in step]


def gitlab() -> list[tuple[str, Mapping[str, str]]]:
    job = read("gitlab-ci.yml")["gate"]
    lines = [*job["before_script"], *job["script"]]
    return [(line, job["variables"]) for line in lines]


def action() -> list[tuple[str, Mapping[str, str]]]:
    whole = read("action/action.yml")
    given = {"model": "model.onnx", "baseline": "baseline.json"}
    values = {
        name: given.get(name, each.get("default"))
        for name, each in whole["inputs"].items()
    }

    def filled(text: str) -> str:
        for name, value in values.items():
            text = text.replace(f"${{{{ inputs.{name} }}}}", str(value))
        return text

    return [
        (step["run"], {k: filled(v) for k, v in step["env"].items()})
        for step in whole["runs"]["steps"]
    ]


def hook() -> list[tuple[str, Mapping[str, str]]]:
    [repo] = read("pre-commit-config.yaml")["repos"]
    return [(one["entry"], {}) for one in repo["hooks"]]


FILES = {"github": github, "gitlab": gitlab, "action": action, "hook": hook}


@pytest.mark.parametrize("name", FILES)
def test_every_step_is_a_command_with_options_that_there_are(name: str) -> None:
    steps = FILES[name]()
    assert steps
    words = {word for text, _ in steps for word in text.split() if word[:2] == "--"}
    said = subprocess.run(
        python("-m", "edgekit", "gate", "--help"),
        env={**environment(), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert not [word for word in words if word not in said]


@pytest.fixture(scope="module")
def gated(exported_project: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model with its network, its data and its baseline. Read only."""
    root = tmp_path_factory.mktemp("gated")
    folder = planted.copied(exported_project, root / "own")
    made = "edgekit gate model.onnx --out baseline.json --quiet"
    assert run(made, folder, root / "summary.md", {}) == 0
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_the_steps_end_green_and_red(name: str, gated: Path, tmp_path: Path) -> None:
    folder = tmp_path / "own"
    shutil.copytree(gated, folder)
    summary = tmp_path / "summary.md"
    assert walk(FILES[name](), folder, summary) == 0
    green = (folder / "gate.xml").read_text() if name != "hook" else ""
    assert "<failure" not in green
    planted.slower_operators(folder)
    summary.unlink(missing_ok=True)
    assert walk(FILES[name](), folder, summary) == 1
    if name == "hook":
        return
    root = ElementTree.parse(folder / "gate.xml").getroot()
    red = [case.get("name") for case in root.iter("testcase") if case.find("failure")
           is not None]  # fmt: skip
    assert red == ["slow_operators"]
    if name == "gitlab":
        [issue] = json.loads((folder / "gate-quality.json").read_text())
        assert issue["check_name"] == "edgekit-gate-slow_operators"
    else:
        assert "| :x: fail | slow_operators | 3 after 0 |" in summary.read_text()
        assert json.loads((folder / "gate.sarif").read_text())["version"] == "2.1.0"


def walk(
    steps: list[tuple[str, Mapping[str, str]]], folder: Path, summary: Path
) -> int:
    """Exit code of the first step that fails; `pip install` has been done already."""
    for text, variables in steps:
        if not text.startswith("pip install "):
            code = run(text, folder, summary, variables)
            if code:
                return code
    return 0


def run(text: str, folder: Path, summary: Path, variables: Mapping[str, str]) -> int:
    """A step in the shell that GitHub and GitLab use."""
    commands = folder.parent / "bin"
    commands.mkdir(exist_ok=True)
    command = commands / "edgekit"
    command.write_text(f'#!/bin/sh\nexec {" ".join(python("-m", "edgekit"))} "$@"\n')
    command.chmod(0o755)
    bash = shutil.which("bash")
    assert bash is not None
    return subprocess.run(
        [bash, "-e", "-o", "pipefail", "-c", text],
        cwd=folder,
        env={
            **environment(),
            **variables,
            "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}",
            "GITHUB_STEP_SUMMARY": str(summary),
        },
        check=False,
    ).returncode
