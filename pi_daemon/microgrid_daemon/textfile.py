"""The newest values as a file for Prometheus' node_exporter (textfile collector).

No times on samples and no series twice: the collector refuses the whole file for either.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from microgrid_core.model.mpp_inverter import MPP_INVERTER

from .battery import Battery
from .collector import Collector
from .commands import COUNTERS, counter
from .store import Store

_LOGGER = logging.getLogger(__name__)
PERIOD_S = 15.0
_UNITS = {
    "V": "volts",
    "A": "amperes",
    "W": "watts",
    "VA": "voltamperes",
    "Wh": "watthours",
    "Hz": "hertz",
    "°C": "celsius",
    "%": "percent",
}


@dataclass(frozen=True, slots=True)
class Series:
    """One value of one device."""

    name: str
    help: str
    value: float
    labels: tuple[tuple[str, str], ...] = ()
    kind: str = "gauge"


def escaped(text: str) -> str:
    """Write a label's value as the format wants it."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def rendered(series: Iterable[Series]) -> str:
    """Return the text: each metric once with its help and its type, then its samples."""
    by_name: dict[str, list[Series]] = {}
    for one in series:
        by_name.setdefault(one.name, []).append(one)
    lines = []
    for name, group in by_name.items():
        lines += [f"# HELP {name} {group[0].help}", f"# TYPE {name} {group[0].kind}"]
        for labels, value in {one.labels: one.value for one in group}.items():
            inside = ",".join(f'{key}="{escaped(text)}"' for key, text in labels)
            lines.append(f"{name}{{{inside}}} {value!r}" if inside else f"{name} {value!r}")
    return "\n".join([*lines, ""])


def series_of(
    collectors: Sequence[Collector], store: Store, batteries: Sequence[Battery] = ()
) -> list[Series]:
    """Return what is known now; what is not known is left out."""
    found = [
        Series("microgrid_outbox_depth", "Messages that wait for the broker", float(store.depth())),
        Series(
            "microgrid_outbox_dropped_total",
            "Logged readings that were lost for want of room",
            float(store.counted("dropped")),
            kind="counter",
        ),
    ]
    for battery in batteries:
        labels = (("device", battery.config.node),)
        if battery.schedule is not None:
            revision = float(battery.schedule.revision)
            found.append(
                Series("microgrid_schedule_revision", "Revision of the schedule held", revision, labels)
            )
        text = "Whether the battery does what is planned"
        well = float(battery.trouble is None)
        found.append(Series("microgrid_battery_as_planned", text, well, labels))
        tally = battery.tally
        text = "Intervals of schedules by what became of them"
        for outcome, intervals in (("done", tally.done), ("failed", tally.failed)):
            by_outcome = (*labels, ("outcome", outcome))
            found.append(Series("microgrid_intervals_total", text, float(intervals), by_outcome, "counter"))
        text = "Intervals that were joined after their start"
        found.append(Series("microgrid_intervals_late_total", text, float(tally.late), labels, "counter"))
    for collector in collectors:
        labels = (("device", collector.config.node),)
        text = "Rounds and questions without an answer"
        errors = float(collector.poll_errors)
        found.append(Series("microgrid_poll_errors_total", text, errors, labels, "counter"))
        text = "Commands by what became of them"
        for outcome in COUNTERS:
            count = float(store.counted(counter(collector.config.node, outcome)))
            by_outcome = (*labels, ("outcome", outcome))
            found.append(Series("microgrid_commands_total", text, count, by_outcome, "counter"))
        if collector.success_s is not None:
            text = "When the device answered last"
            found.append(
                Series("microgrid_last_success_timestamp_seconds", text, collector.success_s, labels)
            )
        for key, value in collector.values.items():
            if isinstance(value, (int, float)) and key in MPP_INVERTER.by_key:
                unit = _UNITS.get(MPP_INVERTER.by_key[key].unit or "", "")
                name = f"microgrid_mpp_{key}{f'_{unit}' if unit and not key.endswith(unit) else ''}"
                found.append(Series(name, key.replace("_", " "), float(value), labels))
    return found


def write(path: Path, text: str) -> None:
    """Replace the file at once, readable for the exporter whatever the service's umask; raises OSError."""
    beside = path.with_name(f"{path.name}.tmp")
    beside.write_text(text, encoding="utf-8")
    beside.chmod(0o644)
    beside.replace(path)


async def keep_writing(
    path: Path, collectors: Sequence[Collector], store: Store, batteries: Sequence[Battery] = ()
) -> None:
    """Write it again and again; whoever cannot be written to is told of once."""
    told = False
    while True:
        try:
            write(path, rendered(series_of(collectors, store, batteries)))
            told = False
        except OSError as error:
            if not told:
                _LOGGER.warning("%s: %s; is the folder there, and ours to write to?", path, error.strerror)
            told = True
        await asyncio.sleep(PERIOD_S)
