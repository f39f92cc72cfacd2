"""Ray's own output stays out of the user's."""

from __future__ import annotations

import importlib.util
import logging
import sys
import threading

import pytest

from edgekit.errors import RuntimeMissing, UsageError
from edgekit.pipeline.fleet import session

RAY = importlib.util.find_spec("ray") is not None


def test_threads_of_ray_print_to_the_log(
    capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    def printing(text: str) -> None:
        print(text)
        print(text, file=sys.stderr)

    before = sys.stdout, sys.stderr
    with caplog.at_level(logging.DEBUG, "edgekit.fleet"), session._quiet():
        for name, text in (("ray_print_logs", "a node died"), ("other", "ours")):
            thread = threading.Thread(target=printing, args=(text,), name=name)
            thread.start()
            thread.join()
        print("and ours")
        assert sys.stdout.encoding and not sys.stdout.closed
    assert (sys.stdout, sys.stderr) == before
    printed = capsys.readouterr()
    assert printed.out == "ours\nand ours\n" and printed.err == "ours\n"
    assert [record.getMessage() for record in caplog.records] == ["a node died"] * 2


def test_a_ray_that_does_not_shut_down_is_left(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Ray itself hangs seldom, and in its own code."""
    released, ended = threading.Event(), threading.Event()

    class Hanging:
        def shutdown(self) -> None:
            released.wait()
            ended.set()

    monkeypatch.setattr(session, "_LEAVE_S", 0.05)
    session._leave(Hanging())
    assert "Ray did not shut down within 0.05 s." in caplog.text
    assert not ended.is_set()
    released.set()
    assert ended.wait(10)


@pytest.mark.skipif(RAY, reason="Ray is installed")
def test_without_ray_the_extra_is_named() -> None:
    with pytest.raises(RuntimeMissing, match=r"pip install 'edgekit\[fleet\]'"):
        session.ray()


@pytest.mark.skipif(not RAY, reason="pip install 'edgekit[fleet]'")
def test_an_address_without_a_cluster_is_named_with_the_fix() -> None:
    with (
        pytest.raises(UsageError, match=r"no cluster at 127\.0\.0\.1:1 .*ray start"),
        session.connected("127.0.0.1:1"),
    ):
        pass
