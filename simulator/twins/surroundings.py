"""The twin of the house and weather sensors: bare numbers on `house/…` and `weather/…`."""

from __future__ import annotations

import selectors

from ..physics.neighbourhood import Neighbourhood
from .connection import Broker, Connection

_INTERVAL_S = 10.0


class SurroundingsTwin:
    """All bare-number sensors on one connection."""

    def __init__(self, site: Neighbourhood, swarm: str) -> None:
        """Build; the first values are due at once."""
        self._site = site
        self._swarm = swarm
        self._next = 0.0
        self._connection: Connection | None = None

    def attach(self, broker: Broker, selector: selectors.BaseSelector) -> Connection:
        """Make the connection."""
        self._connection = Connection(
            broker, f"microgrid-simulator-{self._swarm}-surroundings", selector, on_ready=self._ready
        )
        return self._connection

    def due(self, now: float) -> None:
        """Send when it is time."""
        if now < self._next or self._connection is None or not self._connection.connected:
            return
        self._next = max(self._next + _INTERVAL_S, now + 0.5 * _INTERVAL_S)
        for topic, value in self.values().items():
            self._connection.publish(topic, f"{value:.1f}".encode())

    def values(self) -> dict[str, float]:
        """Newest value of each topic."""
        weather, pump = self._site.weather, self._site.heat_pump
        return {
            "house/outdoor_temp": weather.temperature_c,
            "house/living_room_temp": pump.living_room_c,
            "house/living_room_hum": pump.living_room_humidity_percent,
            "weather/temperature": weather.temperature_c,
            "weather/humidity": weather.humidity_percent,
            "weather/wind": weather.wind_m_s,
            "weather/rain": weather.rain_mm_h,
            "weather/pressure": weather.pressure_hpa,
        }

    def _ready(self) -> None:
        self._next = 0.0
