"""Critical faults that are open as repairs, and the report that they lead to."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import timedelta
from http import HTTPStatus
from pathlib import Path
from unittest.mock import patch

import pytest
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import (
    ClientSessionGenerator,
    MqttMockHAClient,
    WebSocketGenerator,
)

from custom_components.microgrid import fault_desk, runtime
from custom_components.microgrid.const import DOMAIN
from custom_components.microgrid.core.archive.errors import ArchiveUnavailable
from custom_components.microgrid.core.archive.faults.store import FaultStore
from custom_components.microgrid.core.contract.reading import format_time
from custom_components.microgrid.fault_analysis import find_cause
from custom_components.microgrid.repairs import CRITICAL_FAULT, FAULTS_UNAVAILABLE, issue_id
from tests.unit.core.archive.logs import MINUTE_US, Node

from .recorders import Wire
from .test_fault_desk import HOUSE, Engine, desk, raise_fault, set_up, store
from .test_historian import acknowledgements, send, until


@pytest.fixture(autouse=True)
def hasty() -> Iterator[None]:
    """Nodes without a recording are not waited for."""
    with (
        patch.object(fault_desk, "WINDOW_S", 0.01),
        patch.object(fault_desk, "FIRST_LOOK_S", 0.05),
        patch.object(fault_desk, "LEAST_S", 0.05),
        patch.object(fault_desk, "TELL_S", 0.0),
        patch.object(fault_desk, "RETRY_S", 0.05),
    ):
        yield


@pytest.fixture
def engine() -> Iterator[Engine]:
    """The engine that the desk asks."""
    found = Engine()
    with patch.object(runtime, "find_cause", found):
        yield found


@pytest.fixture
def wire(hass: HomeAssistant, mqtt_mock: MqttMockHAClient) -> Wire:
    """One house."""
    wire = Wire(hass, mqtt_mock)
    wire.add(HOUSE, "house")
    return wire


@pytest.fixture
async def entry(hass: HomeAssistant, engine: Engine, wire: Wire) -> MockConfigEntry:
    """The integration, with a web server."""
    assert await async_setup_component(hass, "http", {})
    assert await async_setup_component(hass, "repairs", {})
    return await set_up(hass, wire)


def open_faults(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    """What stands in the repairs, by fault code."""
    return {
        issue_id.rpartition("_")[2]: issue
        for (domain, issue_id), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN and issue_id.startswith(CRITICAL_FAULT) and issue.active
    }


def placeholder(issue: ir.IssueEntry, name: str) -> str:
    """Return a value of an issue's text."""
    assert issue.translation_placeholders is not None
    return issue.translation_placeholders[name]


async def test_from_the_fault_to_its_cause_to_its_end(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire
) -> None:
    raise_fault(wire.nodes[HOUSE], "e1")
    await until(lambda: "F001" in open_faults(hass))
    issue = open_faults(hass)["F001"]
    assert (issue.severity, issue.is_fixable) == (ir.IssueSeverity.CRITICAL, True)
    assert placeholder(issue, "node") == HOUSE and placeholder(issue, "code_name") == "Inverter overcurrent"
    await until(lambda: open_faults(hass)["F001"].translation_key == "critical_fault_explained")
    cause = placeholder(open_faults(hass)["F001"], "cause")
    assert cause == "A neighbour's inverter switched off and its load fell on this one"
    assert placeholder(open_faults(hass)["F001"], "confidence") == "90"
    wire.nodes[HOUSE].event("fault", "F001", "cleared", "critical")
    await until(lambda: not open_faults(hass))


def tell(wire: Wire, event_id: str, state: str, ahead: timedelta, seq: int) -> None:
    """Tell a fault, or its end, with a clock that is so far ahead."""
    message = {
        "event_id": event_id,
        "type": "fault",
        "state": state,
        "code": "F001",
        "severity": "critical",
        "boot_id": 1,
        "seq": seq,
        "time": format_time(dt_util.utcnow() + ahead),
    }
    wire.say(HOUSE, "event", json.dumps(message).encode())


async def test_what_a_node_ends_is_over_whatever_its_clock_said_before(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire
) -> None:
    """The clock is three hours ahead when the fault comes, and is set before it goes."""
    tell(wire, "e1", "raised", timedelta(hours=3), 1)
    await until(lambda: "F001" in open_faults(hass))
    tell(wire, "e2", "cleared", timedelta(), 2)
    await until(lambda: not open_faults(hass))
    found = store(entry).get("e1")
    assert found is not None and found.cleared_us is not None

    tell(wire, "e3", "raised", timedelta(), 3)  # earlier than the one that is over, by their clocks
    await until(lambda: "F001" in open_faults(hass))
    assert open_faults(hass)["F001"].data == {"entry_id": entry.entry_id, "event_id": "e3"}
    state = hass.states.get("sensor.house_3_last_fault")
    assert state is not None and state.attributes["event_id"] == "e3"


