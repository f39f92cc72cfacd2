"""A picture of a web package's demo page, as docs/apps.md shows them.

    python -m tools.demo_picture build/host-web out.png --text "Guten Tag"
    python -m tools.demo_picture build/host-web out.png --picture cells.jpg

The page is given by the package's own server to a headless Chromium, which answers one sample: a
text or numbers, typed, or a picture from a file.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from tests.runtime.package.web.test_demo import browsed, demo

WIDTH, MARGIN = 800, 160
"""Of the window, and its height that the page is not shown in."""


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("package", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--text")
    given.add_argument("--picture", type=Path)
    arguments = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        demo(arguments.package) as page,
        browsed(page, Path(folder)) as driver,
    ):
        state = driver.find_element(By.CSS_SELECTOR, "#state")
        if arguments.picture:
            picked = driver.find_element(By.CSS_SELECTOR, "#picture input")
            picked.send_keys(str(arguments.picture.resolve()))
        else:
            driver.find_element(By.TAG_NAME, "textarea").send_keys(arguments.text)
            driver.find_element(By.TAG_NAME, "button").click()
        WebDriverWait(driver, 60).until(lambda _: "ms with" in state.text)
        height = driver.execute_script("return document.documentElement.offsetHeight")
        driver.set_window_size(WIDTH, height + MARGIN)
        driver.save_screenshot(str(arguments.out))


if __name__ == "__main__":
    main()
