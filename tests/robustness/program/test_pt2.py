"""A `.pt2` from outside never runs code, and its faults are one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from edgekit.errors import ModelError
from edgekit.program import program
from edgekit.program.program import trace
from edgekit.types import InputSpec
from tests.robustness import hostile_pt2


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten())
    path = tmp_path_factory.mktemp("sound") / "net.pt2"
    trace(network, (InputSpec(name="x", shape=(3, 6, 6)),)).save(path)
    return path


def test_what_runs_code_is_refused_in_one_line(sound: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    files = hostile_pt2.make_all(sound, tmp_path, canary)
    assert len(files) >= 24
    for file in files:
        with pytest.raises(ModelError) as refused:
            program.load(file)
        assert file.name in str(refused.value)
        assert "\n" not in str(refused.value)
        assert len(str(refused.value)) < 400
    assert not canary.exists()


def test_allow_pickle_is_named_where_it_would_help(sound: Path, tmp_path: Path) -> None:
    files = hostile_pt2.make_all(sound, tmp_path, tmp_path / "canary")
    opaque = next(file for file in files if file.stem == "opaque-object")
    with pytest.raises(ModelError, match="--allow-pickle"):
        program.load(opaque)


def test_a_trusted_pickle_is_read_when_requested(sound: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    files = hostile_pt2.make_all(sound, tmp_path, canary)
    opaque = next(file for file in files if file.stem == "opaque-object")
    # Its result is not an object of a network, which PyTorch notices after running it.
    with pytest.raises(ModelError, match="opaque type"):
        program.load(opaque, allow_pickle=True)
    assert canary.exists()


def test_guards_are_left_out(sound: Path, tmp_path: Path) -> None:
    canary = tmp_path / "canary"
    loaded = program.load(hostile_pt2.with_guards(sound, tmp_path / "g.pt2", canary))
    assert loaded.module(torch.zeros(5, 3, 6, 6)).shape == (5, 64)
    assert not canary.exists()


def test_the_same_network_comes_back(sound: Path) -> None:
    first, second = program.load(sound), program.load(sound, allow_pickle=True)
    assert first.fingerprint() == second.fingerprint()
    given = torch.randn(3, 3, 6, 6)
    torch.testing.assert_close(first.module(given), second.module(given))
