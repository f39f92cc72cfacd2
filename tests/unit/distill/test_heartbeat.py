"""Signs of life between two halves of a training in one process, over real connections."""

from __future__ import annotations

import queue
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from edgekit.distill import heartbeat
from edgekit.distill.heartbeat import Heartbeat
from edgekit.errors import UsageError, WorkerLost

_TIMEOUT_S = 3.0


class Half:
    """A process of two as its heartbeat sees it."""

    count = 2

    def __init__(self, *, first: bool, sent: queue.Queue[Any]) -> None:
        self.first, self._sent = first, sent

    def tell(self, message: Any) -> Any:
        if self.first:
            self._sent.put(message)
            return message
        return self._sent.get(timeout=10)


class Losses(queue.Queue[WorkerLost]):
    def said(self) -> str:
        return str(self.get(timeout=10))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MASTER_ADDR", "localhost")
    monkeypatch.setenv(heartbeat.TIMEOUT, f"{_TIMEOUT_S:g}")
    monkeypatch.setattr(heartbeat, "_GRACE_S", 0.2)


def two() -> tuple[tuple[Heartbeat, Losses], tuple[Heartbeat, Losses]]:
    sent: queue.Queue[Any] = queue.Queue()
    losses = Losses(), Losses()
    with ThreadPoolExecutor(2) as pool:
        made = [
            pool.submit(Heartbeat, Half(first=number == 0, sent=sent), one.put)  # type: ignore[arg-type]
            for number, one in enumerate(losses)
        ]
        first, second = (one.result(timeout=10) for one in made)
    return (first, losses[0]), (second, losses[1])


def test_processes_that_live_and_end_on_purpose_are_not_missed() -> None:
    (first, lost), (second, other_lost) = two()
    time.sleep(1)
    first.end(on_purpose=True)
    first._links[0].close()
    time.sleep(1)
    second.end(on_purpose=True)
    assert lost.empty() and other_lost.empty()


def test_a_closed_connection_is_a_lost_process() -> None:
    (first, lost), (second, other_lost) = two()
    second.end(on_purpose=False)
    second._links[0].close()
    assert "Another process of this training was lost (" in lost.said()
    assert other_lost.empty()
    first.end(on_purpose=True)


def test_a_silent_connection_is_a_lost_process() -> None:
    (first, lost), (second, _) = two()
    second._over.set()  # it beats no more, and its connection stays open
    assert f"(no sign of life for {_TIMEOUT_S:g} s)" in lost.said()
    first.end(on_purpose=True)


def test_an_error_of_its_own_comes_before_that_of_a_lost_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(heartbeat, "_GRACE_S", 60.0)
    (first, lost), (second, _) = two()
    second.end(on_purpose=False)
    second._links[0].close()
    time.sleep(2)
    first.end(on_purpose=False)
    assert lost.empty()


@pytest.mark.parametrize("text", ["soon", "0", "-3", "inf", "nan"])
def test_a_timeout_that_is_none_is_refused(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv(heartbeat.TIMEOUT, text)
    half: Any = Half(first=True, sent=queue.Queue())
    with pytest.raises(UsageError, match=r"EDGEKIT_HEARTBEAT_TIMEOUT = '"):
        Heartbeat(half, lambda _: None)


def test_others_that_do_not_come_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(heartbeat.TIMEOUT, "0.2")
    half: Any = Half(first=True, sent=queue.Queue())
    with pytest.raises(WorkerLost, match="timed out"):
        Heartbeat(half, lambda _: None)
