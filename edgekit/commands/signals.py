"""A signal ends the command as an exception does: what is half-written is cleared away."""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import TYPE_CHECKING

from edgekit.errors import Terminated, signal_behind

if TYPE_CHECKING:
    from sys import UnraisableHookArgs

_AGAIN_S = 0.02


def handle() -> None:
    """Raise `Terminated` on SIGTERM and SIGHUP, and let no destructor swallow a signal."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
            signal.signal(number, _terminate)
    sys.unraisablehook = _send_again


def _terminate(number: int, frame: object) -> None:
    raise Terminated(number)


def _send_again(ignored: UnraisableHookArgs) -> None:
    """Python drops what is raised in a destructor or a weak reference's callback.

    The signal that arrived there comes again, once Python has left that place.
    """
    ours = signal_behind(ignored.exc_value)
    if ours is None:
        sys.__unraisablehook__(ignored)
        return
    number = ours.number if isinstance(ours, Terminated) else signal.SIGINT
    again = threading.Timer(_AGAIN_S, os.kill, (os.getpid(), number))
    again.daemon = True
    again.start()
