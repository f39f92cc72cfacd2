"""The demo page, as its own server gives it, used by hand in a real browser."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from edgekit.runtimes import browser
from edgekit.store import Store
from tests.packages import write_bundle
from tests.runtime.package.relu import RAW, tiny
from tests.runtime.package.web.conftest import NODE, Package
from tests.runtime.package.web.test_pages import pytestmark  # noqa: F401
from tests.runtime.report.test_browser import CHROMIUM, DRIVER, FLAGS


@pytest.fixture
def page(tmp_path: Path, package: Package) -> Iterator[str]:
    """The address of the demo of a package with four classes."""
    if NODE is None or DRIVER is None:
        pytest.skip(
            "needs node and chromedriver: apt-get install nodejs chromium-driver"
        )
    bundle = write_bundle(
        tmp_path / "b",
        [tiny(tmp_path)],
        preprocess=[RAW],
        labels=["a", "b", "<i>c", "d"],
    )
    out = package(bundle)
    (out / "node_modules").symlink_to(browser.known()["litert"].files(Store()))
    server = subprocess.Popen(
        [NODE, "demo/serve.mjs"],
        cwd=out,
        env={**os.environ, "PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    yield server.stdout.readline().strip()
    server.kill()
    server.wait()
    server.stdout.close()


def test_a_typed_sample_is_answered_and_a_wrong_one_named(
    page: str, tmp_path: Path
) -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={tmp_path / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.get(page)
        state, field = (
            driver.find_element(By.CSS_SELECTOR, s) for s in ("#state", "textarea")
        )
        WebDriverWait(driver, 30).until(lambda _: state.text == "Ready.")
        assert driver.execute_script("return crossOriginIsolated")
        button = driver.find_element(By.TAG_NAME, "button")
        field.send_keys("1, 2\n9 -4")
        button.click()
        WebDriverWait(driver, 30).until(lambda _: "ms with preprocessing" in state.text)
        bars = driver.find_elements(By.CSS_SELECTOR, ".bar span")
        assert [bar.text for bar in bars] == ["<i>c", "b", "a", "d"]
        field.send_keys(" 7")
        button.click()
        WebDriverWait(driver, 30).until(lambda _: "got 5" in state.text)
        # LiteRT.js writes its notes to the console as errors.
        faults = [
            one
            for one in driver.get_log("browser")
            if one["source"] != "console-api" and one["level"] == "SEVERE"
        ]
        assert not [one for one in faults if "favicon" not in one["message"]]
        if place := os.environ.get("EDGEKIT_SCREENSHOTS"):
            driver.save_screenshot(str(Path(place) / "demo.png"))
    finally:
        driver.quit()


def test_a_server_gives_nothing_outside_of_the_package(page: str) -> None:
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("needs curl")
    for path in (
        "../given.npz",
        "%2e%2e/%2e%2e/etc/passwd",
        "demo",
        "..%2f..%2fetc%2fpasswd",
    ):
        done = subprocess.run(
            [
                curl,
                "-s",
                "--path-as-is",
                "-o",
                os.devnull,
                "-w",
                "%{http_code}",
                page + path,
            ],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "404", path
