"""Pictures of the running system for the README and the documentation."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from .browser import chromium, view
from .lab import DASHBOARD, DOMAIN, Lab

GRAPHS_S = 40.0
"""How long the graphs are given to gather something to show."""
SIZES: dict[str, tuple[int, int]] = {"desktop": (1280, 900), "phone": (412, 915)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


async def take_screenshots(lab: Lab, folder: Path) -> list[Path]:
    """Photograph the main pages on desktop and phone, light and dark; returns the files."""
    await asyncio.sleep(GRAPHS_S)
    pages = await main_pages(lab)
    written = []
    async with chromium() as browser:
        for size_name, size in SIZES.items():
            for scheme in SCHEMES:
                async with view(browser, lab.hass, size=size, scheme=scheme) as shown:
                    for name, path in pages.items():
                        await shown.open(path, settle_s=5.0)
                        target = folder / f"{name}-{size_name}-{scheme}.png"
                        await shown.page.screenshot(path=str(target))  # makes the folder
                        written.append(target)
    return written


async def main_pages(lab: Lab) -> dict[str, str]:
    """Return the pages worth a picture: name and path."""
    kinds = lab.watcher.kinds()
    house, gateway = (
        min(name for name, kind in kinds.items() if kind == wanted) for wanted in ("house", "gateway")
    )
    devices = {
        identifier.partition("/")[2]: device
        for device in await lab.hass.client.ws("config/device_registry/list")
        for domain, identifier, *_ in device["identifiers"]
        if domain == DOMAIN
    }
    return {
        "overview": f"/{DASHBOARD}/overview",
        "energy": f"/{DASHBOARD}/energy",
        "cluster": f"/{DASHBOARD}/{devices[gateway]['name'].lower().replace(' ', '-')}",
        "house": f"/config/devices/device/{devices[house]['id']}",
    }
