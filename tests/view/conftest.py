# SPDX-License-Identifier: Apache-2.0
"""What the tests of pages share: Chromium, which leaves a picture of every page as a test leaves it, and axe-core."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PROGRAM = shutil.which("chromium") or shutil.which("google-chrome")
ARGUMENTS = ["--no-sandbox", "--ignore-gpu-blocklist", "--enable-unsafe-swiftshader"]
SHOTS = Path(__file__).parents[2] / "build" / "screenshots"
"""Where the pictures go; for people, and no part of a test's answer."""


class Pictured:
    """A browser whose pages are photographed when they are closed."""

    def __init__(self, browser: Any) -> None:
        """Take a browser of playwright's."""
        self.browser = browser
        SHOTS.mkdir(parents=True, exist_ok=True)

    def new_page(self, **options: Any) -> Any:
        """As playwright's; its `close` takes the picture first."""
        page = self.browser.new_page(**options)
        close = page.close

        def photographed() -> None:
            test = os.environ["PYTEST_CURRENT_TEST"].rpartition("::")[2].partition(" ")[0]
            name = re.sub(r"[^\w.-]+", "-", f"{test}-{page.title()[:40]}").strip("-")
            page.screenshot(path=SHOTS / f"{name}.png")
            close()

        page.close = photographed
        return page


@pytest.fixture(scope="module")
def browser() -> Iterator[Pictured]:
    """Headless Chromium with WebGL 2 on the processor."""
    if PROGRAM is None:
        pytest.skip("no Chromium on the path: apt-get install chromium")
    api = pytest.importorskip("playwright.sync_api", reason="needs playwright: pip install -e '.[dev]'")
    with api.sync_playwright() as play:
        found = play.chromium.launch(executable_path=PROGRAM, args=ARGUMENTS)
        yield Pictured(found)
        found.close()


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core, from a package, never from a network."""
    package = pytest.importorskip("axe_playwright_python", reason="needs axe-core: pip install -e '.[dev]'")
    return (Path(package.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
