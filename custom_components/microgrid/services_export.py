"""The action microgrid.export_fault: report, chart, COMTRADE and CSV of a fault as files."""

from __future__ import annotations

import re
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import voluptuous as vol
from homeassistant.components.http.auth import async_sign_path
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util
from homeassistant.util.json import JsonObjectType

from .const import DOMAIN
from .core.archive.errors import ArchiveError
from .core.contract.snapshot import SnapshotPart
from .services_swarm import ATTR_CONFIG_ENTRY, one_swarm
from .views import URL, exports_folder

if TYPE_CHECKING:
    from .core.codec.umg1.log import Log
    from .fault_story import Story
    from .runtime import MicrogridRuntime

ACTION_EXPORT_FAULT: Final = "export_fault"
ATTR_EVENT_ID: Final = "event_id"
ATTR_FORMATS: Final = "formats"
ATTR_FOLDER: Final = "folder"

REPORT, CHART, COMTRADE, CSV = FORMATS = ("report", "chart", "comtrade", "csv")
LINK_LASTS: Final = timedelta(hours=24)

EXPORT_FAULT_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(ATTR_CONFIG_ENTRY): cv.string,
        vol.Required(ATTR_EVENT_ID): vol.All(cv.string, vol.Length(min=1, max=64)),
        vol.Optional(ATTR_FORMATS, default=list(FORMATS)): vol.All(
            cv.ensure_list, vol.Length(min=1), [vol.In(FORMATS)]
        ),
        vol.Optional(ATTR_FOLDER): vol.All(cv.string, vol.Length(min=1, max=1000)),
    }
)


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        ACTION_EXPORT_FAULT,
        _export_fault,
        schema=EXPORT_FAULT_SCHEMA,
        supports_response=SupportsResponse.OPTIONAL,
    )


@dataclass(frozen=True, slots=True)
class _Skipped:
    """What could not be written, and why."""

    node: str
    format: str
    reason: str


async def _export_fault(call: ServiceCall) -> ServiceResponse:
    hass, event_id = call.hass, call.data[ATTR_EVENT_ID]
    runtime = one_swarm(call)
    root = await _root(hass, call.data.get(ATTR_FOLDER))
    try:
        story, chart, recordings = await _content(runtime, event_id)
    except ArchiveError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="faults_closed",
            translation_placeholders={"reason": str(error)},
        ) from error
    folder = root / _folder_name(story)
    try:
        written, skipped = await hass.async_add_executor_job(
            _write_all, folder, story, chart, recordings, frozenset(call.data[ATTR_FORMATS])
        )
    except OSError as error:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="export_failed",
            translation_placeholders={"folder": str(folder), "reason": str(error)},
        ) from error
    linked = root == exports_folder(hass)
    files: list[JsonObjectType] = [
        {
            "name": path.name,
            "path": str(path),
            "bytes": size,
            "url": _link(hass, path) if linked else None,
        }
        for path, size in written.items()
    ]
    return {
        "event_id": event_id,
        "folder": str(folder),
        "files": [*files],
        "links_until": (dt_util.utcnow() + LINK_LASTS).isoformat(timespec="seconds") if linked else None,
        "skipped": [{"node": one.node, "format": one.format, "reason": one.reason} for one in skipped],
    }


async def _root(hass: HomeAssistant, wanted: str | None) -> Path:
    """Return the folder to write below; Home Assistant must allow it."""
    root = exports_folder(hass) if wanted is None else Path(wanted)
    if root is None or not root.is_absolute() or not await hass.async_add_executor_job(_allowed, hass, root):
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="folder_not_allowed",
            translation_placeholders={"folder": "–" if root is None else str(root)},
        )
    return root


def _allowed(hass: HomeAssistant, root: Path) -> bool:
    """Ask about the part of a path that exists: links in it lead to where they lead."""
    there = root
    while not there.exists() and there != there.parent:
        there = there.parent
    rest = root.relative_to(there)
    if ".." in rest.parts:
        return False
    whole = there.resolve() / rest
    return any(whole.is_relative_to(Path(one).resolve()) for one in hass.config.allowlist_external_dirs)


