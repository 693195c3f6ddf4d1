"""The patterns as InfluxQL, as far as it can say them: for Grafana, and for whoever keeps InfluxDB alone.

Medians, slopes and shares are beyond InfluxQL; there the statement fetches what they are computed from, and
the archive's own answer goes further. Every FROM names database, policy and measurement, which InfluxDB 3
needs. Tags and fields are those that the sink writes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...model.gateway import GATEWAY
from ...model.house import BATTERY, HOUSE, INVERTER
from ...model.metric import DeviceKind
from . import cell_drift, frequency, recurring

DATABASE = "microgrid"
_RAISED = "(\"state\" = 'raised' OR \"state\" = 'moment') AND (\"type\" = 'fault' OR \"type\" = 'alarm')"
_FAULTS = f'"{DATABASE}"."events"."faults"'
_CELLS = tuple(key for key in HOUSE.by_key if key.startswith("cell_voltage_") and key[-1].isdigit())


@dataclass(frozen=True, slots=True)
class Statement:
    """One SELECT."""

    title: str
    text: str


def influxql(pattern: str, when: str = "$timeFilter", where: str = "") -> tuple[Statement, ...]:
    """Return the statements of a pattern by its name; raises KeyError for an unknown one.

    `when` is a condition on time, by default Grafana's own; `where` another one on tags such as
    `"swarm" = '$swarm'`.
    """
    return _STATEMENTS[pattern](f"{when} AND {where}" if where else when)


def _faults(when: str) -> tuple[Statement, ...]:
    columns = '"node", "code", "severity", "type", "state", "event_id"'
    return (Statement("Faults", f"SELECT {columns} FROM {_FAULTS} WHERE {when} AND {_RAISED}"),)


def _cluster_state(when: str) -> tuple[Statement, ...]:
    """Seconds are kept for a day; give the ten seconds around the fault and its cluster in `when`."""
    return tuple(
        Statement(
            f"{device.kind}: {measurement}",
            f'SELECT * FROM {_source("rp_1s", measurement)} WHERE {when} GROUP BY "node"',
        )
        for device in (GATEWAY, HOUSE)
        for measurement in device.measurements.values()
    )


def _cell_drift(when: str) -> tuple[Statement, ...]:
    """Deviations in mV from the mean of the cells, where the archive takes their median."""
    fields = [f"{_field(HOUSE, key)}_{key.rpartition('_')[2]}" for key in _CELLS]
    mean = " + ".join(f'"{name}"' for name in fields)
    deviations = ", ".join(
        f'("{name}" - ({mean}) / {len(fields)}) * 1000 AS "cell {number}"'
        for number, name in enumerate(fields, 1)
    )
    codes = " OR ".join(f"\"code\" = '{code}'" for code in cell_drift.CODES)
    source = _source("rp_1h", HOUSE.measurements[BATTERY])
    return (
        Statement("Deviations", f'SELECT {deviations} FROM {source} WHERE {when} GROUP BY "node"'),
        Statement(
            "Faults",
            f'SELECT "node", "code", "event_id" FROM {_FAULTS} WHERE {when} AND {_RAISED} AND ({codes})',
        ),
    )


def _frequency(when: str) -> tuple[Statement, ...]:
    """Minutes that hold samples outside."""
    return tuple(
        Statement(
            key,
            f'SELECT "{name}_min", "{name}_max" FROM {_source("rp_1m", device.measurements[part])} '
            f'WHERE {when} AND ("{name}_min" < {frequency.LOW_HZ} OR "{name}_max" > {frequency.HIGH_HZ}) '
            'GROUP BY "node"',
        )
        for device, part, key in (
            (HOUSE, INVERTER, "inverter_frequency"),
            (GATEWAY, "", "cluster_frequency"),
            (GATEWAY, "", "swarm_frequency"),
        )
        for name in (_field(device, key),)
    )


def _recurring(when: str) -> tuple[Statement, ...]:
    """Counted over the whole range: choose one as long as the window."""
    raised = f"{_FAULTS} WHERE {when} AND {_RAISED}"
    inner = f'SELECT count("event_id") AS "times" FROM {raised} GROUP BY "node", "code"'
    return (
        Statement(
            "Recurring faults",
            f'SELECT "times" FROM ({inner}) WHERE "times" >= {recurring.MINIMUM} GROUP BY "node", "code"',
        ),
    )


def _supply(when: str) -> tuple[Statement, ...]:
    """What each house gave and took by the hour; a counter that restarts loses that hour."""
    return tuple(
        Statement(
            f"{device.kind}: {key}",
            f'SELECT non_negative_difference(last("{_field(device, key)}")) AS "energy" FROM '
            f'{_source("rp_1h", device.measurements[""])} WHERE {when} GROUP BY time(1h), "cluster", "node"',
        )
        for device in (HOUSE, GATEWAY)
        for key in ("energy_exported", "energy_imported")
    )


def _source(policy: str, measurement: str) -> str:
    return f'"{DATABASE}"."{policy}"."{measurement}"'


def _field(device: DeviceKind, key: str) -> str:
    name = device.by_key[key].influx
    if name is None:
        raise ValueError(f"{device.kind}: {key} is kept out of InfluxDB")
    return name


_STATEMENTS: dict[str, Callable[[str], tuple[Statement, ...]]] = {
    "faults": _faults,
    "cluster_state": _cluster_state,
    "cell_drift": _cell_drift,
    "frequency_outside_band": _frequency,
    "recurring_faults": _recurring,
    "who_supplied_whom": _supply,
}
