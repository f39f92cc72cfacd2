"""Notes that a report has of its own measurements."""

from __future__ import annotations

from dataclasses import asdict, replace

from edgekit.pipeline import assemble
from tests.unit.bench.test_statistics import measurement


def test_reused_times_are_a_record_of_the_oldest_and_no_sentence() -> None:
    old, new = (
        replace(
            measurement("a", 1.0, 1.1),
            device="local",
            taken=f"{day}T09:53:01+00:00",
            reused=True,
        )
        for day in ("2026-11-28", "2026-11-29")
    )
    [note] = assemble._reused([new, old, replace(old, reused=False)])
    assert (note.taken, note.device, note.measurements) == (old.taken, "local", 2)
    assert not any(" " in str(value) for value in asdict(note).values())
