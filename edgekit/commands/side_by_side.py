"""Several devices at once, each from a process of its own: what one does never waits for another.

A signal can end a process at any moment, also in the middle of a pause of five minutes, and it
clears away on its device before it ends. A thread cannot.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.connection import Connection, wait
from typing import Any

from edgekit import child
from edgekit.commands import signals
from edgekit.commands.measuring import Asked, Failed, Found, measure_at
from edgekit.errors import DeviceError, EdgeKitError, Terminated
from edgekit.progress import Progress, Step

_GOODBYE_S = 20.0


def measure_all(
    asked: Asked, addresses: Sequence[str], progress: Progress
) -> list[Found | Failed]:
    """The result or error of each device, in the order of the addresses."""
    if len(addresses) == 1:
        try:
            return [measure_at(asked, addresses[0], progress)]
        except EdgeKitError as error:
            return [Failed(address=addresses[0], error=error)]
    fresh = multiprocessing.get_context("spawn")
    ends: dict[str, tuple[Any, Connection]] = {}
    try:
        for address in addresses:
            ours, theirs = fresh.Pipe(duplex=False)
            process = fresh.Process(target=_child, args=(asked, address, theirs))
            with child.inherited():
                process.start()
            theirs.close()
            ends[address] = (process, ours)
        said = {address: pipe for address, (_, pipe) in ends.items()}
        found = _listen(asked, said, progress)
    finally:
        for process, _ in ends.values():
            process.terminate()
        for process, _ in ends.values():
            process.join(_GOODBYE_S)
            process.kill()
    return [found[address] for address in addresses]


def _listen(
    asked: Asked, said: dict[str, Connection], progress: Progress
) -> dict[str, Found | Failed]:
    """Draws the messages of the processes until each has ended."""
    found: dict[str, Found | Failed] = {}
    with ExitStack() as opened:
        steps: dict[str, Step] = {}
        for address in said:
            title = f"Measure {asked.artifact.name} on {address}"
            steps[address] = opened.enter_context(progress.step(title))
        while waiting := {p: a for a, p in said.items() if a not in found}:
            for pipe in wait(list(waiting)):
                address = waiting[pipe]  # type: ignore[index]
                try:
                    word = said[address].recv()
                except EOFError:
                    error = DeviceError(f"{address}: its process ended without a word.")
                    found[address] = Failed(address=address, error=error)
                    continue
                if isinstance(word, (Found, Failed)):
                    found[address] = word
                    if isinstance(word, Failed):
                        steps[address].update(0, 1, "failed")
                else:
                    steps[address].update(*word)
    return found


def _child(asked: Asked, address: str, pipe: Connection) -> None:
    signals.handle()
    try:
        pipe.send(measure_at(asked, address, _QueueProgress(pipe)))
    except EdgeKitError as error:
        pipe.send(Failed(address=address, error=error))
    except Terminated as ended:
        raise SystemExit(128 + ended.number) from None
    except KeyboardInterrupt:
        return  # of a terminal's Ctrl-C, which every process gets; the parent forwards it


class _QueueProgress:
    """Progress that goes to the process which draws it."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe

    def say(self, line: str) -> None: ...

    def update(self, done: int, total: int, note: str = "") -> None:
        try:
            self._pipe.send((done, total, note))
        except BrokenPipeError:  # the parent is gone: clear away and end
            raise SystemExit(1) from None

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        yield self
