"""Checkpoints in the forms that training scripts write: loaded rightly, or refused by name."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from edgekit.errors import ModelError
from edgekit.sources.torch.weights import apply

State = dict[str, Tensor]


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.head = nn.Linear(4, 2)


@pytest.fixture
def state() -> State:
    torch.manual_seed(1)
    return {
        name: torch.rand_like(value) if value.is_floating_point() else value
        for name, value in Net().state_dict().items()
    }


def load(
    path: Path, stored: Any, key: str = "", network: nn.Module | None = None
) -> State:
    torch.save(stored, path / "w.pt")
    network = network or Net()
    apply(network, "w.pt" + key, path)
    return network.state_dict()


def renamed(state: State, before: str, after: str = "") -> State:
    return {before + name.replace(after, after + "_orig_mod.") if after else before + name: value
            for name, value in state.items()}  # fmt: skip


def other(state: State) -> State:
    return {name: value + 1 for name, value in state.items()}


FORMS = {
    "plain": lambda s: s,
    "parallel": lambda s: renamed(s, "module."),
    "compiled": lambda s: renamed(s, "_orig_mod."),
    "parallel, then compiled": lambda s: renamed(s, "_orig_mod.module."),
    "compiled, then parallel": lambda s: renamed(s, "module._orig_mod."),
    "compiled inside": lambda s: renamed(s, "", "backbone."),
    "a trainer's": lambda s: {"epoch": 3, "state_dict": renamed(s, "model.")},
    "a trainer's, with a loss": lambda s: {
        "state_dict": {**renamed(s, "net."), "criterion.weight": torch.ones(5)}
    },
    "two parts of a prefix": lambda s: renamed(s, "wrapper.net."),
    "averaged": lambda s: {"n_averaged": torch.tensor(3), **renamed(s, "module.")},
    "an unknown key": lambda s: {"the_good_one": s, "step": 7},
    "deep": lambda s: {"checkpoint": {"model": {"weights": s}}},
    "beside an optimizer's": lambda s: {
        "model": s,
        "optimizer": {"state": {0: {"exp_avg": torch.ones(3)}}, "lr": 0.1},
        "scaler": {"scale": torch.ones(())},
    },
    "counted": lambda s: {**s, "total_ops": torch.zeros(1), "head.total_params": torch.zeros(1)},
    "twice the same": lambda s: {"model": s, "ema": copy.deepcopy(s)},
    "without counters": lambda s: {n: t for n, t in s.items() if "num_batches" not in n},
}  # fmt: skip


@pytest.mark.parametrize("form", FORMS)
def test_forms_that_hold_one_set_are_loaded(
    form: str, state: State, tmp_path: Path
) -> None:
    found = load(tmp_path, FORMS[form](state))
    for name, value in found.items():
        assert torch.equal(value, state[name]), name


@pytest.mark.parametrize(
    ("one", "two"), [("state_dict", "state_dict_ema"), ("model", "ema"), ("a", "b")]
)
def test_two_sets_are_never_chosen_between(
    one: str, two: str, state: State, tmp_path: Path
) -> None:
    stored = {one: other(state), two: state}
    with pytest.raises(ModelError) as caught:
        load(tmp_path, stored)
    for words in (f"'{one}' and '{two}'", f'"w.pt#{one}"', f'"w.pt#{two}"'):
        assert words in str(caught.value)
    assert torch.equal(
        load(tmp_path, stored, f"#{two}")["head.bias"], state["head.bias"]
    )
    with pytest.raises(ModelError, match=f"no weights at 'c'.*{one}, {two}"):
        load(tmp_path, stored, "#c")


def test_two_sets_by_their_prefix(state: State, tmp_path: Path) -> None:
    both = {**renamed(other(state), "online."), **renamed(state, "ema.")}
    with pytest.raises(ModelError, match=r"w\.pt#online.*w\.pt#ema"):
        load(tmp_path, both)
    found = load(tmp_path, both, "#ema")
    assert torch.equal(found["head.bias"], state["head.bias"])


@pytest.mark.parametrize(
    ("left_out", "named"),
    [("head", "missing head.weight"), ("running", "missing backbone.1.running_mean")],
)
def test_what_is_missing_is_named(
    left_out: str, named: str, state: State, tmp_path: Path
) -> None:
    part = {name: value for name, value in state.items() if left_out not in name}
    for stored in (part, {"model": renamed(part, "module.")}):
        with pytest.raises(ModelError, match=named):
            load(tmp_path, stored)


@pytest.mark.parametrize(
    ("value", "word"), [(float("nan"), "NaN"), (float("inf"), "infinite")]
)
def test_values_that_are_not_finite_are_refused(
    value: float, word: str, state: State, tmp_path: Path
) -> None:
    for name in ("head.weight", "backbone.1.running_var"):
        bad = {**state, name: state[name].clone()}
        bad[name].view(-1)[1] = value
        with pytest.raises(ModelError, match=rf"{name} has 1 {word}") as caught:
            load(tmp_path, bad)
        assert "\n" not in str(caught.value)


def test_lazy_and_empty_networks_take_their_shapes_from_the_file(
    tmp_path: Path,
) -> None:
    known = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2))
    lazy = nn.Sequential(nn.LazyLinear(4), nn.LazyLinear(2))
    with torch.device("meta"):
        empty = nn.Sequential(nn.Linear(6, 4), nn.Linear(4, 2))
    for network in (lazy, empty):
        found = load(tmp_path, known.state_dict(), network=network)
        assert torch.equal(found["1.weight"], known[1].weight)


def test_older_weight_norm_fits_the_newer(tmp_path: Path) -> None:
    old = nn.utils.weight_norm(nn.Linear(6, 4))
    new = nn.utils.parametrizations.weight_norm(nn.Linear(6, 4))
    load(tmp_path, old.state_dict(), network=new)
    torch.testing.assert_close(new.weight, old.weight)


def test_torchscript_is_refused_with_the_way_to_its_weights(tmp_path: Path) -> None:
    network = nn.Sequential(nn.Linear(6, 4))
    torch.jit.trace(network, torch.zeros(1, 6)).save(tmp_path / "net.pt")
    with pytest.raises(ModelError, match=r"is TorchScript.*jit\.load\('net\.pt'\)"):
        apply(network, "net.pt", tmp_path)
