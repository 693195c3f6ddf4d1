"""The chart of the newest fault as an image, and the files of the action export_fault."""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterator
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import pytest
from comtrade import Comtrade
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from PIL import Image
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.microgrid import chart_desk, services_export
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.archive.errors import ArchiveUnavailable
from custom_components.microgrid.core.archive.faults.records import (
    Annotation,
    Member,
    Pull,
    RecordedFault,
    Stage,
)
from custom_components.microgrid.core.archive.faults.store import FaultStore
from custom_components.microgrid.core.contract.snapshot import SnapshotPart, SnapshotState
from custom_components.microgrid.fault_desk import FaultDesk
from microgrid_core.codec.umg1.frame import Kind
from microgrid_core.codec.umg1.records import Snapshot
from microgrid_core.codec.umg1.schema import Channel, Schema
from tests.unit.core.archive.logs import SECOND_US, START_US, Node

from .voices import Voice

EVENT_ID = "north.1:5f2a10c4:17"
GATEWAY, HOUSE, NEIGHBOUR = "gateway-1", "house-1", "house-2"
IMAGE_ID = "image.house_1_last_fault_chart"
TRIGGER_US = 20 * SECOND_US
HOSTILE = "<script>alert('name')</script>"


def snapshot(node_id: str, channel: str = "inverter_power", unit: str = "W") -> bytes:
    """What a node recorded around the fault."""
    schema = Schema(
        node_id,
        "c1",
        (
            Channel(1, channel, unit, SECOND_US // 100, fast=True),
            Channel(2, "load_power" if node_id != GATEWAY else "cluster_power", "W", SECOND_US),
        ),
    )
    node = Node(schema=schema, seed=len(node_id) + ord(node_id[-1]))
    first, *_ = node.start()
    about = Snapshot(EVENT_ID, "F001", HOUSE, TRIGGER_US, START_US + TRIGGER_US, 10_000, 10_000, 0)
    frames = [first, node.frame(Kind.SNAPSHOT, about.encode()), *node.minutes(1)]
    return b"".join(frame.encode() for frame in frames)


def desk_of(entry: MockConfigEntry) -> FaultDesk:
    """The desk of the entry."""
    desk: FaultDesk = entry.runtime_data.faults
    return desk


def store_of(entry: MockConfigEntry) -> FaultStore:
    """Its store, which is open."""
    store = desk_of(entry).store
    assert store is not None
    return store


def record(
    entry: MockConfigEntry, event_id: str = EVENT_ID, at_us: int | None = START_US + TRIGGER_US
) -> None:
    """Have a fault in the store, that nobody waits for any more."""
    fault = RecordedFault(
        event_id,
        HOUSE,
        "F001",
        "critical",
        at_us,
        START_US + 21 * SECOND_US,
        stage=Stage.TOLD,
        pull=Pull.COMPLETE,
        values={"inverter_current": 41.5},
    )
    members = (Member(GATEWAY, "gateway"), Member(HOUSE, "house"), Member(NEIGHBOUR, "house"))
    assert store_of(entry).record(fault, members)


def keep(entry: MockConfigEntry, node_id: str, data: bytes) -> None:
    """Have a recording in the store."""
    store_of(entry).store_part(EVENT_ID, node_id, SnapshotPart.MEASURED, SnapshotState.COMPLETE, data)


@pytest.fixture
async def nodes(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A gateway with two houses."""
    for node_id, kind, name in (
        (GATEWAY, "gateway", "Gateway"),
        (HOUSE, "house", "House 1"),
        (NEIGHBOUR, "house", HOSTILE),
    ):
        await Voice(hass, node_id, kind, name, None if kind == "gateway" else GATEWAY).greet()


@pytest.fixture
async def fault(hass: HomeAssistant, entry: MockConfigEntry, nodes: None) -> MockConfigEntry:
    """A fault of which two nodes gave their recordings, analysed by the engine."""

    def fill() -> None:
        record(entry)
        keep(entry, HOUSE, snapshot(HOUSE))
        keep(entry, GATEWAY, snapshot(GATEWAY, "power_flow"))

    await hass.async_add_executor_job(fill)
    await desk_of(entry).analyze(EVENT_ID)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
def media(hass: HomeAssistant, tmp_path: Path) -> Iterator[Path]:
    """A media folder of Home Assistant."""
    folder = tmp_path / "media"
    folder.mkdir()
    before = set(hass.config.allowlist_external_dirs)
    hass.config.media_dirs = {"local": str(folder)}
    hass.config.allowlist_external_dirs = {str(folder)}
    yield folder
    hass.config.allowlist_external_dirs = before


def contents(folder: str | Path) -> dict[str, bytes]:
    """Files of a folder."""
    return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


def names(folder: Path) -> set[str]:
    """Names in a folder."""
    return {path.name for path in folder.iterdir()}


def lure(media: Path, elsewhere: Path) -> None:
    """Lay a link that leads out of the media folder."""
    (elsewhere / "secret").mkdir()
    (media / "link").symlink_to(elsewhere / "secret")


def tempt(folder: Path, media: Path, elsewhere: Path) -> None:
    """Put files where the view must not find them."""
    (elsewhere / "secrets.html").write_text("secret", encoding="utf-8")
    (folder / "link.html").symlink_to(elsewhere / "secrets.html")
    (folder / "tool.py").write_text("print()", encoding="utf-8")
    (media / "private.html").write_text("private", encoding="utf-8")


def forget_recordings(store: FaultStore) -> None:
    """Delete the files behind the store's back."""
    for path in store.files.root.glob("*/*"):
        path.unlink()


async def export(hass: HomeAssistant, **data: Any) -> dict[str, Any]:
    """Call the action."""
    found = await hass.services.async_call(
        DOMAIN, "export_fault", {"event_id": EVENT_ID, **data}, blocking=True, return_response=True
    )
    assert isinstance(found, dict)
    return found


# -------------------------------------------------------------------------------------------------- the image


async def fetch(hass: HomeAssistant, hass_client: ClientSessionGenerator) -> tuple[int, bytes]:
    """Get the image as a browser does."""
    client = await hass_client()
    state = hass.states.get(IMAGE_ID)
    assert state is not None
    answer = await client.get(state.attributes["entity_picture"])
    return answer.status, await answer.read()


async def test_without_a_fault_there_is_no_chart(
    hass: HomeAssistant, entry: MockConfigEntry, nodes: None, hass_client: ClientSessionGenerator
) -> None:
    state = hass.states.get(IMAGE_ID)
    assert state is not None
    assert state.state == "unknown"
    assert (await fetch(hass, hass_client))[0] == HTTPStatus.INTERNAL_SERVER_ERROR


async def test_the_image_is_the_chart_of_the_newest_fault(
    hass: HomeAssistant, fault: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    status, png = await fetch(hass, hass_client)
    assert status == HTTPStatus.OK
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.width) == ("PNG", 1080)
    assert image.height > 1200, "there are curves"
    state = hass.states.get(IMAGE_ID)
    assert state is not None
    assert state.attributes["event_id"] == EVENT_ID
    made = state.state

    await desk_of(fault).analyze(EVENT_ID)
    await hass.async_block_till_done()
    state = hass.states.get(IMAGE_ID)
    assert state is not None
    assert state.state > made, "another analysis is another picture"
    others = [hass.states.get(f"image.{name}_last_fault_chart") for name in ("gateway",)]
    assert [other and other.state for other in others] == ["unknown"], "it told no fault"


async def test_the_chart_is_there_after_a_restart(
    hass: HomeAssistant, fault: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    before = hass.states.get(IMAGE_ID)
    png = await fetch(hass, hass_client)
    assert await hass.config_entries.async_reload(fault.entry_id)
    for node_id, kind, name in ((GATEWAY, "gateway", "Gateway"), (HOUSE, "house", "House 1")):
        await Voice(hass, node_id, kind, name, None if kind == "gateway" else GATEWAY).greet()
    after = hass.states.get(IMAGE_ID)
    assert before is not None
    assert after is not None
    assert after.state == before.state
    assert (await fetch(hass, hass_client))[0] == HTTPStatus.OK
    await Voice(hass, NEIGHBOUR, "house", HOSTILE, GATEWAY).greet()
    fault.runtime_data.fault_charts._drawn.clear()
    assert await fetch(hass, hass_client) == png, "drawn again from what is stored, bit for bit"


async def test_a_chart_is_drawn_once(hass: HomeAssistant, fault: MockConfigEntry) -> None:
    charts = fault.runtime_data.fault_charts
    await hass.async_add_executor_job(record, fault, "north.1:another")
    with (
        patch.object(chart_desk, "_chart", wraps=chart_desk._chart) as drawn,
        patch.object(chart_desk, "_KEPT", 1),
    ):
        first = await charts.chart(EVENT_ID)
        assert await charts.chart(EVENT_ID) is first
        assert drawn.call_count == 1
        assert await charts.chart("north.1:another") != first
        assert await charts.chart(EVENT_ID) == first
        assert drawn.call_count == 3, "the oldest was dropped"
        assert await charts.chart("nobody:1") is None


async def test_a_recording_that_is_gone_leaves_the_words(
    hass: HomeAssistant, fault: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    forget_recordings(store_of(fault))
    status, png = await fetch(hass, hass_client)
    assert status == HTTPStatus.OK
    assert Image.open(io.BytesIO(png)).height < 1000


async def test_a_report_of_another_version_leaves_the_verdict(
    hass: HomeAssistant, fault: MockConfigEntry
) -> None:
    (found,) = (await hass.async_add_executor_job(store_of(fault).analyses, EVENT_ID))[-1:]
    strange = replace(found, cause="F001.neighbour_trip", confidence=0.9, report='{"of": "tomorrow"}')
    await hass.async_add_executor_job(store_of(fault).add_analysis, EVENT_ID, strange)
    story = await fault.runtime_data.fault_charts.story(EVENT_ID)
    assert story is not None
    assert story.report is None
    assert story.case is not None
    assert (story.cause, story.certainty) == ("F001.neighbour_trip", 0.9)
    assert await fault.runtime_data.fault_charts.chart(EVENT_ID) is not None


async def test_a_closed_store_gives_no_chart(
    hass: HomeAssistant, fault: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    with patch.object(FaultStore, "get", side_effect=ArchiveUnavailable("the disk is away")):
        assert (await fetch(hass, hass_client))[0] == HTTPStatus.INTERNAL_SERVER_ERROR


# -------------------------------------------------------------------------------------------------- the files


async def test_everything_is_exported_and_can_be_opened(
    hass: HomeAssistant,
    fault: MockConfigEntry,
    media: Path,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    await hass.async_add_executor_job(
        store_of(fault).annotate, EVENT_ID, Annotation(START_US, None, None, HOSTILE)
    )
    found = await export(hass)
    folder = Path(found["folder"])
    assert folder.parent == media / DOMAIN
    assert re.fullmatch(r"\d{4}-\d\d-\d\d_\d{6}_F001_house-1_[0-9a-f]{8}", folder.name)
    assert found["skipped"] == []
    files = {file["name"]: file for file in found["files"]}
    assert set(files) == {
        "report.html",
        "chart.png",
        *(f"{node}.{end}" for node in (HOUSE, GATEWAY) for end in ("cff", "cfg", "dat", "hdr")),
        *(f"{node}_{period}.csv" for node in (HOUSE, GATEWAY) for period in ("10ms", "1000ms")),
    }
    written = contents(folder)
    assert written.keys() == files.keys(), "nothing unfinished is left"

    client = await hass_client_no_auth()
    for name, file in files.items():
        answer = await client.get(file["url"])
        assert answer.status == HTTPStatus.OK, name
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert await answer.read() == written[name]
        assert (file["bytes"], file["path"]) == (len(written[name]), str(folder / name))
    html = written["report.html"].decode()
    assert "<script" not in html
    assert "&lt;script&gt;alert" in html
    (image,) = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", html)
    assert base64.b64decode(image) == written["chart.png"]
    answer = await client.get(files["report.html"]["url"])
    assert answer.content_type == "text/html"
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert (await client.get(files["report.html"]["url"].partition("?")[0])).status == HTTPStatus.UNAUTHORIZED


async def test_the_numbers_are_those_of_the_recording(
    hass: HomeAssistant, fault: MockConfigEntry, media: Path
) -> None:
    folder = Path((await export(hass, formats=["comtrade", "csv"]))["folder"])
    rows = list(csv.reader(contents(folder)[f"{HOUSE}_10ms.csv"].decode().splitlines()))
    assert rows[0] == ["utc", "boot_id", "mono_us", "inverter_power [W]"]
    record = Comtrade()
    record.load(str(folder / f"{HOUSE}.cfg"), str(folder / f"{HOUSE}.dat"))
    assert record.analog_channel_ids == ["inverter_power", "load_power"]
    inside = [float(row[3]) for row in rows[1:] if abs(int(row[2]) - TRIGGER_US) <= 10 * SECOND_US]
    assert np.array_equal(record.analog[0], inside)


async def test_a_second_export_takes_the_place_of_the_first(
    hass: HomeAssistant, fault: MockConfigEntry, media: Path
) -> None:
    first = await export(hass, formats=["report", "chart"])
    before = contents(first["folder"])
    await hass.async_add_executor_job(
        store_of(fault).annotate, EVENT_ID, Annotation(START_US, None, None, "Fan replaced.")
    )
    second = await export(hass, formats=["report"])
    assert second["folder"] == first["folder"]
    assert [file["name"] for file in second["files"]] == ["report.html"]
    after = contents(first["folder"])
    assert after["chart.png"] == before["chart.png"]
    assert (b"Fan replaced." in before["report.html"], b"Fan replaced." in after["report.html"]) == (
        False,
        True,
    )


async def test_another_folder_that_is_allowed_has_no_links(
    hass: HomeAssistant, fault: MockConfigEntry, media: Path, tmp_path: Path
) -> None:
    hass.config.allowlist_external_dirs = {str(media), str(tmp_path / "shared")}
    found = await export(hass, folder=str(tmp_path / "shared" / "new"), formats=["chart"])
    assert found["links_until"] is None
    assert [file["url"] for file in found["files"]] == [None]
    assert contents(tmp_path / "shared" / "new" / Path(found["folder"]).name)["chart.png"][:4] == b"\x89PNG"


async def test_no_other_folder_is_written_to(
    hass: HomeAssistant, fault: MockConfigEntry, media: Path, tmp_path: Path
) -> None:
    lure(media, tmp_path)
    for folder in ("/etc", "relative", str(media / ".." / "secret"), str(media / "link" / "x"), f"{media}x"):
        with pytest.raises(ServiceValidationError) as refused:
            await export(hass, folder=folder)
        assert refused.value.translation_key == "folder_not_allowed"
    assert contents(tmp_path / "secret") == {}
    assert "mediax" not in names(tmp_path)


async def test_a_damaged_recording_leaves_the_others_alone(
    hass: HomeAssistant, fault: MockConfigEntry, media: Path
) -> None:
    await hass.async_add_executor_job(keep, fault, NEIGHBOUR, b"this is no log" * 10)
    found = await export(hass)
    files = {file["name"]: file for file in found["files"]}
    assert {"report.html", "chart.png", f"{HOUSE}.cff", f"{GATEWAY}.cff"} <= files.keys()
    assert Image.open(files["chart.png"]["path"]).height > 1200, "there are curves of the others"
    assert {(one["node"], one["format"]) for one in found["skipped"]} == {(NEIGHBOUR, "comtrade")}


async def test_what_cannot_be_exported_is_said(
    hass: HomeAssistant, fault: MockConfigEntry, media: Path
) -> None:
    with pytest.raises(ServiceValidationError) as unknown:
        await export(hass, event_id="nobody:1")
    assert unknown.value.translation_key == "unknown_fault"
    with (
        patch.object(services_export, "_write_all", side_effect=OSError(28, "No space left on device")),
        pytest.raises(HomeAssistantError) as full,
    ):
        await export(hass)
    assert full.value.translation_key == "export_failed"
    with patch.object(desk_of(fault).shelf, "store", None), pytest.raises(HomeAssistantError) as closed:
        await export(hass)
    assert closed.value.translation_key == "faults_closed"
    hass.config.media_dirs = {}
    with pytest.raises(ServiceValidationError) as nowhere:
        await export(hass)
    assert nowhere.value.translation_key == "folder_not_allowed"


async def test_a_fault_without_time_has_a_folder_too(
    hass: HomeAssistant, entry: MockConfigEntry, nodes: None, media: Path
) -> None:
    await hass.async_add_executor_job(record, entry, EVENT_ID, None)
    found = await export(hass)
    assert Path(found["folder"]).name.startswith("unknown_F001_house-1_")
    assert {file["name"] for file in found["files"]} == {"report.html", "chart.png"}


async def test_only_what_was_exported_is_served(
    hass: HomeAssistant,
    fault: MockConfigEntry,
    media: Path,
    tmp_path: Path,
    hass_client: ClientSessionGenerator,
) -> None:
    folder = Path((await export(hass, formats=["report"]))["folder"])
    tempt(folder, media, tmp_path)
    client = await hass_client()
    for path in (
        f"{folder.name}/link.html",
        f"{folder.name}/tool.py",
        f"{folder.name}/nothing.html",
        f"{folder.name}/..%2f..%2fprivate.html",
        "..%2f../private.html",
        "%2e%2e/private.html",
        f"{folder.name}/.hidden.html",
    ):
        answer = await client.get(f"/api/microgrid/exports/{path}")
        # Home Assistant itself refuses what looks like an attack.
        assert answer.status in (HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST), path
    assert (await client.get(f"/api/microgrid/exports/{folder.name}/report.html")).status == HTTPStatus.OK
