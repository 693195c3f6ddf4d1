"""Devices side by side: firmware, alarms, risk, contact, charge, yield; who is behind, and a table of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

_NUMBERS: Final = re.compile(r"\d{1,9}")
_BETA: Final = re.compile(r"[~-]|beta|rc|dev", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetRow:
    """One device; None is unknown."""

    node_id: str
    name: str
    kind: str
    online: bool
    last_contact: datetime | None = None
    firmware: str | None = None
    available_firmware: str | None = None
    """What its maker offers, where the device knows."""
    alarms: int | None = None
    warnings: int | None = None
    risk: int | None = None
    risk_level: str | None = None
    charge_percent: float | None = None
    solar_today_kwh: float | None = None
    solar_total_kwh: float | None = None


@dataclass(frozen=True, slots=True)
class FirmwareGroup:
    """The firmware of one kind of devices."""

    kind: str
    newest: str
    """In use or on offer."""
    behind: tuple[str, ...]
    """Ids of those with another, older one."""
    unknown: tuple[str, ...]


def version_key(version: str) -> tuple[tuple[int, ...], int, tuple[int, ...]]:
    """Return what orders versions: v3.80~12, a beta, comes before v3.80."""
    split = _BETA.split(version, maxsplit=1)
    numbers = tuple(int(number) for number in _NUMBERS.findall(split[0]))
    while numbers and numbers[-1] == 0:
        numbers = numbers[:-1]  # 3.80 and 3.80.0 are one
    later = tuple(int(number) for number in _NUMBERS.findall(split[1])) if len(split) > 1 else ()
    return numbers, int(len(split) == 1), later


def compare_firmware(rows: Iterable[FleetRow]) -> tuple[FirmwareGroup, ...]:
    """Return for each kind which firmware is the newest and who has an older one."""
    groups: dict[str, list[FleetRow]] = {}
    for row in rows:
        groups.setdefault(row.kind, []).append(row)
    found = []
    for kind, members in sorted(groups.items()):
        known = [version for row in members for version in (row.firmware, row.available_firmware) if version]
        if not known:
            continue
        newest = max(known, key=version_key)
        best = version_key(newest)
        behind = [row.node_id for row in members if row.firmware and version_key(row.firmware) < best]
        unknown = [row.node_id for row in members if not row.firmware]
        found.append(FirmwareGroup(kind, newest, tuple(behind), tuple(unknown)))
    return tuple(found)


_WORDS: Final = {
    "en": {
        "device": "Device",
        "firmware": "Firmware",
        "alarms": "Alarms",
        "risk": "Risk",
        "charge": "Charge",
        "solar": "Solar today",
        "contact": "Last contact",
        "offline": "offline",
        "behind": "{name}: {firmware}, {newest} is out",
        "empty": "There are no devices.",
        "update": "Behind with their firmware",
        "low": "low",
        "medium": "medium",
        "high": "high",
        "critical": "critical",
    },
    "de": {
        "device": "Gerät",
        "firmware": "Firmware",
        "alarms": "Alarme",
        "risk": "Risiko",
        "charge": "Ladung",
        "solar": "Solar heute",
        "contact": "Letzter Kontakt",
        "offline": "nicht erreichbar",
        "behind": "{name}: {firmware}, es gibt {newest}",
        "empty": "Es gibt keine Geräte.",
        "update": "Mit älterer Firmware",
        "low": "gering",
        "medium": "mittel",
        "high": "hoch",
        "critical": "kritisch",
    },
    "pl": {
        "device": "Urządzenie",
        "firmware": "Oprogramowanie",
        "alarms": "Alarmy",
        "risk": "Ryzyko",
        "charge": "Naładowanie",
        "solar": "Słońce dzisiaj",
        "contact": "Ostatni kontakt",
        "offline": "niedostępne",
        "behind": "{name}: {firmware}, dostępne jest {newest}",
        "empty": "Nie ma żadnych urządzeń.",
        "update": "Ze starszym oprogramowaniem",
        "low": "niskie",
        "medium": "średnie",
        "high": "wysokie",
        "critical": "krytyczne",
    },
}
_COLUMNS: Final = ("device", "firmware", "alarms", "risk", "charge", "solar", "contact")


def markdown(
    rows: Sequence[FleetRow], groups: Sequence[FirmwareGroup], language: str, clock: str = "%d.%m. %H:%M"
) -> str:
    """Return a table for a notification, and below it who is behind; unknown figures are dashes."""
    words = _WORDS.get(language.split("-", 1)[0].lower(), _WORDS["en"])
    if not rows:
        return words["empty"]
    lines = [_line(words[column] for column in _COLUMNS), _line("---" for _ in _COLUMNS)]
    lines += [_line(_cells(row, words, clock)) for row in rows]
    by_id = {row.node_id: row for row in rows}
    behind = [
        words["behind"].format(
            name=_safe(by_id[node_id].name),
            firmware=_safe(by_id[node_id].firmware or ""),
            newest=_safe(group.newest),
        )
        for group in groups
        for node_id in group.behind
        if node_id in by_id
    ]
    if behind:
        lines += ["", f"**{words['update']}**", "", *(f"- {line}" for line in behind)]
    return "\n".join(lines)


def _cells(row: FleetRow, words: dict[str, str], clock: str) -> Iterable[str]:
    yield _safe(row.name)
    yield _safe(row.firmware or "–")
    counts = [count for count in (row.alarms, row.warnings) if count is not None]
    yield " + ".join(str(count) for count in counts) if counts else "–"
    level = words.get(row.risk_level or "", row.risk_level or "")
    yield "–" if row.risk is None else f"{row.risk} ({level})" if level else f"{row.risk}"
    yield "–" if row.charge_percent is None else f"{row.charge_percent:.0f} %"
    yield "–" if row.solar_today_kwh is None else f"{row.solar_today_kwh:.1f} kWh"
    seen = "–" if row.last_contact is None else row.last_contact.strftime(clock)
    yield seen if row.online else f"{words['offline']}, {seen}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _safe(text: str) -> str:
    """Return a name from outside as plain text: it is neither a column nor a link nor a tag."""
    plain = " ".join(text.split())
    return re.sub(r"([\\`*_\[\]<>|#!~$])", r"\\\1", plain)
