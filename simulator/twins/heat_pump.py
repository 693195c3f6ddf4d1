"""The twin of the heat pump node on the topics that such nodes already use, outside the contract's tree."""

from __future__ import annotations

import json
import selectors
from collections import deque
from typing import Any

from ..physics.neighbourhood import HEAT_PUMP, Neighbourhood
from .connection import Broker, Connection, Will
from .node import utc_now

_BUFFERED = 100  # readings the node keeps while the broker is away
_VERSION = "1.2.0"
# Alert, field, warning above or below, critical above or below, text of the type.
_ALERTS = (
    ("voltage", "voltage", "voltage_high", 245.0, 250.0),
    ("voltage", "voltage", "voltage_low", -215.0, -210.0),
    ("compressor_temp", "temp_compressor", "compressor_temp_high", 85.0, 95.0),
    ("pressure_high", "pressure_high", "pressure_high", 400.0, 450.0),
    ("pressure_low", "pressure_low", "pressure_low", -40.0, -20.0),
    ("current", "current", "current_high", 12.0, 15.0),
)
_LEVELS = ("cleared", "warning", "critical")


class HeatPumpTwin:
    """`hp-1`: reads every `interval_s`, publishes at once, keeps readings while it is offline."""

    def __init__(self, site: Neighbourhood, swarm: str, interval_s: float) -> None:
        """Build; the first reading is due at once."""
        self.node = HEAT_PUMP
        self.interval_s = interval_s
        self._site = site
        self._swarm = swarm
        self._next = 0.0
        self._waiting: deque[dict[str, Any]] = deque(maxlen=_BUFFERED)
        self._overflow = 0
        self._silent_until = self._garbage_until = 0.0
        self._levels: dict[str, int] = {}
        self.utc_now = utc_now
        """What time it is for this node."""
        self._began = False
        """Readings begin with the first connection: before it, the node's clock is not set."""
        self._connection: Connection | None = None

    def attach(self, broker: Broker, selector: selectors.BaseSelector) -> Connection:
        """Make the connection."""
        self._connection = Connection(
            broker,
            f"microgrid-simulator-{self._swarm}-{self.node}",
            selector,
            will=Will(self._topic("status/online"), b"offline"),
            on_ready=self._ready,
        )
        return self._connection

    def due(self, now: float) -> None:
        """Read and send when it is time."""
        if now < self._next or not self._began:
            return
        self._next = max(self._next + self.interval_s, now + 0.5 * self.interval_s)
        reading = self.reading()
        self._alert(reading)
        if self._connection is None or not self._connection.connected or now < self._silent_until:
            self._overflow += len(self._waiting) == _BUFFERED
            self._waiting.append(reading)
        elif now < self._garbage_until:
            self._connection.publish(self._topic("data"), b'{"device":17,"temperature":[')
        else:
            self._send(reading)

    def reading(self) -> dict[str, Any]:
        """One reading in the node's own form."""
        values = self._site.values(self.node)
        voltage, current = values["voltage"], values["current"]
        assert isinstance(voltage, float) and isinstance(current, float)
        reading: dict[str, Any] = {
            "device": self.node,
            "timestamp": round(self.utc_now().timestamp() * 1000.0),
            "version": _VERSION,
            "temperature": {
                name: values[f"temp_{name}"] for name in ("inlet", "outlet", "ambient", "compressor")
            },
            "electrical": {"voltage": voltage, "current": current, "power": round(voltage * current, 1)},
            "pressure": {"high": values["pressure_high"], "low": values["pressure_low"]},
            "status": {
                "compressor": values["compressor_running"],
                "fan": values["fan_running"],
                "defrost": values["defrost_active"],
            },
            "alerts": dict.fromkeys((name for name, *_ in _ALERTS), 0),
            "valid": dict.fromkeys(
                (
                    "temp_inlet",
                    "temp_outlet",
                    "temp_ambient",
                    "temp_compressor",
                    "voltage",
                    "current",
                    "pressure_high",
                    "pressure_low",
                ),
                True,
            ),
        }
        for name, field, _, warning, critical in _ALERTS:
            value = values[field]
            assert isinstance(value, (int, float))
            signed = value if warning > 0.0 else -value
            level = (signed > warning) + (signed > critical)
            reading["alerts"][name] = max(reading["alerts"][name], level)
        if self._overflow:
            reading["overflow"] = self._overflow
        return reading

    def be_silent(self, until: float) -> None:
        """Stay connected, keep the readings."""
        self._silent_until = until

    def talk_garbage(self, until: float) -> None:
        """Send broken messages."""
        self._garbage_until = until

    def disconnect(self, duration_s: float) -> None:
        """Lose the network."""
        if self._connection is not None:
            self._connection.drop(duration_s)

    def restart(self, boot_id: int) -> None:
        """Start again: what was buffered is gone, and counted."""
        self._overflow += len(self._waiting)
        self._waiting.clear()
        self._next = 0.0

    def _topic(self, suffix: str) -> str:
        return f"heatpump/{self.node}/{suffix}"

    def _ready(self) -> None:
        assert self._connection is not None
        self._connection.publish(self._topic("status/online"), b"online", 1, retain=True)
        self._began = True
        self._next = 0.0

    def _send(self, reading: dict[str, Any]) -> None:
        assert self._connection is not None
        payload: Any = [*self._waiting, reading] if self._waiting else reading
        self._waiting.clear()
        self._connection.publish(self._topic("data"), json.dumps(payload, separators=(",", ":")).encode(), 1)

    def _alert(self, reading: dict[str, Any]) -> None:
        """Publish alerts whose level changed."""
        fields = {
            "voltage": reading["electrical"]["voltage"],
            "current": reading["electrical"]["current"],
            "temp_compressor": reading["temperature"]["compressor"],
            "pressure_high": reading["pressure"]["high"],
            "pressure_low": reading["pressure"]["low"],
        }
        for _, field, kind, warning, critical in _ALERTS:
            signed = fields[field] if warning > 0.0 else -fields[field]
            level = (signed > warning) + (signed > critical)
            before, self._levels[kind] = self._levels.get(kind, 0), level
            if level != before and self._connection is not None:
                alert = {
                    "device": self.node,
                    "timestamp": reading["timestamp"],
                    "type": kind,
                    "level": _LEVELS[level],
                    "value": fields[field],
                }
                self._connection.publish(
                    self._topic("alerts"), json.dumps(alert, separators=(",", ":")).encode(), 1
                )
