"""Every error has one page, and its id stays."""

from __future__ import annotations

import re
from pathlib import Path

from edgekit import error_pages, errors
from edgekit.errors import EdgeKitError

DOCUMENT = Path(__file__).parents[2] / "docs/errors.md"
IDS = (
    *("E0101 BudgetError", "E0102 BudgetInfeasible", "E0103 BudgetMissed"),
    *(
        "E0201 UsageError",
        "E0202 ProjectError",
        "E0203 TargetError",
        "E0204 ModelError",
    ),
    *(
        "E0205 DataError",
        "E0206 TrainingError",
        "E0207 OutputError",
        "E0208 OutOfMemory",
        "E0209 LockError",
        "E0210 FarmError",
    ),
    *("E0301 DeviceError", "E0302 RuntimeMissing", "E0303 DeviceUnreachable"),
    *("E0304 HostKeyError", "E0305 LinkLost", "E0306 DeviceFrozen", "E0307 DiskFull"),
    *("E0308 DeviceOutOfMemory", "E0309 AgentKilled", "E0310 DeviceBusy"),
    *("E0311 WorkerLost", "E0312 NoWorker"),
    *("E0401 MeasurementError", "E0501 ArtifactError", "E0502 ParityError"),
    *("E0601 GateUnproven", "E0701 TargetsFailed", "E7001 BuildCrashed"),
)
"""Ids that people have met. A new error adds one; none changes."""


def test_ids_stay() -> None:
    assert tuple(f"{p.id} {p.kind.__name__}" for p in error_pages.PAGES) == IDS


def test_every_error_has_a_page_of_its_own() -> None:
    kinds = {
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, EdgeKitError)
    } - {EdgeKitError}
    assert kinds == {page.kind for page in error_pages.PAGES}
    for page in error_pages.PAGES:
        assert error_pages.of(page.kind) is page
        assert page.fixes
        if page.id != "E0701":
            assert int(page.id[1:3]) == page.kind.exit_code


def test_an_error_without_a_page_has_that_of_its_kind() -> None:
    class Special(errors.ModelError):
        pass

    assert error_pages.of(Special).id == "E0204"


def test_the_document_is_fresh() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == error_pages.document(), (
        "run: python -m edgekit.error_pages"
    )
    headings = re.findall(r"^## (E\d{4}): \w+$", error_pages.document(), re.MULTILINE)
    assert headings == [page.id for page in error_pages.PAGES]
