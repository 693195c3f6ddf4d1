"""What energy costs, for the planner: its settings, and the many shapes in which prices are published."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Any, Final

from homeassistant.const import STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.util import dt as dt_util

from .core.energy.tariff import Fixed, Period, PriceList, PriceSource, Rate, Tariff, TimeOfUse

_LOGGER = logging.getLogger(__name__)

SOURCE_FIXED: Final = "fixed"
SOURCE_TIME_OF_USE: Final = "time_of_use"
SOURCE_ENTITY: Final = "price_entity"
SOURCE_ACTION: Final = "price_action"
SOURCE_NO_GRID: Final = "off_grid"
SOURCES: Final = (SOURCE_FIXED, SOURCE_TIME_OF_USE, SOURCE_ENTITY, SOURCE_ACTION, SOURCE_NO_GRID)

CONF_SOURCE: Final = "source"
CONF_PRICE: Final = "price"
CONF_PERIODS: Final = "periods"
CONF_ENTITY: Final = "entity_id"
CONF_ACTION: Final = "action"
CONF_DATA: Final = "action_data"
CONF_UNIT: Final = "unit"
CONF_FEE: Final = "fee"
CONF_TAX: Final = "tax"
CONF_LEVY: Final = "levy"
CONF_EXPORT: Final = "export_price"
CONF_EXPORT_MARKET: Final = "export_at_market"
CONF_DEMAND: Final = "demand_charge"

UNIT_AUTO: Final = "auto"
UNITS: Final[Mapping[str, float]] = {"per_kwh": 1.0, "cents_per_kwh": 0.01, "per_mwh": 0.001}
"""Choices of the user beside the automatic one, and what turns each into currency per kWh."""

MISSING, UNREADABLE, OVER = "prices_missing", "prices_unreadable", "prices_stale"
"""Why there is no price: nobody gives one; nothing in it can be read; what was published is over."""

_MOST_ROWS: Final = 4 * 24 * 40
_MOST_DEPTH: Final = 5
_MOST_PRICE: Final = 10_000.0  # per kWh: above the price caps of markets, also in forints or won
_MOST_LENGTH: Final = timedelta(hours=25)
_FAR: Final = timedelta(days=60)
_ASK_AGAIN: Final = timedelta(minutes=30)
_STALE: Final = timedelta(hours=3)
"""So long the prices of an entity that went away are believed, as far as they reach."""
_PATIENCE_S: Final = 20.0
"""So long an action may take to answer."""

_BY_NAME: Final = (
    "raw_today",
    "raw_tomorrow",
    "rates",
    "prices",
    "prices_today",
    "prices_tomorrow",
    "data",
    "forecast",
    "forecasts",
)
"""Attributes that carry rows with times (Nordpool, Octopus, ENTSO-E, Tibber, EPEX, templates)."""
_BY_DAY: Final = (("today", 0), ("tomorrow", 1))
"""Attributes that carry bare numbers of a day's equal parts, from midnight on the wall."""
_STARTS: Final = (
    "start",
    "start_time",
    "startsAt",
    "starts_at",
    "valid_from",
    "from",
    "time",
    "hour",
    "datetime",
    "start_timestamp",
    "timestamp",
)
_ENDS: Final = ("end", "end_time", "endsAt", "ends_at", "valid_to", "till", "to", "end_timestamp")
_VALUES: Final[tuple[tuple[str, float | None], ...]] = (
    ("price_per_kwh", 1.0),
    ("price_eur_per_mwh", 0.001),
    ("price_ct_per_kwh", 0.01),
    ("value", None),
    ("total", None),
    ("price", None),
    ("value_inc_vat", None),
    ("marketprice", 0.001),
    ("electricity_price", None),
)
"""Names of prices, and the factor to currency per kWh where the name itself tells the unit."""

type Row = tuple[datetime, datetime | None, float]


class SettingsError(Exception):
    """Settings that cannot be; `key` names the text, the message says what and why."""

    def __init__(self, key: str, reason: str) -> None:
        """Know both."""
        super().__init__(reason)
        self.key = key


@dataclass(frozen=True, slots=True)
class PriceSettings:
    """Where prices come from and what is added to them; currency per kWh, tax as a share."""

    source: str = SOURCE_FIXED
    price: float = 0.0
    periods: tuple[Period, ...] = ()
    entity_id: str = ""
    action: str = ""
    action_data: Mapping[str, Any] = field(default_factory=dict)
    unit: str = UNIT_AUTO
    fee: float = 0.0
    tax: float = 0.0
    levy: float = 0.0
    export_price: float = 0.0
    export_at_market: bool = False
    """Export is paid at the market's price plus `export_price` (minus what the buyer keeps)."""
    demand_charge: float = 0.0

    @property
    def off_grid(self) -> bool:
        """Whether there is no grid to buy from."""
        return self.source == SOURCE_NO_GRID

    @property
    def published(self) -> bool:
        """Whether somebody publishes prices that may be missing or late."""
        return self.source in (SOURCE_ENTITY, SOURCE_ACTION)


