"""The part of the memory that samples take."""

from __future__ import annotations

import psutil
import pytest

from edgekit.agent.serving import limits
from edgekit.data import memory


def test_samples_take_a_fraction_of_what_is_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(memory, "available", lambda: 8000)
    assert memory.fits(1000) and not memory.fits(1001)
    monkeypatch.setattr(memory, "available", lambda: 1 << 50)
    assert memory.fits(memory.MEMORY) and not memory.fits(memory.MEMORY + 1)


def test_a_container_has_what_its_limit_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    own = psutil.Process().memory_info().rss / 2**20
    free = limits.Memory(limit_mb=own + 100, peak_mb=None, kills=None)
    monkeypatch.setattr(limits, "memory", lambda: free)
    assert 0 < memory.available() < 200 << 20
    full = limits.Memory(limit_mb=1, peak_mb=None, kills=None)
    monkeypatch.setattr(limits, "memory", lambda: full)
    assert memory.available() == 0


@pytest.mark.parametrize(
    ("sample", "most", "expected"),
    [(3 * 32 * 32 * 4, 256, 256), (3 * 224 * 224 * 4, 256, 17), (1 << 40, 256, 1)],
)
def test_large_samples_are_few_at_once(sample: int, most: int, expected: int) -> None:
    assert memory.at_once(sample, most) == expected