async def test_a_time_that_cannot_be_is_unknown(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire
) -> None:
    tell(wire, "e1", "raised", timedelta(days=-365 * 56), 1)
    await until(lambda: store(entry).get("e1") is not None)
    found = store(entry).get("e1")
    assert found is not None and found.at_us is None
    await until(lambda: "F001" in open_faults(hass))
    tell(wire, "e2", "cleared", timedelta(days=-365 * 56), 2)
    await until(lambda: not open_faults(hass))


async def test_an_end_that_is_heard_before_the_log_tells_of_the_fault(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, mqtt_mock: MqttMockHAClient
) -> None:
    """It came while Home Assistant was down and ended when it was up again; then the log arrives."""
    tell(wire, "e1", "cleared", timedelta(), 9)
    await hass.async_block_till_done()
    log = Node(utc_us=int(dt_util.utcnow().timestamp() * 1e6) - 10 * MINUTE_US)
    frames = [*log.start(), *log.minutes(1), log.event("F001")]
    send(hass, b"".join(frame.encode() for frame in frames), HOUSE)
    await until(lambda: acknowledgements(mqtt_mock, HOUSE))
    await until(lambda: store(entry).faults())
    await until(lambda: not store(entry).unfinished())
    await hass.async_block_till_done()
    ((found, _),) = store(entry).faults()
    assert found.late and found.cleared_us is not None
    assert not open_faults(hass)


async def test_one_of_each_kind_and_only_critical_ones(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire
) -> None:
    for number in range(5):
        raise_fault(wire.nodes[HOUSE], f"e{number}")
    wire.nodes[HOUSE].event("fault", "F015", "raised", "warning", "mild")
    wire.nodes[HOUSE].event("fault", "F012", "raised", "critical", "hot")
    await until(lambda: open_faults(hass).keys() == {"F001", "F012"})
    await until(lambda: store(entry).get("mild") is not None)
    await hass.async_block_till_done()
    assert open_faults(hass).keys() == {"F001", "F012"}


async def test_annotating_ends_it_over_a_restart(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire
) -> None:
    raise_fault(wire.nodes[HOUSE], "e1")
    await until(lambda: "F001" in open_faults(hass))
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert not open_faults(hass)  # nobody knows whether the node is still there
    await wire.nodes[HOUSE].greet()
    await until(lambda: "F001" in open_faults(hass))
    await hass.services.async_call(
        DOMAIN, "annotate_fault", {"event_id": "e1", "note": "on my way"}, blocking=True
    )
    await until(lambda: not open_faults(hass))
    assert await hass.config_entries.async_reload(entry.entry_id)
    await wire.nodes[HOUSE].greet()
    await hass.async_block_till_done(wait_background_tasks=False)
    assert not open_faults(hass)


async def test_a_node_that_left_for_good_needs_no_repair(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire
) -> None:
    raise_fault(wire.nodes[HOUSE], "e1")
    await until(lambda: "F001" in open_faults(hass))
    await wire.nodes[HOUSE].leave()
    await until(lambda: not open_faults(hass))


async def test_acknowledging_in_the_repairs(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wire: Wire,
    hass_client: ClientSessionGenerator,
    hass_ws_client: WebSocketGenerator,
) -> None:
    raise_fault(wire.nodes[HOUSE], "e1")
    await until(lambda: "F001" in open_faults(hass))
    issue = open_faults(hass)["F001"]
    client = await hass_client()

    async def fix() -> dict[str, object]:
        begun = await client.post(
            "/api/repairs/issues/fix", json={"handler": DOMAIN, "issue_id": issue.issue_id}
        )
        flow = await begun.json()
        assert flow["step_id"] == "confirm"
        assert flow["description_placeholders"]["node"] == HOUSE
        ended = await client.post(f"/api/repairs/issues/fix/{flow['flow_id']}", json={})
        answer: dict[str, object] = await ended.json()
        return answer

    with patch.object(FaultStore, "annotate", side_effect=ArchiveUnavailable("the disk is gone")):
        refused = await fix()
    assert (refused["type"], refused["reason"]) == ("abort", "not_acknowledged")
    assert "F001" in open_faults(hass)

    assert (await fix())["type"] == "create_entry"
    (note,) = store(entry).annotations("e1")
    assert (note.cause, note.note) == (None, "acknowledged")
    await until(lambda: not open_faults(hass))

    # The same kind comes again: somebody has to know of that one, too.
    raise_fault(wire.nodes[HOUSE], "e2")
    await until(lambda: "F001" in open_faults(hass))
    ir.async_ignore_issue(hass, DOMAIN, issue.issue_id, True)
    raise_fault(wire.nodes[HOUSE], "e3")
    await until(lambda: open_faults(hass)["F001"].dismissed_version is None)


