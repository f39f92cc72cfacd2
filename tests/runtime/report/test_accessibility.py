"""Pages for people, by axe-core in Chromium: no violation on a wide and a narrow screen, in the
light and in the dark."""

from __future__ import annotations

import base64
import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from selenium.webdriver.remote.webdriver import WebDriver

from edgekit.report import to_html
from edgekit.report.history_page import history_page, steps
from edgekit.report.plan_page import preview_page
from edgekit.runtimes import npm
from edgekit.store import Store
from edgekit.types import Evaluation, Preview, Report, TaskSpec
from edgekit.types.plan import BlockSense, GroupSense
from edgekit.types.report import Drawing, DrawnBox, DrawnPicture
from tests import reports
from tests.runtime.report.test_browser import CHROMIUM, DRIVER, scheme
from tests.runtime.report.test_browser import browser as browser
from tests.unit.report.test_history_page import entry, figures
from tests.unit.report.test_plan_page import point

LOCK = Path(__file__).parent / "axe"
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER and shutil.which("npm")),
    reason="needs chromium, chromedriver and npm: apt-get install chromium "
    "chromium-driver npm",
)


@pytest.fixture(scope="module")
def axe(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The script, from npm by its hash."""
    store = Store(tmp_path_factory.mktemp("axe"))
    place = npm.installed(LOCK, ["axe-core/axe.min.js"], store)
    return (place / "axe-core/axe.min.js").read_text(encoding="utf-8")


def judged(kind: str, change: Callable[[Evaluation], Evaluation]) -> Report:
    """The report of another task."""
    made = reports.report()

    def summary(one: Any) -> Any:
        return replace(one, evaluation=change(one.evaluation))

    return replace(
        made,
        task=TaskSpec(kind=kind),
        teacher=summary(made.teacher),
        student=summary(made.student),
        candidates=tuple(map(summary, made.candidates)),
    )


def values(one: Evaluation) -> Evaluation:
    """An error in the unit of the values."""
    return Evaluation(
        metric="mean absolute error",
        value=3.2,
        samples=one.samples,
        higher_is_better=False,
        is_fraction=False,
    )


def picture() -> DrawnPicture:
    """A gray sample with a box of the data, and none of the network."""
    jpeg = io.BytesIO()
    Image.new("RGB", (32, 24), "gray").save(jpeg, "JPEG")
    box = DrawnBox(box=(2.0, 3.0, 20.0, 15.0), label="cat")
    return DrawnPicture(
        jpeg=base64.b64encode(jpeg.getvalue()).decode(),
        width=32,
        height=24,
        drawn=(
            Drawing(name="data", boxes=(box,)),
            Drawing(name="student", boxes=()),
        ),
    )


def preview() -> Preview:
    """A plan of two points, with a group and a block."""
    made = reports.report()
    return Preview(
        target="host",
        runtime="litert",
        precision="fp32",
        gain=1.0,
        uncut=(),
        provenance="host",
        unit="us",
        exact=True,
        operators=made.operators,
        barriers=made.barriers,
        groups=(
            GroupSense(
                group="stem",
                kind="channel",
                units=32,
                offered=(8, 16),
                time_fraction=0.3,
                loss_increase_at_half=0.1,
            ),
        ),
        blocks=(BlockSense(block="b", time_fraction=0.2, expected_loss_increase=0.3),),
        points=(point(("stem", 32, 16)), point(("stem", 32, 8))),
        notes=(),
    )


PAGES: dict[str, Callable[[], str]] = {
    "classification": lambda: to_html(reports.report()),
    "segmentation": lambda: to_html(
        judged("segmentation", lambda one: replace(one, metric="mean IoU"))
    ),
    "regression": lambda: to_html(judged("regression", values)),
    "detection": lambda: to_html(replace(reports.report(), pictures=(picture(),))),
    "plan": lambda: preview_page("digits", [preview()]),
    "history": lambda: history_page(
        "digits",
        steps([entry("1", figures()), entry("2", figures(machine="b"))], every=True),
    ),
}


SCREENS = (("light", 1280), ("dark", 360))
ALIKE = ("detection", "segmentation", "regression")
"""Of the template of another page: the narrow screen in the dark is enough."""


def violations(browser: WebDriver, axe: str) -> list[str]:
    """Findings of axe on the page as it is, everything unfolded."""
    browser.execute_script(
        "document.querySelectorAll('details').forEach((d) => { d.open = true; });"
    )
    browser.execute_script(axe)
    found = browser.execute_async_script(
        "const done = arguments[0]; axe.run().then((r) => done(r.violations));"
    )
    return [f"{v['id']}: {v['help']}: {v['nodes'][0]['html'][:120]}" for v in found]


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_violation(
    name: str, browser: WebDriver, axe: str, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGES[name](), encoding="utf-8")
    try:
        for color, width in SCREENS[-1 if name in ALIKE else 0 :]:
            scheme(browser, color)
            browser.execute_cdp_cmd(
                "Emulation.setDeviceMetricsOverride",
                {
                    "width": width,
                    "height": 900,
                    "deviceScaleFactor": 1,
                    "mobile": False,
                },
            )
            browser.get(page.as_uri())
            assert violations(browser, axe) == [], (color, width)
    finally:
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_a_violation_is_found(browser: WebDriver, axe: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    page.write_text("<html lang=en><title>x</title><main><h1>x</h1><img src=x></main>")
    browser.get(page.as_uri())
    assert [line.partition(":")[0] for line in violations(browser, axe)] == [
        "image-alt"
    ]


def test_paper_has_what_is_folded_on_the_screen(
    browser: WebDriver, tmp_path: Path
) -> None:
    page = tmp_path / "page.html"
    page.write_text(PAGES["classification"](), encoding="utf-8")
    browser.get(page.as_uri())
    count = "return document.querySelectorAll('details[open]').length"
    assert browser.execute_script(count) == 0
    browser.execute_script("dispatchEvent(new Event('beforeprint'))")
    assert browser.execute_script(count) > 0
    browser.execute_script("dispatchEvent(new Event('afterprint'))")
    assert browser.execute_script(count) == 0
