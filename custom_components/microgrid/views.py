"""Serves reports and exported files of faults, to those who are signed in or hold a signed link."""

from __future__ import annotations

import re
from http import HTTPStatus
from pathlib import Path
from typing import Final

from aiohttp import web
from homeassistant.components.http import KEY_HASS, HomeAssistantView
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .core.archive.errors import ArchiveError
from .fault_page import CONTENT_SECURITY_POLICY, page
from .fault_watch import REPORT_URL
from .runtime import MicrogridConfigEntry

URL: Final = "/api/microgrid/exports"
_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,149}", re.ASCII)
_TYPES: Final = {
    ".cff": "application/octet-stream",
    ".cfg": "text/plain",
    ".csv": "text/csv",
    ".dat": "application/octet-stream",
    ".hdr": "text/plain",
    ".html": "text/html",
    ".png": "image/png",
}
_HEADERS: Final = {
    "Content-Security-Policy": f"{CONTENT_SECURITY_POLICY}; sandbox allow-modals",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "private, no-cache",
}


@callback
def async_register_views(hass: HomeAssistant) -> None:
    """Offer the files; without a web server (headless instances) there is nobody to offer them to."""
    if "http" in hass.config.components:
        hass.http.register_view(ExportView)
        hass.http.register_view(ReportView)


@callback
def exports_folder(hass: HomeAssistant) -> Path | None:
    """Return where exports go unless the user says otherwise: the first folder of media; None without any."""
    folders = hass.config.media_dirs
    found = folders.get("local") or next(iter(folders.values()), None)
    return None if found is None else Path(found) / "microgrid"


class ExportView(HomeAssistantView):
    """One file of one export."""

    url = f"{URL}/{{folder}}/{{name}}"
    name = "api:microgrid:exports"

    async def get(self, request: web.Request, folder: str, name: str) -> web.StreamResponse:
        """Answer with the file."""
        hass = request.app[KEY_HASS]
        root = exports_folder(hass)
        path = None
        if root is not None and _NAME.fullmatch(folder) and _NAME.fullmatch(name):
            path = await hass.async_add_executor_job(_file, root, folder, name)
        if path is None:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        return web.FileResponse(
            path,
            headers={**_HEADERS, "Content-Type": _TYPES[path.suffix]},
        )


class ReportView(HomeAssistantView):
    """The report of one fault, as it is known now."""

    url = f"{REPORT_URL}/{{entry_id}}/{{event_id}}"
    name = "api:microgrid:faults"

    async def get(self, request: web.Request, entry_id: str, event_id: str) -> web.StreamResponse:
        """Answer with the page."""
        hass = request.app[KEY_HASS]
        entry: MicrogridConfigEntry | None = hass.config_entries.async_get_entry(entry_id)
        if entry is None or entry.domain != DOMAIN:
            return web.Response(status=HTTPStatus.NOT_FOUND)
        if entry.state is not ConfigEntryState.LOADED:
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        charts = entry.runtime_data.fault_charts
        try:
            story, chart = await charts.story(event_id), await charts.chart(event_id)
        except ArchiveError:  # the desk told already what is wrong with the store
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE)
        if story is None or chart is None:
            closed = entry.runtime_data.faults.store is None
            return web.Response(status=HTTPStatus.SERVICE_UNAVAILABLE if closed else HTTPStatus.NOT_FOUND)
        text = await hass.async_add_executor_job(page, story, chart)
        return web.Response(text=text, content_type="text/html", headers=_HEADERS)


def _file(root: Path, folder: str, name: str) -> Path | None:
    """Return a file of a kind that we write; none that a link inside leads out of the folder."""
    path = root / folder / name
    if path.suffix not in _TYPES or not path.is_file() or not path.resolve().is_relative_to(root.resolve()):
        return None
    return path