def read_settings(data: Mapping[str, Any]) -> PriceSettings:
    """Read what a flow stored; raises SettingsError."""
    source = data.get(CONF_SOURCE, SOURCE_FIXED)
    if source not in SOURCES:
        raise SettingsError("source_unknown", f"{source!r} is none of {', '.join(SOURCES)}")
    action = str(data.get(CONF_ACTION, "")).strip()
    if source == SOURCE_ACTION and action.count(".") != 1:
        raise SettingsError("action_unknown", f"{action!r} is no action such as nordpool.get_prices_for_date")
    return PriceSettings(
        source=source,
        price=_number(data, CONF_PRICE),
        periods=tuple(_period(row) for row in data.get(CONF_PERIODS) or ()),
        entity_id=str(data.get(CONF_ENTITY, "")),
        action=action,
        action_data=dict(data.get(CONF_DATA) or {}),
        unit=data.get(CONF_UNIT, UNIT_AUTO),
        fee=_number(data, CONF_FEE),
        tax=_number(data, CONF_TAX) / 100.0,
        levy=_number(data, CONF_LEVY),
        export_price=_number(data, CONF_EXPORT),
        export_at_market=bool(data.get(CONF_EXPORT_MARKET, False)),
        demand_charge=max(0.0, _number(data, CONF_DEMAND)),
    )


