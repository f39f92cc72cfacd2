"""Chromium without a window: one process, with a profile of its own, for one page."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from edgekit import scratch
from edgekit.devices.browser.site import Site, served
from edgekit.errors import DeviceError, DeviceFrozen, RuntimeMissing

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_FLAGS = (
    "--headless=new",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-breakpad",
    "--disable-component-update",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-renderer-backgrounding",
    "--disable-sync",
    "--hide-scrollbars",
    "--no-default-browser-check",
    "--no-first-run",
    "--password-store=basic",
)
_LOOK_S = 0.05
_KEPT = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "TZ")


def program() -> str:
    """The browser of this machine; raises `RuntimeMissing` where there is none."""
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        raise RuntimeMissing(
            "There is no Chromium on this machine: apt-get install chromium."
        )
    return found


def version() -> str:
    """The browser's own name and version: "Chromium 150.0"."""
    done = subprocess.run(
        [program(), "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    words = done.stdout.split()
    number = next((word for word in words if word[0].isdigit()), "")
    return f"Chromium {number}".strip()


def visit(
    site: Site, page: str, *, timeout_s: float, flags: Sequence[str] = ()
) -> dict[str, bytes]:
    """The messages that the page at a path of `site` posted, from a fresh process that is ended.

    Raises `DeviceError` where the browser ends before the page is done, `DeviceFrozen` where it
    is not done in time.
    """
    with scratch.folder() as folder, served(site) as address:
        command = [
            *(program(), *_FLAGS, *flags, *_sandbox()),
            *(f"--user-data-dir={folder / 'profile'}", address + page),
        ]
        screen = folder / "screen.txt"
        with screen.open("wb") as output:
            process = subprocess.Popen(
                command,
                env=_environment(folder),
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            _wait(site, process, screen, timeout_s)
        finally:
            _end(process)
    return site.posted


def _sandbox() -> tuple[str, ...]:
    """Chromium's sandbox refuses to work for root."""
    root = hasattr(os, "geteuid") and os.geteuid() == 0
    return ("--no-sandbox",) if root else ()


def _environment(folder: Path) -> dict[str, str]:
    kept = {key: os.environ[key] for key in _KEPT if key in os.environ}
    return {**kept, "HOME": str(folder), "TMPDIR": str(folder)}


def _wait(
    site: Site, process: subprocess.Popen[bytes], screen: Path, timeout_s: float
) -> None:
    end = time.monotonic() + timeout_s
    while not site.done.wait(_LOOK_S):
        if process.poll() is not None:
            lines = screen.read_text(errors="replace").strip().splitlines()
            raise DeviceError(
                f"The browser ended with status {process.returncode} before its page was done: "
                f"{(lines or ['it said nothing'])[-1][:300]}"
            )
        if time.monotonic() > end:
            raise DeviceFrozen(
                f"The page was not done within {timeout_s:g} s. The model may be too slow for "
                "this protocol; a smaller model or the quick tier takes less."
            )


def _end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
