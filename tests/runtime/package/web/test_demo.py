"""The demo page, as its own server gives it, used by hand in a real browser."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from edgekit.runtimes import browser
from edgekit.store import Store
from tests.packages import write_bundle
from tests.runtime.package.relu import RAW, tiny
from tests.runtime.package.web.conftest import NODE, Package, modules
from tests.runtime.package.web.test_boxes import detector_bundle
from tests.runtime.package.web.test_pages import pytestmark, text_bundle  # noqa: F401
from tests.runtime.report.test_browser import CHROMIUM, DRIVER, FLAGS


@pytest.fixture
def page(tmp_path: Path, package: Package) -> Iterator[str]:
    """The address of the demo of a package with four classes."""
    bundle = write_bundle(
        tmp_path / "b",
        [tiny(tmp_path)],
        preprocess=[RAW],
        labels=["a", "b", "<i>c", "d"],
    )
    with demo(package(bundle)) as address:
        yield address


@contextmanager
def demo(out: Path) -> Iterator[str]:
    """The address of a package's demo, as its own server gives it."""
    if NODE is None or DRIVER is None:
        pytest.skip(
            "needs node and chromedriver: apt-get install nodejs chromium-driver"
        )
    needed = json.loads((out / "package.json").read_text())["dependencies"]
    (out / "node_modules").mkdir()
    for one in browser.known().values():
        if one.package in needed:
            link(one.files(Store()), out)
    link(modules(text=len(needed) > 1).get("node_modules"), out)
    server = subprocess.Popen(
        [NODE, "demo/serve.mjs"],
        cwd=out,
        env={**os.environ, "PORT": "0"},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    try:
        yield server.stdout.readline().strip()
    finally:
        server.kill()
        server.wait()
        server.stdout.close()


def link(modules: Path | None, out: Path) -> None:
    """Packages beside each other, as npm installs them."""
    for folder in modules.iterdir() if modules else ():
        (out / "node_modules" / folder.name).symlink_to(folder)


@contextmanager
def browsed(page: str, folder: Path) -> Iterator[webdriver.Chrome]:
    """A browser whose page has loaded its model."""
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for flag in (*FLAGS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        driver.get(page)
        state = driver.find_element(By.CSS_SELECTOR, "#state")
        WebDriverWait(driver, 30).until(lambda _: state.text == "Ready.")
        yield driver
    finally:
        driver.quit()


def test_a_typed_sample_is_answered_and_a_wrong_one_named(
    page: str, tmp_path: Path
) -> None:
    with browsed(page, tmp_path) as driver:
        state, field = (
            driver.find_element(By.CSS_SELECTOR, s) for s in ("#state", "textarea")
        )
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


def test_the_boxes_of_a_picture_are_drawn_in_it(
    tmp_path: Path, package: Package
) -> None:
    bundle, _ = detector_bundle(tmp_path)
    picture = tmp_path / "picture.png"
    values = np.random.default_rng(2).integers(0, 256, (30, 40, 3))
    Image.fromarray(values.astype(np.uint8)).save(picture)
    with (
        demo(package(bundle)) as page,
        browsed(page, tmp_path) as driver,
    ):
        driver.find_element(By.CSS_SELECTOR, "#picture input").send_keys(str(picture))
        answer, canvas = (
            driver.find_element(By.CSS_SELECTOR, s) for s in ("#answer", "canvas")
        )
        WebDriverWait(driver, 30).until(lambda _: answer.text)
        lines = answer.text.splitlines()
        labels = {line.split()[0] for line in lines}
        assert labels and labels <= {"red", "white", "blue"}
        size = [canvas.get_attribute(side) for side in ("width", "height")]
        assert canvas.is_displayed() and size == ["640", "480"]


def test_a_typed_text_is_answered(tmp_path: Path, package: Package) -> None:
    bundle = text_bundle(tmp_path)
    with demo(package(bundle)) as page, browsed(page, tmp_path) as driver:
        field, answer = (
            driver.find_element(By.CSS_SELECTOR, s) for s in ("textarea", "#answer")
        )
        assert field.get_attribute("placeholder") == "text"
        field.send_keys("bad, bad film")
        driver.find_element(By.TAG_NAME, "button").click()
        WebDriverWait(driver, 30).until(lambda _: answer.text)
        bars = driver.find_elements(By.CSS_SELECTOR, ".bar span")
        assert [bar.text for bar in bars] == ["tokens", "bad", "good", "second"]


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
