"""Objects that several processes can read at once."""

from __future__ import annotations

import io
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import TensorDataset

from edgekit.data.shareable import is_shareable


class Held:
    """Something of the user's that holds another thing."""

    def __init__(self, what: Any) -> None:
        self.what = [what]


FINE: dict[str, Callable[[], Any]] = {
    "tensors": lambda: TensorDataset(torch.zeros(3, 2)),
    "function": lambda: lambda x: x + 1,
    "class": lambda: type("Local", (), {}),
    "module": lambda: np,
    "memory": lambda: io.BytesIO(b"abc"),
    "array": lambda: np.array([None, "x"], object),
}
APART: dict[str, Callable[[], Any]] = {
    "file": lambda: Path(__file__).open("rb"),  # noqa: SIM115 (it stays open)
    "connection": lambda: sqlite3.connect(":memory:"),
    "lock": threading.Lock,
    "generator": lambda: (n for n in range(3)),
}


@pytest.mark.parametrize("kind", FINE)
def test_values_and_code_can_be_read_by_several(kind: str) -> None:
    assert is_shareable(Held(FINE[kind]()))


@pytest.mark.parametrize("kind", APART)
def test_open_things_cannot(kind: str) -> None:
    assert not is_shareable(Held(APART[kind]()))
