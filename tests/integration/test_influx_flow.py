"""Adding, changing and re-authorising the InfluxDB of a swarm, as a user does it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import logging
import re
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_RECONFIGURE, SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components import microgrid
from custom_components.microgrid import influx_sink
from custom_components.microgrid.const import DOMAIN, SUBENTRY_INFLUX
from custom_components.microgrid.core.influx.influxql import ask
from custom_components.microgrid.core.influx.server import Access
from custom_components.microgrid.diagnostics import async_get_config_entry_diagnostics
from custom_components.microgrid.influx_sink import InfluxSink
from script.lab.influx import InfluxServer, find_influxd
from tests.unit.core.archive.logs import Node
from tests.unit.core.influx.homes import home

from .influx import ORGANISATION, TOKEN, Mock, until
from .voices import Voice

pytestmark = pytest.mark.usefixtures("socket_enabled")
needs_influxd = pytest.mark.skipif(find_influxd() is None, reason="influxd is missing")
TEXTS = json.loads((Path(microgrid.__file__ or "").parent / "translations" / "en.json").read_text())
TIERS = ["rp_1s", "rp_1m", "rp_1h", "events"]


@pytest.fixture(autouse=True)
def hurry() -> Iterator[None]:
    """No waiting between attempts."""
    with patch.object(influx_sink, "INTERVAL_S", 0.1), patch.object(influx_sink, "RETRY_S", 0.1):
        yield


@pytest.fixture(params=[2, 3])
async def mock(request: pytest.FixtureRequest) -> AsyncIterator[Mock]:
    """A server of a later generation."""
    found = Mock(request.param)
    await found.server.start_server()
    yield found
    await found.server.close()


def sink(entry: MockConfigEntry) -> InfluxSink:
    """Return the sink."""
    found: InfluxSink = entry.runtime_data.influx
    return found


def in_words(result: Any, texts: dict[str, Any]) -> Any:
    """Return the result after making sure that the user interface has a text for all of it."""
    given = set(result.get("description_placeholders") or {})
    if result["type"] is FlowResultType.FORM:
        step = texts["step"][result["step_id"]]
        fields = {str(key) for key in result["data_schema"].schema}
        assert step.get("data", {}).keys() == step.get("data_description", {}).keys() == fields
        told = [step["description"], *step.get("data_description", {}).values()]
        told += [texts["error"][error] for error in (result["errors"] or {}).values()]
        assert set(re.findall(r"{(\w+)}", " ".join(told))) <= given
    elif result["type"] is FlowResultType.ABORT and not result.get("translation_domain"):
        assert texts["abort"][result["reason"]]
    return result


def in_words_of_influx(result: Any) -> Any:
    """Do so for the subentry."""
    return in_words(result, TEXTS["config_subentries"][SUBENTRY_INFLUX])


async def add(hass: HomeAssistant, entry: MockConfigEntry, **fields: Any) -> Any:
    """Fill in the form; returns what comes next."""
    flows = hass.config_entries.subentries
    result = await flows.async_init((entry.entry_id, SUBENTRY_INFLUX), context={"source": SOURCE_USER})
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "user")
    in_words_of_influx(result)
    return in_words_of_influx(await flows.async_configure(result["flow_id"], {"verify_tls": True, **fields}))


async def confirm(hass: HomeAssistant, result: Any) -> Any:
    """Press the button below the report."""
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "report"), result
    result = await hass.config_entries.subentries.async_configure(result["flow_id"], {})
    await hass.async_block_till_done()
    return in_words_of_influx(result)


async def test_later_generations_are_found_prepared_and_filled(
    hass: HomeAssistant, entry: MockConfigEntry, mock: Mock
) -> None:
    result = await add(hass, entry, url=f"{mock.url}/", token=TOKEN, organisation=ORGANISATION)
    assert set(mock.buckets) == {f"microgrid/{tier}" for tier in TIERS}
    for tier in TIERS:
        assert f"+ `microgrid/{tier}`" in result["description_placeholders"]["steps"]
    assert (await confirm(hass, result))["type"] is FlowResultType.CREATE_ENTRY
    if mock.generation == 2:
        seconds = mock.buckets["microgrid/rp_1s"]["retentionRules"]
        assert seconds == [{"type": "expire", "everySeconds": 86400, "shardGroupDurationSeconds": 3600}]
        assert mock.buckets["microgrid/events"]["retentionRules"][0]["everySeconds"] == 0
        assert [(found["retention_policy"], found["default"]) for found in mock.mappings] == [
            (tier, tier == "rp_1s") for tier in TIERS
        ]
    else:
        assert mock.buckets["microgrid/rp_1h"] == {"db": "microgrid/rp_1h", "retention_period": "371d"}
        assert mock.buckets["microgrid/events"] == {"db": "microgrid/events"}

    await Voice(hass, "house-1", "house", "House 1").birth()
    log = recent()
    archive = entry.runtime_data.historian.archive
    frames = [frame.encode() for frame in (*log.start(), *log.minutes(2), log.event("F007"))]
    await hass.async_add_executor_job(archive.append, "house-1", frames)
    # the fault comes last; the two minutes may lie in two hours, which are sent one after the other
    await until(lambda: any(b"code=F007" in line for line in mock.lines("microgrid/events")))
    assert len(house_lines(mock)) == 120
    assert {precision for bucket, precision, _ in mock.recorded.writes if "rp_" in bucket} == {"ms"}
    assert {precision for bucket, precision, _ in mock.recorded.writes if "events" in bucket} == {"ns"}
    assert all(len(lines) <= 5000 for _, _, lines in mock.recorded.writes)

    before = len(mock.recorded.calls)
    assert await hass.config_entries.async_reload(entry.entry_id)
    await until(lambda: sink(entry).complete_s)
    assert len(mock.recorded.calls) == before, "what is there is not made again"


def house_lines(mock: Mock) -> list[bytes]:
    """Return the seconds of houses that were stored."""
    return [line for line in mock.lines("microgrid/rp_1s") if line.startswith(b"house_data,")]


def recent() -> Node:
    """Return a house that began to log a while ago."""
    now_us = int(datetime.datetime.now(datetime.UTC).timestamp()) // 60 * 60_000_000
    return home("house", "house-1", now_us - 600_000_000 + 250_000)


async def test_a_bad_line_costs_itself_only(hass: HomeAssistant, entry: MockConfigEntry, mock: Mock) -> None:
    """2.x and 3.x store nothing of a batch with a bad line; 3.x names it."""

    await confirm(hass, await add(hass, entry, url=mock.url, token=TOKEN, organisation=ORGANISATION))
    log = recent()
    archive = entry.runtime_data.historian.archive
    frames = [frame.encode() for frame in (*log.start(), *log.minutes(2))]
    await hass.async_add_executor_job(archive.append, "house-1", frames)
    values = archive.series("house-1", ["load_power"], 0, log.now_us)["load_power"].values.tolist()
    bad = next(value for value in values if values.count(value) <= 4)

    def judge(lines: list[bytes]) -> web.Response | None:
        number = next(
            (at for at, line in enumerate(lines, 1) if f"load_power={bad!r},".encode() in line), None
        )
        if number is None:
            return None
        told: dict[str, Any] = {"code": "invalid", "message": "unable to parse"}
        if mock.generation == 3:
            told = {"error": "partial write of line protocol occurred", "data": {"line_number": number}}
        return web.json_response(told, status=400)

    mock.judge = judge
    await Voice(hass, "house-1", "house", "House 1").birth()  # nothing was sent before: who it is was unknown
    await until(lambda: sink(entry).sent.dropped and len(house_lines(mock)) >= 120 - values.count(bad))
    await until(lambda: mock.lines("microgrid/rp_1h"))
    assert len(house_lines(mock)) == 120 - values.count(bad)
    assert sink(entry).trouble is None


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        ({"token": "wrong", "organisation": ORGANISATION}, "influx_unauthorised"),
        ({"url": "http://127.0.0.1:1", "token": TOKEN}, "influx_unreachable"),
        ({"url": "influx.local:8086"}, "influx_invalid"),
        ({"url": "http://me:secret@127.0.0.1:8086"}, "influx_invalid"),
        ({"url": "https://127.0.0.1:1", "ca_certificate": "no certificate"}, "influx_invalid"),
    ],
)
async def test_errors_are_told_and_can_be_corrected(
    hass: HomeAssistant, entry: MockConfigEntry, mock: Mock, fields: dict[str, str], error: str
) -> None:
    result = await add(hass, entry, **{"url": mock.url, **fields})
    assert (result["type"], result["errors"]) == (FlowResultType.FORM, {"base": error})
    assert "secret" not in result["description_placeholders"]["reason"]
    assert "wrong" not in result["description_placeholders"]["reason"]
    result = await hass.config_entries.subentries.async_configure(
        result["flow_id"],
        {"url": mock.url, "token": TOKEN, "organisation": ORGANISATION, "verify_tls": True},
    )
    assert (await confirm(hass, result))["type"] is FlowResultType.CREATE_ENTRY
    second = await hass.config_entries.subentries.async_init(
        (entry.entry_id, SUBENTRY_INFLUX), context={"source": SOURCE_USER}
    )
    in_words_of_influx(second)
    assert (second["type"], second["reason"]) == (FlowResultType.ABORT, "already_configured")


async def test_an_unknown_organisation_is_told(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    mock = Mock(2)
    await mock.server.start_server()
    result = await add(hass, entry, url=mock.url, token=TOKEN, organisation="nobody")
    assert result["errors"] == {"base": "influx_failed"}
    assert "organization not found" in result["description_placeholders"]["reason"]
    await mock.server.close()


@pytest.mark.parametrize("status", [200, 204, 404, 500])
async def test_what_is_no_influxdb_is_told(hass: HomeAssistant, entry: MockConfigEntry, status: int) -> None:
    """VictoriaMetrics answers /ping with 204 and no version."""
    application = web.Application()

    async def ping(request: web.Request) -> web.Response:
        return web.Response(status=status)

    application.router.add_get("/ping", ping)
    server = TestServer(application)
    await server.start_server()
    result = await add(hass, entry, url=str(server.make_url("")))
    assert result["errors"] == {"base": "not_influx"}
    await server.close()


async def test_access_that_is_withdrawn_asks_the_user_and_loses_nothing(
    hass: HomeAssistant, entry: MockConfigEntry, mock: Mock, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    await confirm(hass, await add(hass, entry, url=mock.url, token=TOKEN, organisation=ORGANISATION))
    await until(lambda: sink(entry).complete_s)
    mock.token = "another-secret"
    await Voice(hass, "house-1", "house", "House 1").birth()
    log = recent()
    frames = [frame.encode() for frame in (*log.start(), *log.minutes(1))]
    await hass.async_add_executor_job(entry.runtime_data.historian.archive.append, "house-1", frames)
    await until(lambda: sink(entry).trouble)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["source"] == SOURCE_REAUTH
    issue = f"config_entry_reauth_{DOMAIN}_{entry.entry_id}"
    assert ir.async_get(hass).async_get_issue("homeassistant", issue) is not None
    told = json.dumps(await async_get_config_entry_diagnostics(hass, entry), default=str)
    assert "influxdb" in told

    flows = hass.config_entries.flow
    result = in_words(await flows.async_configure(flow["flow_id"], {"token": "wrong"}), TEXTS["config"])
    assert result["errors"] == {"base": "influx_unauthorised"}
    result = in_words(
        await flows.async_configure(flow["flow_id"], {"token": "another-secret"}), TEXTS["config"]
    )
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    await hass.async_block_till_done()
    await until(lambda: mock.lines("microgrid/rp_1s"))
    await until(lambda: sink(entry).complete_s)
    assert sink(entry).trouble is None
    for secret in (TOKEN, "another-secret"):
        assert secret not in told
        assert secret not in caplog.text


async def test_reauth_of_what_was_removed(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    entry.async_start_reauth(hass)
    await hass.async_block_till_done()
    assert not hass.config_entries.flow.async_progress_by_handler(DOMAIN)


async def test_reconfigure_keeps_secrets_that_are_left_empty(
    hass: HomeAssistant, entry: MockConfigEntry, mock: Mock
) -> None:
    await confirm(hass, await add(hass, entry, url=mock.url, token=TOKEN, organisation=ORGANISATION))
    (subentry,) = entry.subentries.values()
    flows = hass.config_entries.subentries
    result = await flows.async_init(
        (entry.entry_id, SUBENTRY_INFLUX),
        context={"source": SOURCE_RECONFIGURE, "subentry_id": subentry.subentry_id},
    )
    in_words_of_influx(result)
    assert result["data_schema"] is not None
    fields = result["data_schema"].schema
    assert TOKEN not in str(fields)
    shown = {str(key): (key.description or {}).get("suggested_value") for key in fields}
    assert shown["url"] == mock.url
    assert shown["token"] is None
    result = await flows.async_configure(
        result["flow_id"], {"url": mock.url, "organisation": ORGANISATION, "verify_tls": False}
    )
    result = await confirm(hass, result)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    (subentry,) = entry.subentries.values()
    assert (subentry.data["token"], subentry.data["verify_tls"]) == (TOKEN, False)
    await until(lambda: sink(entry).complete_s)


@needs_influxd
async def test_a_real_server_reports_what_it_had_and_what_was_changed(
    hass: HomeAssistant, entry: MockConfigEntry, tmp_path: Path
) -> None:
    server = InfluxServer(tmp_path)
    await server.up()
    session = async_get_clientsession(hass)

    async def run(statement: str) -> Any:
        return await ask(session, Access(server.url), 1, statement)

    await run('CREATE DATABASE "microgrid"')  # with the policy autogen as its default
    await run('CREATE RETENTION POLICY "rp_1m" ON "microgrid" DURATION 7d REPLICATION 1')
    result = await add(hass, entry, url=server.url)
    steps = result["description_placeholders"]["steps"].splitlines()
    assert steps == ["- ✓ `microgrid`", "- + `rp_1s`", "- ~ `rp_1m`", "- + `rp_1h`", "- + `events`"]
    (found,) = await run('SHOW RETENTION POLICIES ON "microgrid"')
    rows = {row[0]: row[1:] for row in found.rows}
    assert rows["rp_1s"] == ("24h0m0s", "1h0m0s", 1, True)
    assert rows["rp_1m"] == ("720h0m0s", "24h0m0s", 1, False)
    assert rows["rp_1h"] == ("8904h0m0s", "168h0m0s", 1, False)
    assert rows["events"][0] == "0s"
    assert rows["autogen"][3] is False
    await confirm(hass, result)
    await until(lambda: sink(entry).complete_s)
    assert {step.made for step in sink(entry).steps} == {"exists"}
    server.kill()


@needs_influxd
async def test_what_somebody_keeps_longer_is_not_shortened(
    hass: HomeAssistant, entry: MockConfigEntry, tmp_path: Path
) -> None:
    """A policy of another duration is changed, but never so that the server drops what it has."""
    server = InfluxServer(tmp_path)
    await server.up()
    session = async_get_clientsession(hass)

    async def run(statement: str) -> Any:
        return await ask(session, Access(server.url), 1, statement)

    await run('CREATE DATABASE "microgrid"')
    for name, duration in (("rp_1s", "7d"), ("rp_1h", "INF"), ("events", "INF")):
        await run(f'CREATE RETENTION POLICY "{name}" ON "microgrid" DURATION {duration} REPLICATION 1')
    result = await add(hass, entry, url=server.url)
    steps = result["description_placeholders"]["steps"].splitlines()
    assert steps == ["- ✓ `microgrid`", "- ~ `rp_1s`", "- + `rp_1m`", "- ✓ `rp_1h`", "- ✓ `events`"]
    (found,) = await run('SHOW RETENTION POLICIES ON "microgrid"')
    rows = {row[0]: row[1:] for row in found.rows}
    assert [rows[name][0] for name in ("rp_1s", "rp_1h", "events")] == ["168h0m0s", "0s", "0s"]
    assert rows["rp_1s"][3] is True
    server.kill()


@pytest.mark.parametrize(
    ("found", "made", "kept"), [(86_400, "~", 30 * 86_400), (90 * 86_400, "✓", 90 * 86_400), (0, "✓", 0)]
)
async def test_a_bucket_is_made_to_keep_longer_and_never_shorter(
    hass: HomeAssistant, entry: MockConfigEntry, found: int, made: str, kept: int
) -> None:
    mock = Mock(2)
    await mock.server.start_server()
    rules = [{"type": "expire", "everySeconds": found}] if found else []
    mock.buckets["microgrid/rp_1m"] = {"id": "b9", "name": "microgrid/rp_1m", "retentionRules": rules}
    result = await add(hass, entry, url=mock.url, token=TOKEN, organisation=ORGANISATION)
    assert f"- {made} `microgrid/rp_1m`" in result["description_placeholders"]["steps"].splitlines()
    rules = mock.buckets["microgrid/rp_1m"]["retentionRules"]
    assert (rules[0]["everySeconds"] if rules else 0) == kept
    await mock.server.close()


@needs_influxd
async def test_a_real_server_with_users(
    hass: HomeAssistant, entry: MockConfigEntry, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    server = InfluxServer(tmp_path, auth=True)
    await server.up()
    session = async_get_clientsession(hass)
    await ask(session, Access(server.url), 1, "CREATE USER admin WITH PASSWORD 'geheim' WITH ALL PRIVILEGES")
    assert (await add(hass, entry, url=server.url))["errors"] == {"base": "influx_unauthorised"}
    result = await add(hass, entry, url=server.url, username="admin", password="geheim")
    await confirm(hass, result)
    await until(lambda: sink(entry).complete_s)
    access = Access(server.url, "admin", "geheim")
    await ask(session, access, 1, "SET PASSWORD FOR admin = 'anders'")
    log = recent()
    await Voice(hass, "house-1", "house", "House 1").birth()
    frames = [frame.encode() for frame in (*log.start(), *log.minutes(1))]
    await hass.async_add_executor_job(entry.runtime_data.historian.archive.append, "house-1", frames)
    await until(lambda: sink(entry).trouble)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {"password": "anders"})
    assert result["reason"] == "reauth_successful"
    await hass.async_block_till_done()
    await until(lambda: sink(entry).complete_s and sink(entry).sent.lines)
    assert "geheim" not in caplog.text
    assert "anders" not in caplog.text
    server.kill()


@needs_influxd
async def test_a_certificate_of_ones_own(hass: HomeAssistant, entry: MockConfigEntry, tmp_path: Path) -> None:
    pem = tmp_path / "server.pem"
    certificate = own_certificate(pem)
    server = InfluxServer(tmp_path / "influx", certificate=pem)
    await server.up()
    result = await add(hass, entry, url=server.url)
    assert result["errors"] == {"base": "influx_unreachable"}
    assert "certificate" in result["description_placeholders"]["reason"]
    result = await add(hass, entry, url=server.url, verify_tls=False)
    assert result["step_id"] == "report"
    result = await add(hass, entry, url=server.url, ca_certificate=certificate)
    await confirm(hass, result)
    await until(lambda: sink(entry).complete_s)
    server.kill()


def own_certificate(path: Path) -> str:
    """Write key and certificate of 127.0.0.1; returns the certificate."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "influx")])
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([address]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
        .public_bytes(serialization.Encoding.PEM)
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(certificate + private)
    return certificate.decode()


@pytest.mark.parametrize("path", ["/api/v2/write", "/api/v"], ids=["writes", "everything"])
async def test_a_page_of_a_proxy_stores_nothing_and_ends_nothing(
    hass: HomeAssistant, entry: MockConfigEntry, mock: Mock, path: str
) -> None:
    """It answers 200 while the server behind it is away; afterwards everything arrives."""
    await confirm(hass, await add(hass, entry, url=mock.url, token=TOKEN, organisation=ORGANISATION))
    await until(lambda: sink(entry).complete_s)
    await Voice(hass, "house-1", "house", "House 1").birth()
    mock.pages = path
    log = recent()
    frames = [frame.encode() for frame in (*log.start(), *log.minutes(1))]
    await hass.async_add_executor_job(entry.runtime_data.historian.archive.append, "house-1", frames)
    before = sink(entry).sent.lines
    await until(lambda: sink(entry).sent.failures > 2)
    assert "maintenance" in (sink(entry).trouble or "")
    assert sink(entry).sent.lines == before and not mock.lines("microgrid/rp_1s")
    mock.pages = ""
    await until(lambda: mock.lines("microgrid/rp_1s"))
    await until(lambda: sink(entry).trouble is None)


@pytest.mark.parametrize("answer", ["<html>Down</html>", "[]", '"x"', '{"orgs": [1]}', '{"orgs": [{}]}', "7"])
async def test_a_management_of_another_shape_is_told(
    hass: HomeAssistant, entry: MockConfigEntry, answer: str
) -> None:
    application = web.Application()

    async def ping(_: web.Request) -> web.Response:
        return web.Response(status=204, headers={"X-Influxdb-Version": "v2.9.1"})

    async def management(_: web.Request) -> web.Response:
        return web.Response(text=answer)

    application.router.add_get("/ping", ping)
    application.router.add_route("*", "/{tail:.*}", management)
    server = TestServer(application)
    await server.start_server()
    url = str(server.make_url("")).rstrip("/")
    result = await add(hass, entry, url=url, token=TOKEN, organisation=ORGANISATION)
    assert result["errors"] == {"base": "influx_failed"}
    await server.close()


async def test_a_mistake_of_ours_is_logged_and_tried_again(
    hass: HomeAssistant, entry: MockConfigEntry, mock: Mock, caplog: pytest.LogCaptureFixture
) -> None:
    await confirm(hass, await add(hass, entry, url=mock.url, token=TOKEN, organisation=ORGANISATION))
    await until(lambda: sink(entry).complete_s)
    with patch.object(InfluxSink, "_attempt", side_effect=AttributeError("never thought of")):
        await until(lambda: sink(entry).sent.failures > 1)
    assert sink(entry).trouble == "never thought of"
    assert caplog.text.count("sending to InfluxDB failed") == 1
    await until(lambda: sink(entry).trouble is None)
