"""Records are found by scanning, in EdgeKit's own rooms and in folders that a user adds."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from edgekit import plugins
from edgekit.errors import UsageError
from edgekit.sources import Source

ROOM = "edgekit.sources"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A plugin folder with an empty room for sources."""
    before = set(sys.modules)
    (tmp_path / "sources").mkdir()
    monkeypatch.setenv(plugins.PLUGINS, str(tmp_path))
    yield tmp_path / "sources"
    for name in set(sys.modules) - before:
        if name.startswith(f"{ROOM}."):
            del sys.modules[name]
    monkeypatch.delenv(plugins.PLUGINS)
    plugins.extend(ROOM)


def test_a_module_in_an_added_folder_is_found_beside_the_own(folder: Path) -> None:
    own = set(plugins.modules(ROOM))
    (folder / "two_words.py").write_text("RECORD = 'one'\n")
    (folder / "_helper.py").write_text("raise AssertionError\n")

    assert set(plugins.modules(ROOM)) == own | {"two-words"}
    assert plugins.record(ROOM, "two-words", str) == "one"
    assert plugins.record(ROOM, "three-words", str) is None
    assert importlib.import_module(f"{ROOM}.two_words").RECORD == "one"


def test_a_folder_is_a_module_and_single_files_can_be_left_out(folder: Path) -> None:
    (folder / "whole").mkdir()
    (folder / "whole" / "__init__.py").write_text("from .part import RECORD\n")
    (folder / "whole" / "part.py").write_text("RECORD = 'whole'\n")
    (folder / "single.py").write_text("RECORD = 'single'\n")

    found = plugins.modules(ROOM, folders_only=True)

    assert "whole" in found
    assert "single" not in found
    assert plugins.record(ROOM, "whole", str) == "whole"


def test_own_modules_without_a_record_are_helpers() -> None:
    assert plugins.records("edgekit.types", ModuleType) == {}


def test_a_folder_that_is_left_out_again_is_not_a_longer_searched(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "there.py").write_text("RECORD = 1\n")
    assert "there" in plugins.modules(ROOM)
    monkeypatch.delenv(plugins.PLUGINS)
    assert "there" not in plugins.modules(ROOM)
    monkeypatch.setenv(plugins.PLUGINS, str(folder.parent))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x = 1\n", "has no RECORD of the type builtins.str"),
        ("RECORD = 3\n", "has no RECORD of the type builtins.str"),
        ("import no_such_library\n", "ModuleNotFoundError"),
        ("def broken(:\n", "SyntaxError"),
        ("raise KeyError('why')\n", "KeyError: 'why'"),
    ],
)
def test_a_broken_plugin_is_named(folder: Path, content: str, words: str) -> None:
    (folder / "toy.py").write_text(content)
    with pytest.raises(UsageError) as error:
        plugins.record(ROOM, "toy", str)
    assert "toy" in str(error.value)
    assert words in str(error.value)
    assert plugins.PLUGINS in str(error.value)


def test_a_plugin_does_not_take_the_place_of_another_module(folder: Path) -> None:
    taken = next(iter(plugins.modules(ROOM)))
    (folder / f"{taken.replace('-', '_')}.py").write_text("RECORD = 'other'\n")
    with pytest.raises(UsageError, match="already"):
        plugins.modules(ROOM)


def test_a_plugin_folder_that_is_not_there_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(plugins.PLUGINS, str(tmp_path / "absent"))
    with pytest.raises(UsageError, match="absent, which is not there"):
        plugins.modules(ROOM)


def test_several_folders_are_searched(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / "sources"
    other.mkdir(parents=True)
    (folder / "first.py").touch()
    (other / "second.py").touch()
    both = os.pathsep.join((str(folder.parent), str(other.parent)))
    monkeypatch.setenv(plugins.PLUGINS, both)
    assert {"first", "second"} <= set(plugins.modules(ROOM))


def test_a_signal_in_a_plugin_stays_a_signal(folder: Path) -> None:
    (folder / "stopped.py").write_text("raise KeyboardInterrupt\n")
    with pytest.raises(KeyboardInterrupt):
        plugins.record(ROOM, "stopped", str)


def test_records_are_looked_for_once_for_each_value_of_the_variable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = "from edgekit.sources.pt2 import RECORD\n"
    (folder / "first.py").write_text(source)
    assert "first" in plugins.records(ROOM, Source)
    (folder / "second.py").write_text(source)
    assert "second" not in plugins.records(ROOM, Source)

    monkeypatch.setenv(plugins.PLUGINS, f"{folder.parent}{os.pathsep}")
    assert "second" in plugins.records(ROOM, Source)


def test_of_two_folders_with_one_name_the_present_one_counts(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other" / "sources"
    for place, text in ((folder, "one"), (other, "two")):
        (place / "same").mkdir(parents=True)
        (place / "same" / "__init__.py").write_text("from .part import RECORD\n")
        (place / "same" / "part.py").write_text(f"RECORD = '{text}'\n")
    assert plugins.record(ROOM, "same", str) == "one"

    monkeypatch.setenv(plugins.PLUGINS, str(other.parent))
    assert plugins.record(ROOM, "same", str) == "two"
    monkeypatch.setenv(plugins.PLUGINS, str(folder.parent))
    assert plugins.record(ROOM, "same", str) == "one"
    assert importlib.import_module(f"{ROOM}.same.part").RECORD == "one"
