"""A headless Chromium that is logged in, listens to the console and reads what is on the page."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

from playwright.async_api import Browser, ConsoleMessage, Error, Page, async_playwright

from .errors import LabError
from .hass import HomeAssistant

FLAGS = [
    "--no-sandbox",  # needed when run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
CHROMIUM_NAMES = ("chromium", "chromium-browser", "google-chrome")

# Every text on the page, through all shadow roots, in the order of the document.
_TEXTS = """() => {
  const found = [];
  const walk = (node) => {
    if (node.nodeType === Node.TEXT_NODE) {
      const text = node.textContent.trim();
      if (text) found.push(text);
    } else if (!["STYLE", "SCRIPT", "TITLE"].includes(node.nodeName.toUpperCase())) {
      if (node.shadowRoot) walk(node.shadowRoot);
      node.childNodes.forEach(walk);
    }
  };
  walk(document.body);
  return found;
}"""


@dataclass(slots=True)
class View:
    """One page with what it complained about."""

    page: Page
    base_url: str
    errors: list[str] = field(default_factory=list)
    """Errors of the console and uncaught exceptions, with the URL of the program."""

    def errors_of(self, mark: str) -> list[str]:
        """Return the errors that mention `mark`."""
        return [error for error in self.errors if mark in error]

    async def open(self, path: str, settle_s: float = 2.0) -> None:
        """Go to a dashboard or device page of Home Assistant, wait for its cards and let it settle."""
        await self.page.goto(self.base_url + path)
        await self.page.wait_for_selector("hui-card, ha-device-info-card", state="attached", timeout=60_000)
        await self.page.wait_for_timeout(settle_s * 1000)

    async def texts(self) -> list[str]:
        """Return every text on the page, through all shadow roots."""
        texts: list[str] = await self.page.evaluate(_TEXTS)
        return texts


def find_chromium() -> str:
    """Return the path of Chromium; script/lib/env.sh may have named it."""
    path = os.environ.get("CHROMIUM_BIN") or next(filter(None, map(shutil.which, CHROMIUM_NAMES)), None)
    if path is None:
        raise LabError("browser", f"none of {', '.join(CHROMIUM_NAMES)} is installed", "run script/bootstrap")
    return path


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start Chromium."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=find_chromium(), headless=True, args=FLAGS)
        try:
            yield browser
        finally:
            await browser.close()


@asynccontextmanager
async def view(
    browser: Browser,
    hass: HomeAssistant,
    *,
    size: tuple[int, int] = (1280, 900),
    scheme: Literal["light", "dark"] = "light",
    logged_in: bool = True,
) -> AsyncIterator[View]:
    """Open a fresh window, logged in unless the login page is what is wanted."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme=scheme,
        device_scale_factor=1,
        locale="en-GB",
    )
    if logged_in:
        if hass.login is None:
            raise RuntimeError("nobody can log in before Home Assistant is up")
        tokens = {
            "access_token": hass.login.token,
            "token_type": "Bearer",
            "expires_in": 315_360_000,
            "expires": 4_102_444_800_000,  # the year 2100, in ms: the frontend need not renew it
            "refresh_token": "",
            "hassUrl": hass.url,
            "clientId": f"{hass.url}/",
        }
        await context.add_init_script(f"localStorage.setItem('hassTokens', {json.dumps(json.dumps(tokens))})")
    page = await context.new_page()
    shown = View(page, hass.url)

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error":
            shown.errors.append(f"{message.text[:500]} ({message.location.get('url')})")

    def on_exception(error: Error) -> None:
        shown.errors.append(f"{error.message[:200]} {(error.stack or '')[:500]}")

    page.on("console", on_console)
    page.on("pageerror", on_exception)
    try:
        yield shown
    finally:
        await context.close()
