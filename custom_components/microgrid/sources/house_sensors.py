"""Bare numbers on `house/<name>` and `weather/<quantity>`: values of the site while they keep coming."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from homeassistant.components import mqtt
from homeassistant.components.mqtt import ReceiveMessage
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers.event import async_track_time_interval

from ..core.contract.bare_number import parse_bare_number
from ..core.contract.reading import Rejection, RejectReason
from ..core.model.bare_sensors import WEATHER_METRICS, house_metric
from ..core.model.freshness import Rhythm
from ..core.model.guard import plausible
from ..core.model.metric import Metric
from ..core.model.site import WEATHER
from ..core.model.swarm import SITE_ID, Swarm
from .refusals import Refusals

MAX_HOUSE_SENSORS = 64

_CHECK = timedelta(seconds=30)
_MISSED_INTERVALS = 5.0
_STALE_S = 600.0
_STALE_WEATHER_S = 1800.0  # published every 10 min; older weather is another weather
_MAX_REFUSED_TOPICS = 256


class HouseSensors:
    """Carries bare numbers into the site."""

    def __init__(self, hass: HomeAssistant, swarm: Swarm) -> None:
        """Know where values go."""
        self.refused: Counter[str] = Counter()
        """Refused messages by topic, for the diagnostics."""
        self.too_many = False
        """Whether more names were seen than are taken."""
        self._hass = hass
        self._swarm = swarm
        self._refusals = Refusals(swarm)
        self._metrics: dict[str, Metric] = {}
        self._rhythms: dict[str, Rhythm] = {}
        self._too_many_listeners: list[Callable[[], None]] = []
        self._unsubscribe: list[CALLBACK_TYPE] = []

    async def async_start(self) -> None:
        """Subscribe, and look after values that stopped coming."""
        self._unsubscribe.append(async_track_time_interval(self._hass, self._withdraw_stale, _CHECK))
        for root, find in (("house", house_metric), ("weather", WEATHER_METRICS.get)):
            self._unsubscribe.append(
                await mqtt.async_subscribe(self._hass, f"{root}/+", self._entrance(find), 0, encoding=None)
            )

    async def async_stop(self) -> None:
        """Unsubscribe."""
        while self._unsubscribe:
            self._unsubscribe.pop()()

    @callback
    def on_too_many(self, listener: Callable[[], None]) -> CALLBACK_TYPE:
        """Call `listener` once there are more names than are taken; returns the way to stop it."""
        self._too_many_listeners.append(listener)
        return lambda: self._too_many_listeners.remove(listener)

    def _entrance(self, find: Callable[[str], Metric | None]) -> Callable[[ReceiveMessage], None]:
        @callback
        def receive(message: ReceiveMessage) -> None:
            if message.retain:
                return  # it carries no time: nobody knows how old it is
            payload = message.payload
            self._take(message.topic, payload.encode() if isinstance(payload, str) else bytes(payload), find)

        return receive

    def _take(self, topic: str, payload: bytes, find: Callable[[str], Metric | None]) -> None:
        name = topic.split("/")[1]
        if (metric := self._metrics.get(topic) or find(name)) is None:
            self._refuse(topic, Rejection(RejectReason.BAD_TOPIC, "no such sensor name or weather quantity"))
            return
        number = parse_bare_number(payload)
        if isinstance(number, Rejection):
            self._refuse(topic, number)
            return
        if (value := plausible(metric, number)) is None:
            detail = f"{number:g} is not within {metric.minimum:g} … {metric.maximum:g} {metric.unit}"
            self._refuse(topic, Rejection(RejectReason.BAD_VALUE, detail))
            return
        if topic not in self._metrics and not self._admit(topic, metric):
            return
        self._rhythms[metric.key].arrived(self._swarm.monotonic())
        self._swarm.received["house_sensor"] += 1
        self._swarm.conclude(self._swarm.site, {metric.key: value})

    def _admit(self, topic: str, metric: Metric) -> bool:
        """Take a new name, as long as there are not too many."""
        if len(self._metrics) >= MAX_HOUSE_SENSORS:
            detail = f"more than {MAX_HOUSE_SENSORS} sensors of house and weather"
            self._refuse(topic, Rejection(RejectReason.BAD_TOPIC, detail))
            if not self.too_many:
                self.too_many = True
                for listener in tuple(self._too_many_listeners):
                    listener()
            return False
        self._metrics[topic] = metric
        self._rhythms[metric.key] = Rhythm(enough=1)
        self._swarm.define(self._swarm.site, metric)
        return True

    def _refuse(self, topic: str, rejection: Rejection) -> None:
        if topic in self.refused or len(self.refused) < _MAX_REFUSED_TOPICS:
            self.refused[topic] += 1
        self._refusals.count(topic, SITE_ID, rejection)

    @callback
    def _withdraw_stale(self, _: datetime) -> None:
        now = self._swarm.monotonic()
        stale = [metric.key for metric in self._metrics.values() if self._stale(metric, now)]
        stale = [key for key in stale if key in self._swarm.site.values]
        if stale:
            self._swarm.conclude(self._swarm.site, dict.fromkeys(stale))

    def _stale(self, metric: Metric, now: float) -> bool:
        rhythm = self._rhythms[metric.key]
        if metric.component == WEATHER:
            return rhythm.missed(now, 0.0, _STALE_WEATHER_S)
        return rhythm.missed(now, _MISSED_INTERVALS, _STALE_S)
