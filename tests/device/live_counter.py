"""A RAPL counter that is computed when it is read: MOUNT WATTS WRAP_UJ."""

from __future__ import annotations

import errno
import stat
import sys
import time
from typing import Any

from fusepy import FUSE, FuseOSError, Operations

ZONE = "/class/powercap/intel-rapl:0"
QUANTUM_S = 0.001


class Counter(Operations):
    def __init__(self, watts: float, wrap_uj: int) -> None:
        self._watts, self._wrap_uj = watts, wrap_uj
        self._start = time.monotonic()

    def _content(self, path: str) -> bytes:
        passed = int((time.monotonic() - self._start) / QUANTUM_S) * QUANTUM_S
        values = {
            "name": "package-0",
            "energy_uj": int(self._watts * passed * 1e6) % self._wrap_uj,
            "max_energy_range_uj": self._wrap_uj,
        }
        return f"{values[path.rpartition('/')[2]]}\n".encode()

    def getattr(self, path: str, fh: Any = None) -> dict[str, int]:
        if path == "/" or f"{ZONE}/".startswith(path + "/"):
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 2}
        if path in [f"{ZONE}/{name}" for name in self._names()]:
            return {"st_mode": stat.S_IFREG | 0o444, "st_nlink": 1, "st_size": 4096}
        raise FuseOSError(errno.ENOENT)

    def readdir(self, path: str, fh: Any) -> list[str]:
        inside = ZONE[len(path.rstrip("/")) + 1 :].split("/")[0] if path != ZONE else ""
        return [".", "..", *([inside] if inside else self._names())]

    def read(self, path: str, size: int, offset: int, fh: Any) -> bytes:
        return self._content(path)[offset : offset + size]

    @staticmethod
    def _names() -> list[str]:
        return ["name", "energy_uj", "max_energy_range_uj"]


if __name__ == "__main__":
    FUSE(
        Counter(float(sys.argv[2]), int(sys.argv[3])),
        sys.argv[1],
        foreground=True,
        direct_io=True,
        allow_other=True,
    )
