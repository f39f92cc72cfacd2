from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from edgekit.agent import runtimes as agent
from edgekit.config import targets
from edgekit.errors import TargetError, UsageError
from edgekit.runtimes import registry
from tests.runtime.conftest import WRITERS

TEXT = """
from edgekit.runtimes.record import Runtime

RECORD = Runtime(
    name="{name}", title="Abacus", color="#123456", suffixes=(".beads",),
    recognizes=lambda head: head.startswith(b"beads"), precisions=("fp32",),
    package="numpy", module="numpy", install="pip install numpy", extra="abacus",
)
"""


def added(folder: Path, place: str, name: str) -> Path:
    home = folder / "runtimes" / place
    home.mkdir(parents=True)
    (home / "__init__.py").write_text(TEXT.format(name=name))
    (home / "agent.py").write_text("PACKAGE = 'numpy'\n")
    return home


@pytest.fixture
def extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EDGEKIT_PLUGINS", str(tmp_path))
    return tmp_path


def test_the_folders_are_the_runtimes_and_each_has_its_half_on_the_device() -> None:
    measured = registry.measured(registry.known())
    assert list(measured) == agent.names()
    assert registry.converted(registry.known()) == ("coreml",)
    assert "litert" in registry.known()
    for name, runtime in registry.known().items():
        assert runtime.name == name
        assert runtime.has("exporter")


def test_a_folder_of_the_user_is_a_runtime_while_it_is_named(
    extra: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = added(extra, "hand_abacus", "hand-abacus")
    assert registry.get("hand-abacus").title == "Abacus"
    assert registry.get("hand-abacus").folder == home
    assert not registry.get("hand-abacus").has("exporter")
    assert "hand-abacus" in agent.names()
    monkeypatch.delenv("EDGEKIT_PLUGINS")
    assert "hand-abacus" not in registry.known()
    assert "hand-abacus" not in agent.names()


def test_a_profile_can_name_it_and_nothing_else(extra: Path) -> None:
    added(extra, "slide_rule", "slide-rule")
    board = (targets.shipped("targets") / "raspberrypi4.toml").read_text()
    folder = extra / "targets"
    folder.mkdir()
    text = re.sub(r"runtimes = \[.*\]", 'runtimes = ["slide-rule"]', board)
    (folder / "board.toml").write_text(text)
    assert targets.load("board", folders=[folder]).runtimes == ("slide-rule",)
    (folder / "board.toml").write_text(text.replace('"slide-rule"', '"slide"'))
    with pytest.raises(TargetError, match=r"runtimes\[0\] = \"slide\".*'slide-rule'"):
        targets.load("board", folders=[folder])


def test_an_unknown_name_is_one_line_with_the_names_there_are() -> None:
    named = r"^No runtime 'lite'\. Did you mean 'litert'\? Known: coreml, executorch, litert, .*\.$"
    with pytest.raises(UsageError, match=named):
        registry.get("lite")


@pytest.mark.parametrize(
    ("place", "record", "said"),
    [
        ("empty_one", "", "has no RECORD"),
        ("other_name", TEXT.format(name="else"), "has a record of 'else'"),
        ("openvino", TEXT.format(name="openvino"), "has a module of that name already"),
    ],
)
def test_a_folder_without_a_record_of_its_name_is_refused(
    extra: Path, place: str, record: str, said: str
) -> None:
    home = extra / "runtimes" / place
    home.mkdir(parents=True)
    (home / "__init__.py").write_text(record)
    with pytest.raises(UsageError, match=said):
        registry.known()


def test_files_are_read_by_their_own_runtime_and_by_who_takes_its_place() -> None:
    assert registry.readers("tflite-runtime") == ("tflite-runtime", "litert")
    assert registry.readers("litert") == ("litert", "tflite-runtime")
    assert registry.readers("openvino") == ("openvino",)


def test_records_import_no_runtime() -> None:
    heavy = ("torch", "onnx", "onnxruntime", "openvino", "ai_edge_litert", "numpy")
    code = (
        "import sys; from edgekit.runtimes import registry; registry.known(); "
        f"print(*(name for name in {heavy!r} if name in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("\n", "")


@pytest.mark.parametrize("name", sorted(WRITERS))
def test_an_artifact_is_known_by_its_content_and_a_damaged_one_by_its_name(
    name: str, tmp_path: Path
) -> None:
    write, file = WRITERS[name]
    right = write(tmp_path / file).path
    misnamed = tmp_path / "model.beads"
    misnamed.write_bytes(right.read_bytes())
    right.write_bytes(b"damaged")
    for path in (misnamed, right, tmp_path / "absent" / file):
        found = registry.of_file(path)
        assert found is not None and found.name == name
    assert registry.recognized(right) is None


def test_what_is_not_a_file_is_not_opened(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    assert registry.of_file(pipe) is None
    assert registry.of_file(tmp_path) is None
