"""The interface that machines reach each other by, and errors of lost processes."""

from __future__ import annotations

import os

import pytest
import torch

from edgekit.distill import network
from edgekit.errors import WorkerLost

GLOO = "GLOO_SOCKET_IFNAME"


@pytest.fixture(autouse=True)
def _of_two_machines(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("WORLD_SIZE", "2"),
        ("LOCAL_WORLD_SIZE", "1"),
        ("MASTER_ADDR", "127.0.0.1"),
        (GLOO, "x"),
    ):
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(GLOO)


def test_gloo_listens_where_the_launcher_is_reached() -> None:
    assert network.own_address() == "127.0.0.1"
    network.use_own_interface()
    assert os.environ[GLOO].startswith("lo")


def test_the_interface_of_one_machine_or_of_the_user_is_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    network.use_own_interface()
    assert GLOO not in os.environ
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "1")
    monkeypatch.setenv(GLOO, "eth7")
    network.use_own_interface()
    assert os.environ[GLOO] == "eth7"


@pytest.mark.parametrize(
    "error",
    [
        torch.distributed.DistNetworkError("broken pipe\nand a trace"),
        RuntimeError("[../gloo/transport/tcp/pair.cc:547] Connection closed by peer"),
    ],
)
def test_torchs_errors_of_lost_processes_are_named(error: RuntimeError) -> None:
    with (
        pytest.raises(
            WorkerLost, match="a build goes on from its last checkpoint"
        ) as raised,
        network.losses_named(),
    ):
        raise error
    first, *_ = str(error).splitlines()
    assert f"({first})" in str(raised.value)


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match="shapes do not fit"), network.losses_named():
        raise RuntimeError("shapes do not fit")
