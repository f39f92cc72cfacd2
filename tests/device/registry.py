"""A registry on this machine for as long as a test takes."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

_CONFIGURATION = """\
version: 0.1
log: {{ level: error }}
storage: {{ filesystem: {{ rootdirectory: {root} }} }}
http: {{ addr: "127.0.0.1:{port}" }}
"""


@contextlib.contextmanager
def registry(port: int) -> Iterator[str]:
    """`127.0.0.1:PORT` of a `docker-registry` that ends, with all it stored, with the block."""
    with tempfile.TemporaryDirectory(prefix="edgekit-registry-") as name:
        file = Path(name) / "config.yml"
        file.write_text(_CONFIGURATION.format(root=f"{name}/data", port=port))
        process = subprocess.Popen(
            ["docker-registry", "serve", str(file)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            _wait(f"http://127.0.0.1:{port}/v2/", process)
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(url: str, process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, "docker-registry ended by itself"
        try:
            urllib.request.urlopen(url, timeout=5)
            return
        except urllib.error.URLError:
            time.sleep(0.2)
    raise TimeoutError(url)