async def _content(
    runtime: MicrogridRuntime, event_id: str
) -> tuple[Story, bytes, Mapping[tuple[str, SnapshotPart], Path]]:
    """Return all that an export holds."""
    found = await runtime.faults.details(event_id)
    if runtime.faults.store is None:
        raise ArchiveError(runtime.faults.trouble or "–")
    story, chart = await runtime.fault_charts.story(event_id), await runtime.fault_charts.chart(event_id)
    if found is None or story is None or chart is None:
        raise ServiceValidationError(
            translation_domain=DOMAIN,
            translation_key="unknown_fault",
            translation_placeholders={"event_id": event_id},
        )
    return story, chart, runtime.fault_charts.files(found)


def _safe(text: str) -> str:
    """Return a text as it may stand in a name of a file on any system, and in our links."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", text)[:40] or "_"


def _folder_name(story: Story) -> str:
    """Name the folder after time, code and node; the digest tells events of the same second apart."""
    when = "unknown" if story.time is None else f"{story.time:%Y-%m-%d_%H%M%S}"
    digest = f"{zlib.crc32(story.event_id.encode()):08x}"
    return f"{when}_{_safe(story.code)}_{_safe(story.node)}_{digest}"


def _link(hass: HomeAssistant, path: Path) -> str:
    """Return an address that opens the file without signing in, for a day."""
    return async_sign_path(hass, f"{URL}/{path.parent.name}/{path.name}", LINK_LASTS, use_content_user=True)


# -------------------------------------------------------------------------------------------- in the executor


def _write_all(
    folder: Path,
    story: Story,
    chart: bytes,
    recordings: Mapping[tuple[str, SnapshotPart], Path],
    formats: frozenset[str],
) -> tuple[dict[Path, int], list[_Skipped]]:
    """Write the files, each whole or not at all; return them with their sizes, and what was left out."""
    from .fault_page import page

    folder.mkdir(parents=True, exist_ok=True)
    skipped: list[_Skipped] = []
    with tempfile.TemporaryDirectory(prefix=".", dir=folder) as name:
        draft = Path(name)
        if REPORT in formats:
            (draft / "report.html").write_text(page(story, chart), encoding="utf-8")
        if CHART in formats:
            (draft / "chart.png").write_bytes(chart)
        for (node, part), path in sorted(recordings.items()):
            if part is SnapshotPart.MEASURED:
                skipped += _export_log(node, path, draft, formats)
        written = {}
        for path in sorted(draft.iterdir()):
            target = folder / path.name
            written[target] = path.stat().st_size
            shutil.move(path, target)
    return written, skipped


def _export_log(node: str, path: Path, draft: Path, formats: Iterable[str]) -> list[_Skipped]:
    """Write what was measured at one node; a damaged recording leaves the others alone."""
    from .core.codec.exports.optional import ExportError
    from .core.codec.umg1.log import open_log
    from .core.codec.umg1.samples import TooManySamples
    from .core.codec.umg1.wire import Malformed

    skipped = []
    for name in _WRITERS:
        if name not in formats:
            continue
        try:
            _WRITERS[name](open_log([path]), node, draft)
        except (ExportError, Malformed, TooManySamples, ValueError) as error:
            skipped.append(_Skipped(node, name, str(error)))
    return skipped


def _write_comtrade(log: Log, node: str, draft: Path) -> None:
    from .core.codec.exports.comtrade import write_comtrade

    write_comtrade(log, draft / f"{_safe(node)}.cff")
    write_comtrade(log, draft / f"{_safe(node)}.cfg")


def _write_csv(log: Log, node: str, draft: Path) -> None:
    from .core.codec.exports.csv_files import write_csv
    from .core.codec.exports.tables import tables

    # Named after the node that sent the file, not after what the file says of itself.
    write_csv((replace(table, node=_safe(node)) for table in tables(log)), draft)


_WRITERS: Final[Mapping[str, Callable[[Log, str, Path], None]]] = {COMTRADE: _write_comtrade, CSV: _write_csv}
