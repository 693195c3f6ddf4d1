"""The ledger of truth: what flowed in every hour, and what was logged, as nobody but the physics can know.

JSON lines; of each node and hour, and of each node and boot, the last line counts. A kill loses the last
second.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from .physics.neighbourhood import Neighbourhood
from .twins.log import NodeLog

HOUR_US = 3600 * 1_000_000
GATEWAY_COUNTERS = {"energy_exported": "exported", "energy_imported": "imported"}
HOUSE_COUNTERS = GATEWAY_COUNTERS | {
    "battery_energy_charged": "charged",
    "battery_energy_discharged": "discharged",
    "mppt_energy": "solar",
    "load_energy": "load",
}
"""Counter of the physics by metric."""


@dataclass(slots=True)
class _Account:
    """One node's counters in the hour that runs."""

    counts: dict[str, float]
    """As they stood last, Wh."""
    energies: dict[str, float] = field(default_factory=dict)
    """What they grew by in this hour, Wh."""

    def add(self, counts: Mapping[str, float]) -> None:
        """Count on; a counter that fell began anew at zero."""
        for key, count in counts.items():
            before = self.counts.get(key, 0.0)
            self.energies[key] = self.energies.get(key, 0.0) + (count - before if count >= before else count)
        self.counts = dict(counts)


class Ledger:
    """Writes the truth about houses and gateways."""

    def __init__(
        self, path: Path, site: Neighbourhood, logs: Iterable[NodeLog], now_us: int, *, resumed: bool
    ) -> None:
        """Carry on where an earlier run ended; `resumed`: its counters live on."""
        self._site = site
        self._logs = tuple(logs)
        hour = _hour(now_us)
        self._hour_us = now_us // HOUR_US * HOUR_US
        earlier = {line["node"]: line for line in _lines(path) if line.get("hour") == hour}
        self._lines: list[str] = []
        if path.exists() and not path.read_bytes().endswith(b"\n"):
            self._lines.append("\n")  # ends what a kill cut off
        self._file = path.open("a", encoding="utf-8")
        self._accounts = {}
        for node in (*site.gateway_names, *site.house_names):
            counts = self._counts(node)
            account = _Account(counts, dict.fromkeys(counts, 0.0))
            if (line := earlier.get(node)) is not None:
                # What was counted between the saved state and the kill never happened.
                account.energies = {
                    key: energy + (counts[key] - line["counts"][key] if resumed else 0.0)
                    for key, energy in line["energies"].items()
                }
            self._accounts[node] = account

    @property
    def due_us(self) -> int:
        """When the hour ends."""
        return self._hour_us + HOUR_US

    def count(self, now_us: int) -> None:
        """Look at the counters; at the end of an hour its accounts are closed."""
        for node, account in self._accounts.items():
            account.add(self._counts(node))
        if now_us >= self.due_us:
            self._write_hour()
            self._hour_us = now_us // HOUR_US * HOUR_US
            for account in self._accounts.values():
                account.energies = dict.fromkeys(account.energies, 0.0)

    def prepare(self, now_us: int) -> Callable[[], None]:
        """Note what is known now; the returned function puts it on the disk, in any thread."""
        self.count(now_us)
        self._write_hour()
        for log in self._logs:
            if (last := log.last) is not None:
                self._write({"node": log.schema.node, "boot": last[0], "last_seq": last[1]})
        text = "".join(self._lines)
        self._lines.clear()

        def put() -> None:
            self._file.write(text)
            self._file.flush()
            os.fsync(self._file.fileno())

        return put

    def flush(self, now_us: int) -> None:
        """Write what is known now, at once."""
        self.prepare(now_us)()

    def close(self) -> None:
        """Leave."""
        self._file.close()

    def _write_hour(self) -> None:
        hour = _hour(self._hour_us)
        for node, account in self._accounts.items():
            self._write({"node": node, "hour": hour, "energies": account.energies, "counts": account.counts})

    def _write(self, line: Mapping[str, Any]) -> None:
        self._lines.append(json.dumps(line, separators=(",", ":")) + "\n")

    def _counts(self, node: str) -> dict[str, float]:
        """Return the counters of energy, unrounded."""
        site = self._site
        if node in site.house_names:
            energy, unit, names = site.houses.energy, site.house_names.index(node), HOUSE_COUNTERS
        else:
            energy, unit, names = site.gateways.energy, site.gateway_names.index(node), GATEWAY_COUNTERS
        return {key: float(energy[name][unit]) for key, name in names.items()}


def _hour(now_us: int) -> str:
    """Return the hour of an instant: `2026-11-21T10:00:00Z`."""
    return datetime.fromtimestamp(now_us // HOUR_US * 3600, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _lines(path: Path) -> list[dict[str, Any]]:
    """Read a ledger; a line that a kill cut off is none."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


@dataclass(slots=True)
class Truth:
    """What a ledger says in the end."""

    energies: dict[tuple[str, str], dict[str, float]] = field(default_factory=dict)
    """Wh by counter, of each node and hour."""
    last_seq: dict[tuple[str, int], int] = field(default_factory=dict)
    """Of each node and boot."""
    newest_hour: str = ""
    """It may run still."""


def read_ledger(path: Path) -> Truth:
    """Read what was written so far."""
    truth = Truth()
    for line in _lines(path):
        if "hour" in line:
            truth.energies[line["node"], line["hour"]] = line["energies"]
            truth.newest_hour = max(truth.newest_hour, line["hour"])
        else:
            place = line["node"], line["boot"]
            truth.last_seq[place] = max(line["last_seq"], truth.last_seq.get(place, 0))
    return truth
