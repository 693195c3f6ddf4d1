"""Devices side by side: which firmware is newer, who is behind, and a table that no name can break."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise

import pytest

from microgrid_core.model.fleet import FleetRow, compare_firmware, markdown, version_key

RISING = ("v2.94", "v3.0", "v3.9", "v3.10", "v3.72~3", "v3.72~12", "v3.72", "3.80~2-large", "v3.80")


@pytest.mark.parametrize(("older", "newer"), list(pairwise(RISING)))
def test_versions_rise(older: str, newer: str) -> None:
    assert version_key(older) < version_key(newer)


def test_versions_that_are_one() -> None:
    assert version_key("v3.80") == version_key("3.80.0") == version_key("V3.80")
    assert version_key("none at all") < version_key("0.1")


def row(node_id: str, firmware: str | None, kind: str = "victron_gx", offered: str | None = None) -> FleetRow:
    return FleetRow(
        node_id=node_id, name=node_id, kind=kind, online=True, firmware=firmware, available_firmware=offered
    )


def test_who_is_behind() -> None:
    rows = [
        row("barn", "v3.72"),
        row("shed", "v3.70"),
        row("mill", None),
        row("house-1", "1.2.0", "house"),
        row("house-2", "1.2", "house"),
        row("pump", None, "heat_pump"),
    ]
    houses, stations = compare_firmware(rows)
    assert (houses.kind, houses.newest, houses.behind) == ("house", "1.2.0", ())
    assert (stations.newest, stations.behind, stations.unknown) == ("v3.72", ("shed",), ("mill",))
    (alone,) = compare_firmware([row("barn", "v3.72", offered="v3.73")])
    assert (alone.newest, alone.behind) == ("v3.73", ("barn",)), "what the maker offers counts"
    assert compare_firmware([]) == ()


def test_the_table() -> None:
    rows = [
        FleetRow(
            node_id="barn",
            name="Barn | [x](http://evil) <b>",
            kind="victron_gx",
            online=True,
            last_contact=datetime(2026, 11, 22, 5, 20, tzinfo=UTC),
            firmware="v3.70",
            alarms=1,
            warnings=2,
            risk=45,
            risk_level="high",
            charge_percent=61.6,
            solar_today_kwh=8.04,
        ),
        FleetRow(node_id="mill", name="Mill", kind="victron_gx", online=False, firmware="v3.72"),
    ]
    lines = markdown(rows, compare_firmware(rows), "de-AT").splitlines()
    assert lines[0].startswith("| Gerät | Firmware | Alarme | Risiko |")
    assert lines[2] == (
        r"| Barn \| \[x\](http://evil) \<b\> | v3.70 | 1 + 2 | 45 (hoch) | 62 % | 8.0 kWh | 22.11. 05:20 |"
    )
    assert lines[3] == "| Mill | v3.72 | – | – | – | – | nicht erreichbar, – |"
    assert lines[-1] == r"- Barn \| \[x\](http://evil) \<b\>: v3.70, es gibt v3.72"
    assert markdown([], (), "xx") == "There are no devices."
