"""The report in a real browser: Chromium without a window, from the file, without a network."""

import shutil
from pathlib import Path

import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from edgekit import report
from tests import reports

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
)
PLOTS = ("tradeoff", "widths", "operators", "distillation")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER),
    reason="needs chromium and chromedriver: apt-get install chromium chromium-driver",
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(flag)
    options.set_capability(
        "goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"}
    )
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def scheme(browser, value):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"features": [{"name": "prefers-color-scheme", "value": value}]},
    )


def opened(browser, page: Path, *, width=1200):
    """Open `page` and make the window as tall as it is."""
    browser.set_window_size(width, 900)
    browser.get(page.as_uri())
    height = browser.execute_script("return document.documentElement.scrollHeight")
    browser.set_window_size(width, height + 160)


def size(browser, selector):
    return browser.execute_script(
        "const box = document.querySelector(arguments[0])?.getBoundingClientRect();"
        "return box ? [box.width, box.height] : null",
        selector,
    )


def count(browser, selector):
    return browser.execute_script(
        "return document.querySelectorAll(arguments[0]).length", selector
    )


def overlaps(browser, plot):
    """Pairs of labels in a plot that are drawn over each other."""
    return browser.execute_script(
        """
        const texts = [...document.querySelectorAll(`#${arguments[0]} .main-svg text`)]
          .map((e) => [e.textContent, e.getBoundingClientRect()])
          .filter(([text, box]) => text.trim() && box.width > 0);
        const found = [];
        texts.forEach(([a, p], i) => texts.slice(i + 1).forEach(([b, q]) => {
          const wide = Math.min(p.right, q.right) - Math.max(p.left, q.left);
          const tall = Math.min(p.bottom, q.bottom) - Math.max(p.top, q.top);
          if (wide > 1.5 && tall > 4) found.push([a, b]);
        }));
        return found;
        """,
        plot,
    )


def colors(screenshot: Path) -> int:
    with Image.open(screenshot) as image:
        return len(image.convert("RGB").getcolors(maxcolors=2**24))


@pytest.mark.parametrize("blocks", [3, 40])
def test_every_plot_is_drawn_and_the_console_is_clean(browser, tmp_path, blocks):
    _, page = report.write(reports.report(blocks=blocks), tmp_path)
    scheme(browser, "light")
    opened(browser, page)
    for plot in PLOTS:
        width, height = size(browser, f"#{plot} .main-svg")
        assert width > 500
        assert height > 200
        assert overlaps(browser, plot) == []
    assert count(browser, "#tradeoff .scatterlayer .point") == 6
    assert count(browser, "#widths .barlayer .point") == 2 * (1 + 3 * blocks)
    assert count(browser, "#operators .barlayer .point") == 2 * (4 * blocks + 1)
    assert count(browser, "#distillation .scatterlayer .point") == 2 * 20
    screenshot = tmp_path / f"report-{blocks}.png"
    assert browser.save_screenshot(str(screenshot))
    assert colors(screenshot) > 50
    assert browser.get_log("browser") == []


def test_the_verdict_comes_first_on_the_page(browser, tmp_path):
    _, page = report.write(reports.report(), tmp_path)
    opened(browser, page)
    text = browser.execute_script("return document.body.innerText")
    assert text.index("Unproven") < text.index("no raspberrypi4 is attached") < 300
    assert text.index("not on raspberrypi4") < text.index("3.41x")


def test_the_page_asks_nothing_of_the_network(browser, tmp_path):
    _, page = report.write(reports.report(), tmp_path)
    browser.get_log("performance")
    opened(browser, page)
    asked = browser.execute_script(
        "return performance.getEntriesByType('resource').map((entry) => entry.name)"
    )
    assert [name for name in asked if not name.startswith("data:")] == []


def test_it_is_readable_in_the_dark(browser, tmp_path):
    _, page = report.write(reports.report(), tmp_path)
    scheme(browser, "dark")
    opened(browser, page)
    fill = browser.execute_script(
        "return getComputedStyle(document.querySelector('#tradeoff .xtick text')).fill"
    )
    assert fill == "rgb(228, 233, 238)"
    assert browser.save_screenshot(str(tmp_path / "dark.png"))
    scheme(browser, "light")


def test_a_build_without_figures_is_marked(browser, tmp_path):
    _, page = report.write(reports.bare(), tmp_path)
    opened(browser, page)
    text = browser.execute_script("return document.body.innerText")
    assert "Not measured: no candidate has a latency." in text
    assert "No training took place." in text
    assert "No artifact was chosen." in text
    assert count(browser, ".main-svg") == 0
    assert browser.get_log("browser") == []