class PriceDesk:
    """The tariff as known now, fetched again when asked."""

    def __init__(self, hass: HomeAssistant, settings: PriceSettings, zone: tzinfo) -> None:
        """Know where to ask."""
        self._hass = hass
        self._settings = settings
        self.zone = zone
        self._rows: dict[datetime, Row] = {}
        self._asked: datetime | None = None
        self._read: datetime | None = None
        self.trouble: str | None = None
        """Why the price of this hour is not known: MISSING, UNREADABLE or OVER."""
        self.tariff = self._tariff(PriceList(()))

    @property
    def settings(self) -> PriceSettings:
        """Where prices come from."""
        return self._settings

    def of_hour(self, start: datetime) -> tuple[float | None, float | None]:
        """Return what a kWh from the grid costs and one into it brings, on the mean of an hour."""
        hour = timedelta(hours=1)
        return self.tariff.import_rate.mean(start, hour), self.tariff.export_rate.mean(start, hour)

    def price_at(self, when: datetime) -> float | None:
        """Return what a kWh from the grid costs at an instant."""
        return self.tariff.import_rate.at(when.astimezone(UTC))

    async def refresh(self, now: datetime) -> None:
        """Take what is published; `trouble` says what is wrong."""
        if not self._settings.published:
            return
        trouble: str | None = None
        try:
            found, trouble = await self._fetch(now)
        except Exception as error:  # an action of somebody else may raise anything: planning goes on without
            _LOGGER.debug("no prices from %s: %s", self._settings.action or self._settings.entity_id, error)
            found, trouble = None, MISSING
        if found:
            self._read = now
            self._rows |= {row[0]: row for row in found}
        self._rows = {start: row for start, row in self._rows.items() if now - start < timedelta(days=2)}
        self.tariff = self._tariff(PriceList(self._rows.values()))
        if self.price_at(now) is not None and (self._read is None or now - self._read < _STALE):
            trouble = None
        elif trouble is None:
            trouble = OVER
        self.trouble = trouble

    async def _fetch(self, now: datetime) -> tuple[list[Row] | None, str | None]:
        """Return rows, or why there are none; None and None: nothing was asked."""
        settings = self._settings
        if settings.source == SOURCE_ENTITY:
            state = self._hass.states.get(settings.entity_id)
            if state is None or state.state in (STATE_UNAVAILABLE, STATE_UNKNOWN):
                return None, MISSING
            unit = state.attributes.get("unit_of_measurement")
            factor = unit_factor(settings.unit, unit)
            rows = rows_of(state.attributes, now, self.zone, factor, chosen=settings.unit != UNIT_AUTO)
            if (
                not rows
                and (price := _finite(state.state)) is not None
                and abs(price * factor) <= _MOST_PRICE
            ):
                # It tells the present price only: what was told yesterday stands for the hours to come.
                rows = [(self._since(state.last_changed, now), None, price * factor)]
            return rows, None if rows else UNREADABLE
        if self._asked is not None and now - self._asked < _ASK_AGAIN and self._covers(now):
            self._read = now
            return None, None
        self._asked = now
        domain, _, name = settings.action.partition(".")
        rows = []
        for day in (0, 1):
            data = filled_in(settings.action_data, now.astimezone(self.zone).date() + timedelta(days=day))
            try:
                async with asyncio.timeout(_PATIENCE_S):  # a script of the user's may wait for ever
                    answer = await self._hass.services.async_call(
                        domain, name, data, blocking=True, return_response=True
                    )
            except HomeAssistantError, TimeoutError:
                if day == 0:
                    raise
                break  # tomorrow is not published yet
            rows += rows_of(
                answer or {},
                now,
                self.zone,
                unit_factor(settings.unit, None),
                chosen=settings.unit != UNIT_AUTO,
            )
            if data == settings.action_data:
                break  # it asks for no day: once is enough
        return rows, None if rows else UNREADABLE

    def _since(self, changed: datetime, now: datetime) -> datetime:
        """Return since when a present price holds: all of the hour, or from a later quarter hour of it."""
        hour, changed = now.replace(minute=0, second=0, microsecond=0), min(changed, now)
        quarter = changed.replace(minute=changed.minute // 15 * 15, second=0, microsecond=0)
        return hour if self.price_at(hour) is None else max(hour, quarter)

    def _covers(self, now: datetime) -> bool:
        return self.price_at(now) is not None and self.price_at(now + timedelta(hours=8)) is not None

    def _tariff(self, published: PriceList) -> Tariff:
        settings = self._settings
        source: PriceSource
        if settings.source in (SOURCE_FIXED, SOURCE_NO_GRID):
            source = Fixed(settings.price)
        elif settings.source == SOURCE_TIME_OF_USE:
            source = TimeOfUse(self.zone, settings.price, settings.periods)
        else:
            source = published
        export = (
            Rate(source, fee=settings.export_price)
            if settings.export_at_market
            else Rate(Fixed(settings.export_price))
        )
        return Tariff(
            Rate(source, settings.fee, settings.tax, settings.levy),
            export,
            demand_charge_per_kw=settings.demand_charge,
            curtailable=False,  # nothing here holds the sun back
        )


def unit_factor(chosen: str, unit: object) -> float:
    """Return what turns a price into currency per kWh, by the user's choice or by the unit of the entity."""
    if chosen in UNITS:
        return UNITS[chosen]
    name, _, energy = str(unit or "").strip().lower().partition("/")
    factor = 0.001 if energy.strip() == "mwh" else 1.0
    small = name.strip() in (
        "ct",
        "c",
        "¢",
        "cent",
        "cents",
        "p",
        "pence",
        "öre",
        "øre",
        "ore",
        "gr",
        "grosz",
    )
    return factor * (0.01 if small else 1.0)


def rows_of(
    found: Mapping[str, Any], now: datetime, zone: tzinfo, factor: float, *, chosen: bool = False
) -> list[Row]:
    """Return what can be read as prices, in currency per kWh, ordered by time.

    `found` are attributes of an entity or the answer of an action: anything may be in it. `chosen`: the user
    named the unit, so names of keys that tell one do not count.
    """
    if not isinstance(found, Mapping):
        return []
    named = [found[name] for name in _BY_NAME if name in found]
    reader = _Reader(now, zone, factor, chosen)
    for item in named:
        reader.take(item)
    if not reader.rows:
        for name, day in _BY_DAY:
            reader.take_day(found.get(name), day)
    if not reader.rows:
        for item in found.values():  # answers are keyed by area or home; templates by whatever came to mind
            if isinstance(item, (list, tuple, Mapping)):
                reader.take(item)
    return [reader.rows[start] for start in sorted(reader.rows)][-_MOST_ROWS:]


@dataclass(slots=True)
class _Reader:
    """Collects rows from nested lists and mappings of strangers."""

    now: datetime
    zone: tzinfo
    factor: float
    chosen: bool
    rows: dict[datetime, Row] = field(default_factory=dict)
    _looked: int = 0

    def take(self, item: object, depth: int = 0) -> None:
        """Take what is a row; look into what may hold rows."""
        self._looked += 1
        if depth > _MOST_DEPTH or self._looked > 2 * _MOST_ROWS:
            return
        if isinstance(item, Mapping):
            if not self._row(item):
                self._by_time(item)
                for inner in item.values():
                    if isinstance(inner, (list, tuple, Mapping)):
                        self.take(inner, depth + 1)
        elif isinstance(item, (list, tuple)):
            for inner in item:
                if isinstance(inner, (list, tuple, Mapping)):
                    self.take(inner, depth + 1)

    def take_day(self, values: object, day: int) -> None:
        """Take bare numbers of a day: as many as the day has hours, halves or quarters of them."""
        if not isinstance(values, (list, tuple)) or not 23 <= len(values) <= 100:
            return
        local = self.now.astimezone(self.zone).date() + timedelta(days=day)
        start, end = (
            datetime.combine(local + timedelta(days=more), time(), self.zone).astimezone(UTC)
            for more in (0, 1)
        )
        hours = round((end - start) / timedelta(hours=1))
        # Nordpool gives 24 numbers also on days of 23 and 25 hours; the last then says nothing or is missing.
        parts = next((n for n in (1, 2, 4) if abs(len(values) - n * hours) <= n), 0)
        if not parts:
            return
        step = timedelta(hours=1) / parts
        for number, value in enumerate(values[: parts * hours]):
            self._add(start + number * step, start + (number + 1) * step, value, self.factor)

    def _row(self, item: Mapping[Any, Any]) -> bool:
        start = next((item[name] for name in _STARTS if name in item), None)
        value = next(((name, own) for name, own in _VALUES if name in item), None)
        if start is None or value is None or (begin := self._time(start)) is None:
            return False
        end = next((item[name] for name in _ENDS if name in item), None)
        name, own = value
        self._add(begin, self._time(end), item[name], self.factor if own is None or self.chosen else own)
        return True

    def _by_time(self, item: Mapping[Any, Any]) -> None:
        """Take a mapping of times to prices."""
        for key, value in item.items():
            named = (
                isinstance(key, (str, datetime)) and len(str(key)) >= 13
            )  # a date without hour is no start
            if named and isinstance(value, (int, float)) and (begin := self._time(key)) is not None:
                self._add(begin, None, value, self.factor)

    def _add(self, start: datetime, end: datetime | None, value: object, factor: float) -> None:
        price = _finite(value)
        if price is None or abs(price * factor) > _MOST_PRICE or abs(start - self.now) > _FAR:
            return
        if end is not None and not timedelta() < end - start <= _MOST_LENGTH:
            end = None
        if len(self.rows) < _MOST_ROWS:
            self.rows[start] = (start, end, price * factor)

    def _time(self, value: object) -> datetime | None:
        try:
            if isinstance(value, str):
                value = dt_util.parse_datetime(value.strip()[:40])
            elif isinstance(value, (int, float)) and not isinstance(value, bool):
                seconds = float(value) / 1000.0 if abs(value) > 1e11 else float(value)
                return datetime.fromtimestamp(seconds, UTC)
            if not isinstance(value, datetime):
                return None
            return (value if value.tzinfo else value.replace(tzinfo=self.zone)).astimezone(UTC)
        except OverflowError, OSError, ValueError:
            return None


def filled_in(data: Mapping[str, Any], day: date) -> dict[str, Any]:
    """Return the data of an action with `today` replaced by a day, such as Nordpool's actions want it."""
    return {
        key: day.isoformat() if isinstance(value, str) and value.strip().lower() == "today" else value
        for key, value in data.items()
    }


def preview(tariff: Tariff, now: datetime, zone: tzinfo, currency: str) -> str:
    """Return the prices of the next 24 hours as a Markdown table, to be looked at before they are kept."""
    start = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    lines = [f"| | {currency}/kWh | {currency}/kWh ← |", "|---|---:|---:|"]
    for number in range(24):
        at = start + timedelta(hours=number)
        bought, sold = (_shown(rate.at(at)) for rate in (tariff.import_rate, tariff.export_rate))
        lines.append(f"| {at.astimezone(zone):%H:%M} | {bought} | {sold} |")
    return "\n".join(lines)


def _shown(price: float | None) -> str:
    return "–" if price is None else f"{price:.4f}"


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        number = float(value)
    except OverflowError, ValueError:
        return None
    return number if math.isfinite(number) else None


def _number(data: Mapping[str, Any], key: str) -> float:
    number = _finite(data.get(key) or 0.0)
    if number is None:
        raise SettingsError("number_wrong", f"{key} {data.get(key)!r} is no number")
    return number


def _period(row: Mapping[str, Any]) -> Period:
    try:
        days = frozenset(int(day) for day in row.get("weekdays") or range(7))
        if not days <= frozenset(range(7)):
            raise ValueError(f"weekdays {sorted(days)} are not within 0 (Monday) to 6")
        start, end = (str(row[name]).strip()[:5] for name in ("start", "end"))
        # The field for a time cannot say 24:00: what ends at 00:00 ends with the day.
        return Period(float(row["price"]), start, "24:00" if end == "00:00" else end, days)
    except (KeyError, TypeError, ValueError) as error:
        raise SettingsError("period_wrong", f"{dict(row)}: {error}") from error
