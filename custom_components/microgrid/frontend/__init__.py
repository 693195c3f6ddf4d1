"""Serves the dashboard (sources in frontend/ of the repository) and has Home Assistant's pages load it."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path
from typing import Final

from homeassistant.components.frontend import add_extra_js_url
from homeassistant.components.http import StaticPathConfig
from homeassistant.core import HomeAssistant

from ..const import DOMAIN

BUNDLE: Final = Path(__file__).parent / "microgrid.js"


async def async_register_dashboard(hass: HomeAssistant) -> None:
    """Offer the dashboard; without a frontend (tests, headless instances) there is nothing to offer it to."""
    if not {"frontend", "http"} <= hass.config.components:
        return
    url = await hass.async_add_executor_job(bundle_url)
    # Browsers may keep the file for a month: other content has another address.
    await hass.http.async_register_static_paths([StaticPathConfig(url, str(BUNDLE), True)])
    add_extra_js_url(hass, url)


def bundle_url() -> str:
    """Address of the bundle, with a digest of its content."""
    digest = sha256(BUNDLE.read_bytes()).hexdigest()[:12]
    return f"/{DOMAIN}_frontend/{digest}/{BUNDLE.name}"
