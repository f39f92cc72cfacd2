"""An artifact before a gate: its limits, its facts, and the one before it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from edgekit.bench import gate as rules
from edgekit.bench import history as records
from edgekit.bench import limits as absolute
from edgekit.bench.artifact import artifact_at, opened
from edgekit.bench.history import Record, sha256
from edgekit.bench.protocol import Metering
from edgekit.bench.tiers import tier_called
from edgekit.commands import bench_words as words
from edgekit.commands.measuring import Asked, Found, measure_at
from edgekit.config import project, reader
from edgekit.errors import UsageError
from edgekit.progress import Progress
from edgekit.types import Budget, Check
from edgekit.types.gate import Gate


def limits_of(folder: Path, file: Path | None, given: Mapping[str, Any]) -> Gate:
    """The limits of `file`, else of the project in `folder`, those `given` in their place.

    Raises `UsageError` and `ProjectError` for a file that cannot be read.
    """
    found = Gate()
    if file is not None:
        found = reader.read(file, Gate, UsageError)
    elif (folder / project.FILE).is_file():
        found = project.load(folder).gate
    return replace(found, **{n: v for n, v in given.items() if v is not None})


@dataclass(frozen=True, kw_only=True)
class Gating:
    """One gate: limits, and the record to compare with where there is one."""

    limits: Gate
    before: Record | None
    folder: Path
    complete: bool
    """True where every fact is wanted: for a baseline."""
    bars: Progress

    def known(self, candidate: Path) -> Record:
        """Facts of the candidate: a record's, or the file's as far as a limit or the baseline
        needs them."""
        from edgekit.devices.local import LocalDevice
        from edgekit.pipeline import artifact_facts

        if candidate.suffix in (".json", ".jsonl"):
            found = records.read(candidate)
            if found.files and all(file.is_file() for file in found.files):
                opened(artifact_at(found.files[0]))
            return found
        now = datetime.now(UTC).isoformat(timespec="seconds")
        found = artifact_facts.look(candidate, now)
        opened(artifact_at(candidate))
        if self._describes:
            found = artifact_facts.described(found)
        if self._counts:
            with self.bars.step("Count operations"):
                found = artifact_facts.count(found)
        if self._compares and artifact_facts.has_network(candidate, self.folder):
            found = artifact_facts.compared(
                found, self.folder, self.limits.samples, LocalDevice(), self.bars
            )
        return found

    def checks(self, now: Record, *, on_device: bool = False) -> list[Check]:
        """Every check of facts, and of what a device has measured where one did."""
        limits, before = self.limits, self.before
        found = [
            *absolute.limits(now, limits),
            absolute.parity(now, limits),
            absolute.contract(now, before, limits),
        ]
        if before:
            found += rules.facts(
                now, before, growth=limits.growth, accuracy_drop=limits.accuracy_drop
            )
        if on_device:
            budget = Budget(
                latency_ms=limits.latency_ms,
                memory_mb=limits.memory_mb,
                energy_mj=limits.energy_mj,
            )
            found += rules.budgets(now, budget, on_device=True)
        else:
            found += absolute.unproven(limits)
        return [one for one in found if one is not None]

    def measured(
        self, now: Record, device: str, against: Path | None, threads: int, tier: str
    ) -> tuple[Record, list[Check], dict[str, Any]]:
        """The record with what the device measured, every check, and the history's entry."""
        asked = _asked(now, self.before, against, self.limits, threads, tier)
        found = measure_at(asked, device, self.bars)
        if found.unprofiled:
            raise found.unprofiled
        entry = words.record(asked, found)
        timed = records.of_document(entry)
        slow = timed.slow_operators
        after = replace(
            now,
            tier=timed.tier,
            measurement=timed.measurement,
            slow_operators=now.slow_operators if slow is None else slow,
        )
        checks = self.checks(after, on_device=True)
        checks += _on_device(found, after, self.before, self.limits)
        return after, checks, entry

    @property
    def _counts(self) -> bool:
        named = ("mmacs", "parameters", "activation_mb")
        before = self.before
        return (
            self.complete
            or any(getattr(self.limits, name) is not None for name in named)
            or (before is not None and before.macs is not None)
        )

    @property
    def _describes(self) -> bool:
        theirs = None if self.before is None else self.before.contract
        return self.limits.contract is not False and (
            self.complete or theirs is not None or self.limits.contract is True
        )

    @property
    def _compares(self) -> bool:
        return self.limits.parity is not False or self.limits.accuracy is not None


def _asked(
    now: Record,
    before: Record | None,
    against: Path | None,
    budget: Gate,
    threads: int,
    tier: str,
) -> Asked:
    """The checks on the device; raises UsageError where an artifact has changed since its
    record."""
    if not now.there:
        raise UsageError(
            f"The artifact of {now.name} is not where it was measured, or has changed. Name "
            "the file itself to measure it."
        )
    old = None
    if against:
        old = artifact_at(against)
        if before and before.sha256 and sha256(old.files) != before.sha256:
            raise UsageError(
                f"{against} is not the artifact of the baseline ({before.name}): its content "
                "differs. Name the file that the baseline was measured with."
            )
    elif before and before.there:
        old = artifact_at(before.files[0])
    if old:
        old = replace(old, name=f"{old.name} (baseline)")
    energy = budget.energy_mj is not None
    known = before.measurement.energy.gross_mj if before else None
    return Asked(
        artifact=artifact_at(now.files[0]),
        other=old,
        threads=threads,
        tier=tier_called(tier),
        metering=Metering(meter="auto" if energy or known is not None else "none"),
        profile=before is not None and before.slow_operators is not None,
    )


def _on_device(
    found: Found, now: Record, before: Record | None, budget: Gate
) -> list[Check]:
    """Checks that only a device can make; the baseline measured in the same run goes first."""
    checks: list[Check | None] = []
    if found.paired:
        checks.append(rules.latency(found.paired))
        theirs = found.paired.measurements[1]
        if before and theirs.energy.gross_mj is not None:
            before = replace(before, measurement=theirs)
    elif before and budget.latency_ms is None:
        checks.append(rules.unpaired(before))
    if before:
        checks.append(rules.energy(now, before))
    return [one for one in checks if one]