async def test_the_report_opens_by_its_link(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    wire: Wire,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    raise_fault(wire.nodes[HOUSE], "a:b.1")
    await until(lambda: "F001" in open_faults(hass))
    link = re.search(r'href="([^"]+)"', placeholder(open_faults(hass)["F001"], "report"))
    assert link is not None
    client = await hass_client_no_auth()
    answer = await client.get(link[1])
    assert answer.status == HTTPStatus.OK
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    text = await answer.text()
    assert "Inverter overcurrent" in text and "Event a:b.1" in text
    assert (await client.get(link[1].partition("?")[0])).status == HTTPStatus.UNAUTHORIZED


async def test_reports_that_are_not_there(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire, hass_client: ClientSessionGenerator
) -> None:
    client = await hass_client()
    url = f"/api/microgrid/faults/{entry.entry_id}"
    other = MockConfigEntry(domain="other")
    other.add_to_hass(hass)
    for path in (
        f"{url}/nothing",
        "/api/microgrid/faults/nobody/e1",
        f"/api/microgrid/faults/{other.entry_id}/e1",
    ):
        assert (await client.get(path)).status == HTTPStatus.NOT_FOUND
    raise_fault(wire.nodes[HOUSE], "e1")
    await until(lambda: store(entry).get("e1") is not None)
    with patch.object(FaultStore, "get", side_effect=ArchiveUnavailable("busy")):
        assert (await client.get(f"{url}/e1")).status == HTTPStatus.SERVICE_UNAVAILABLE
    with patch.object(desk(entry).shelf, "store", None):
        assert (await client.get(f"{url}/e1")).status == HTTPStatus.SERVICE_UNAVAILABLE
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert (await client.get(f"{url}/e1")).status == HTTPStatus.SERVICE_UNAVAILABLE


async def test_without_a_web_server_there_is_no_link(hass: HomeAssistant, engine: Engine, wire: Wire) -> None:
    entry = await set_up(hass, wire)
    hass.config.components.remove("http")
    raise_fault(wire.nodes[HOUSE], "e1")
    await until(lambda: "F001" in open_faults(hass))
    assert "href" not in placeholder(open_faults(hass)["F001"], "report")
    assert entry.state is ConfigEntryState.LOADED


async def test_a_store_that_cannot_be_read_changes_nothing(
    hass: HomeAssistant, entry: MockConfigEntry, wire: Wire
) -> None:
    raise_fault(wire.nodes[HOUSE], "e1")
    await until(lambda: "F001" in open_faults(hass))
    with patch.object(FaultStore, "open_faults", side_effect=ArchiveUnavailable("busy")):
        entry.runtime_data.fault_watch.look(HOUSE)
        await hass.async_block_till_done()
    assert "F001" in open_faults(hass)
    entry.runtime_data.fault_watch.look("nobody")
    entry.runtime_data.fault_watch.look("site")


async def test_a_store_that_does_not_open_is_an_issue_until_it_does(
    hass: HomeAssistant, engine: Engine, wire: Wire
) -> None:
    folder = Path(hass.config.path(DOMAIN, "demo", "faults"))

    def be_in_the_way() -> None:
        folder.parent.mkdir(parents=True)
        folder.write_text("in the way")

    await hass.async_add_executor_job(be_in_the_way)
    entry = await set_up(hass, wire)
    shown = (DOMAIN, issue_id(entry.entry_id, FAULTS_UNAVAILABLE))
    issues = ir.async_get(hass).issues
    assert shown in issues and desk(entry).trouble is not None
    assert placeholder(issues[shown], "reason") == desk(entry).trouble
    assert hass.states.is_state("sensor.house_3_last_fault", "unknown")
    await hass.async_add_executor_job(folder.unlink)
    raise_fault(wire.nodes[HOUSE], "e1")
    await until(lambda: shown not in issues)
    await until(lambda: hass.states.is_state("sensor.house_3_last_fault", "F001"))


async def test_the_engine_speaks_the_users_language(hass: HomeAssistant, wire: Wire) -> None:
    """The real engine has no recordings here; what it says is said in German."""
    hass.config.language = "de"
    with patch.object(runtime, "find_cause", find_cause):
        await set_up(hass, wire)
        raise_fault(wire.nodes[HOUSE], "e1")
        await until(lambda: "F001" in open_faults(hass))
        await until(lambda: open_faults(hass)["F001"].translation_key == "critical_fault_explained")
    assert placeholder(open_faults(hass)["F001"], "cause").startswith("Die Messwerte entscheiden nicht")
