"""What a running laboratory shows, as facts that can be checked."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections import Counter
from dataclasses import asdict, dataclass, field

import psutil

from .client import HassClient, HassError
from .lab import DASHBOARD, DASHBOARD_CONFIG, DOMAIN, SWARM, Lab
from .planning import KIND as PLANNER
from .victron import KIND

EMPTY = ("unavailable", "unknown")
BACK_S = 10.0
_NO_VALUE = "without a value: "
_OF_THE_NEWEST = re.compile(r"^(event|image)\.")
_OF_MONTHS = re.compile(r"_(battery_replacement|battery_risk|estimated_state_of_health|kept_7_days)$")


@dataclass(frozen=True, slots=True)
class Shown:
    """What of our integration Home Assistant shows at one moment."""

    devices: dict[str, int]
    """Devices by kind of node, the site included."""
    parts: dict[str, int]
    """Child devices: inverter, battery, MPPT of the houses, sensors and weather of the site; the planner."""
    nodes: frozenset[str]
    entities: int
    enabled: int
    unavailable: tuple[str, ...]
    unknown: tuple[str, ...]
    """Without a value; an event entity is so until the first event and does not count."""
    missing: tuple[str, ...]
    """Enabled in the registry but without a state."""
    offline: tuple[str, ...]
    """Nodes whose connectivity sensor is not on."""


@dataclass(frozen=True, slots=True)
class Summary:
    """The answer of `script/demo --check`."""

    devices: dict[str, int]
    parts: dict[str, int]
    entities: int
    enabled: int
    unavailable: tuple[str, ...]
    unknown: tuple[str, ...]
    log_errors: dict[str, int]
    log_error_lines: tuple[str, ...]
    seconds_to_running: float
    seconds_to_all_nodes: float
    rss_mib: int
    cpu_percent: float
    messages_per_second: float
    dashboards_ok: bool
    problems: tuple[str, ...] = field(default=())

    def as_json(self) -> str:
        """Return it on one line."""
        return json.dumps(asdict(self))


async def shown(lab: Lab) -> Shown:
    """Ask Home Assistant what it shows of our integration."""
    client = lab.hass.client
    entries = {entry["entry_id"] for entry in await client.ws("config_entries/get", domain=DOMAIN)}
    registry = [e for e in await client.ws("config/entity_registry/list") if e["platform"] == DOMAIN]
    states = {state["entity_id"]: state for state in await client.get("/api/states")}
    kinds = lab.watcher.kinds() | {"site": "site"}
    devices: Counter[str] = Counter()
    parts: Counter[str] = Counter()
    node_of: dict[str, str] = {}
    for device in await client.ws("config/device_registry/list"):
        for domain, identifier, *_ in device["identifiers"]:
            if domain != DOMAIN:
                continue
            entry_id, name, *part = identifier.split("/")
            if entry_id not in entries:
                continue
            if len(part) > 1:
                continue  # a service of a Victron GX: as many as it has
            if name == PLANNER:
                parts[name] += 1
            elif part:
                parts[part[0]] += 1
            else:
                node_of[device["id"]] = name
                kind = KIND if name.startswith("gx_") else kinds.get(name, f"unexpected {name}")
                devices[kind] += 1
    enabled = sorted(e["entity_id"] for e in registry if e["disabled_by"] is None)
    online = {
        node_of[e["device_id"]]
        for e in registry
        if states.get(e["entity_id"], {}).get("attributes", {}).get("device_class") == "connectivity"
        and states[e["entity_id"]]["state"] == "on"
        and e["device_id"] in node_of
    }
    nodes = frozenset(node_of.values()) - {"site"}
    by_state = {name: tuple(e for e in enabled if states.get(e, {}).get("state") == name) for name in EMPTY}
    # What shows the newest event or the chart of the newest fault has nothing to show before there is one;
    # forecasts have nothing before there are months of data.
    # What is planned or settled has no value before the first plan.
    without_value = tuple(
        e
        for e in by_state["unknown"]
        if not (_OF_THE_NEWEST.search(e) or _OF_MONTHS.search(e) or f".{PLANNER}_" in e)
    )
    return Shown(
        devices=dict(sorted(devices.items())),
        parts=dict(sorted(parts.items())),
        nodes=nodes,
        entities=len(registry),
        enabled=len(enabled),
        unavailable=by_state["unavailable"],
        unknown=without_value,
        missing=tuple(e for e in enabled if e not in states),
        offline=tuple(sorted(nodes - online)),
    )


def complaints(lab: Lab, now: Shown) -> list[str]:
    """Return what is not as it should be; empty when every expected node is shown alive."""
    wanted = {**lab.expected, "site": 1}
    found = [
        f"{kind}: {now.devices.get(kind, 0)} devices, expected {wanted.get(kind, 0)}"
        for kind in sorted(wanted.keys() | now.devices.keys())
        if now.devices.get(kind, 0) != wanted.get(kind, 0)
    ]
    for text, names in (
        ("node offline", now.offline),
        ("unavailable", now.unavailable),
        ("without a state", now.missing),
    ):
        found += [f"{text}: {name}" for name in names]
    if (
        lab.plan.firmware
    ):  # a twin may have nothing to say of a part; firmware that measures nothing is broken
        found += [_NO_VALUE + name for name in now.unknown]
        # A gateway pulls the logs of its houses one after the other, so the last one takes a while.
        logs = lab.folder / "config" / DOMAIN / SWARM / "archive" / "log"
        waiting = [one.node for one in lab.firmware.nodes if not (logs / one.node).is_dir()]
        found += [f"nothing of its log arrived: {node}" for node in waiting]
    return found


async def wait_until_shown(lab: Lab, timeout_s: float) -> tuple[Shown, list[str]]:
    """Wait until every expected node is shown alive; returns the last look and what is still wrong."""
    deadline = time.monotonic() + timeout_s
    while True:
        now = await shown(lab)
        problems = complaints(lab, now)
        if not problems or time.monotonic() > deadline:
            return now, problems
        for child in lab.children:
            if not child.running:
                raise child.died()
        await asyncio.sleep(0.5)


async def summarize(lab: Lab, *, timeout_s: float, measure_s: float = 20.0) -> Summary:
    """Wait until everything is shown, measure for a while, look again."""
    _, problems = await wait_until_shown(lab, timeout_s)
    seconds_to_all_nodes = time.monotonic() - lab.began
    if lab.swift is not None:
        lab.swift.go()
    cpu_percent, messages_per_second = await measure(lab, measure_s)
    now = await shown(lab)
    if not problems:  # what was there must have stayed
        problems = complaints(lab, now)
        if problems and all(one.startswith(_NO_VALUE) for one in problems):
            # A sample that a busy machine missed is back with the next one.
            now, problems = await wait_until_shown(lab, BACK_S)
    errors = lab.hass.log_errors()
    ours = [record for record in errors if record.ours]
    problems += lab.deaths
    problems += [f"error of our code in the log: {record.text.splitlines()[0]}" for record in ours]
    dashboard = await dashboard_problems(lab.hass.client)
    return Summary(
        devices=now.devices,
        parts=now.parts,
        entities=now.entities,
        enabled=now.enabled,
        unavailable=now.unavailable,
        unknown=now.unknown,
        log_errors={"ours": len(ours), "all": len(errors)},
        log_error_lines=tuple(record.text.splitlines()[0] for record in errors),
        seconds_to_running=round(lab.running_s, 1),
        seconds_to_all_nodes=round(seconds_to_all_nodes, 1),
        rss_mib=rss_mib(lab.hass.pid),
        cpu_percent=round(cpu_percent, 1),
        messages_per_second=round(messages_per_second, 1),
        dashboards_ok=not dashboard,
        problems=tuple(problems + dashboard),
    )


async def measure(lab: Lab, seconds: float) -> tuple[float, float]:
    """Return the CPU of Home Assistant (percent of one core) and the messages per second over a while."""
    cpu, messages, began = cpu_seconds(lab.hass.pid), lab.watcher.messages, time.monotonic()
    await asyncio.sleep(seconds)
    elapsed = time.monotonic() - began
    return (
        100.0 * (cpu_seconds(lab.hass.pid) - cpu) / elapsed,
        (lab.watcher.messages - messages) / elapsed,
    )


async def dashboard_problems(client: HassClient) -> list[str]:
    """Return what keeps the generated dashboard from being shown, as far as can be told without a browser."""
    try:
        config = await client.ws("lovelace/config", url_path=DASHBOARD, force=False)
    except HassError as error:
        return [f"dashboard: {error}"]
    problems = [] if config == DASHBOARD_CONFIG else [f"dashboard: its configuration is {config}"]
    ours = [url for url in _extra_modules(await _text(client, "/")) if DOMAIN in url]
    if not ours:
        problems.append("dashboard: the frontend is not told to load our program")
    for url in ours:
        if (status := await client.status_of(url)) != 200:
            problems.append(f"dashboard: {url} answers {status}")
    return problems


def _extra_modules(page: str) -> list[str]:
    """Return the URLs that the first page of the frontend imports beside its own."""
    return [part.split('"')[0] for part in page.split('import("')[1:]]


async def _text(client: HassClient, path: str) -> str:
    async with client.http.get(client.base_url + path) as response:
        return await response.text()


def rss_mib(pid: int) -> int:
    """Return the resident memory of a process."""
    return int(psutil.Process(pid).memory_info().rss / 2**20)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that a process has used."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)
