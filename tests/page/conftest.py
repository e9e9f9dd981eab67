"""A real Chromium that looks at a real server, and notes every error and every breach of the policy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

CHROMIUM = Path("/usr/bin/chromium")
SIZE = {"width": 1280, "height": 800}


@dataclass
class Watched:
    """A page with what its console said that was wrong. A breach of the CSP is an error of the console."""

    page: Page
    faults: list[str] = field(default_factory=list)
    allowed: tuple[str, ...] = ()

    def note(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and not any(part in message.text for part in self.allowed):
            self.faults.append(f"{message.text} {message.location}")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Headless Chromium; the tests of the page are skipped where there is none.

    One a module: while it runs, this thread has Playwright's event loop, and no other test could start one.
    """
    if not CHROMIUM.exists():
        pytest.skip(f"no Chromium at {CHROMIUM}; the page is tested in a real browser")
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        yield made
        made.close()


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A fresh page; the test fails when its console told of an error that is not `allowed`."""
    context = browser.new_context(viewport=SIZE, accept_downloads=True)  # type: ignore[arg-type]
    context.set_default_timeout(60_000)  # of a busy machine
    made = Watched(context.new_page())
    made.page.on("console", made.note)
    made.page.on("pageerror", lambda error: made.faults.append(str(error)))
    yield made
    context.close()
    assert made.faults == []


def opened(watched: Watched, base: str, address: str = "/", **_: Any) -> Page:
    """The page once its script has run."""
    watched.page.goto(base + address)
    watched.page.wait_for_selector("body[data-ready=true]")
    return watched.page
