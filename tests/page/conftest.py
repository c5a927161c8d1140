"""Debian's Chromium, driven by Playwright, and services for it to visit."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image
from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

from tests.page.site import Site
from tests.programs import require_program

# Without the flags about the network it looks for updates; as root it has no sandbox.
_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update",
]  # fmt: skip

# A map library within Plotly brings styles of its own, which the page's policy refuses; no figure needs them.
_EXPECTED = "Applying inline style violates"

# Plotly's script alone takes seconds where other tests keep all processors busy.
_PATIENCE_MS = 40_000
expect.set_options(timeout=_PATIENCE_MS)

IMAGES = Path(__file__).parents[2] / "docs" / "images"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    # Not longer: while Playwright runs, this thread has an event loop that no other may stand beside.
    path = require_program("chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=_FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def visit(browser):
    """Open pages; at the end, none of them may have complained."""
    complaints: list[str] = []
    contexts = []

    def note(message: ConsoleMessage) -> None:
        refused = "Failed to load resource" in message.text
        if message.type == "error" and _EXPECTED not in message.text and not refused:
            complaints.append(message.text)

    def visit(url: str, **options) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(_PATIENCE_MS)
        page.on("console", note)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        return page

    yield visit
    for context in contexts:
        context.close()
    assert complaints == []


@pytest.fixture
def make_site() -> Iterator:
    made: list[Site] = []

    def make(features=("a", "b", "c", "d"), **options) -> Site:
        made.append(Site(features, **options))
        return made[-1]

    yield make
    for site in made:
        site.stop()


@pytest.fixture
def photograph():
    """Keep a picture for the documentation, where DRIFTLEAD_SCREENSHOTS=1 asks for it."""

    def photograph(page: Page, name: str, **options) -> None:
        if os.environ.get("DRIFTLEAD_SCREENSHOTS") == "1":
            picture = Image.open(io.BytesIO(page.screenshot(**options)))
            # The page has few colours: a palette of them makes the file a third as large.
            picture.convert("RGB").quantize(256).save(IMAGES / f"{name}.png", optimize=True)

    return photograph
