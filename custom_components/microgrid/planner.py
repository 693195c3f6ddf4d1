"""The energy planner: measures, plans, sends schedules, and steps back to the rule when in doubt."""

from __future__ import annotations

import asyncio
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from functools import partial
from typing import Any, Final

from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .const import DOMAIN, STORAGE_VERSION
from .core.energy.advice import plan_start
from .core.energy.battery import Battery
from .core.energy.clock import HOURS
from .core.energy.planning import Plan
from .core.energy.replay import Comparison
from .planner_batteries import Batteries, ChargeWatch, Dispatch, Fleet, Reserve, battery_of
from .planner_days import judge, measured, report, rolling
from .planner_money import (
    REPLAY_DAYS,
    SAVE_MONEY,
    STRATEGIES,
    Answer,
    Model,
    Question,
    Review,
    Shiftable,
    answer,
    compared,
    judge_day,
    models,
    review,
)
from .planner_prices import PriceDesk
from .planner_settings import PlannerSettings
from .planner_site import LoadWatch
from .planner_solar import SolarDesk
from .planner_state import (
    DayFigures,
    Hour,
    PlannerState,
    Reading,
)
from .planner_street import ByNode, Street, StreetDesk
from .planner_view import (
    action_at,
    advice_at,
    next_action,
    reason,
    rows,
    shift_rows,
    step_at,
    target,
)
from .planner_weather import NAME as WEATHER_NAME, SkyDesk

_LOGGER = logging.getLogger(__name__)

TOO_DEAR: Final = "too_dear"
TOLD_LATE: Final = frozenset({"battery_missing", "prices_missing", "prices_unreadable", "prices_stale"})
"""Reasons that a person can do something about, when they last."""

SAMPLE: Final = timedelta(seconds=60)
FIRST_LOOK: Final = timedelta(seconds=5)
AGAIN: Final = timedelta(minutes=5)
"""Between two plans at least, whatever happens."""
LASTING: Final = timedelta(minutes=10)
"""After which a reason becomes a repair issue."""
OFF_PLAN_SHARE: Final = 0.08
"""Of the capacity: further from the plan than that, a new one is made."""
PAST: Final = timedelta(days=56)
_SAVE_S: Final = 300.0


class Happened:
    """What the planner tells beside its figures."""

    FALLBACK = "fallback"
    RECOVERED = "recovered"
    MODEL = "model_changed"
    REFUSED = "refused"
    REPORT = "weekly_report"


HAPPENINGS: Final = (
    Happened.FALLBACK,
    Happened.MODEL,
    Happened.RECOVERED,
    Happened.REFUSED,
    Happened.REPORT,
)


@dataclass(frozen=True, slots=True)
class Seams:
    """What the planner needs of others."""

    batteries: Batteries
    meters: Callable[[], tuple[float | None, float | None]]
    """Returns load and solar yield of the site, kW; None where nothing is measured."""
    flexible: Callable[[], float | None]
    """Returns the power of the load that can be shifted, kW."""
    clusters: Callable[[], Mapping[str, str]]
    """Returns the cluster of every node; empty for those at the connection itself."""
    by_node: ByNode
    """Returns what the archive knows of the hours of each node that measures a load."""
    past: Callable[[datetime, datetime], Awaitable[Mapping[int, Hour]]]
    """Returns what others know of the site's hours of a range."""
    trouble: Callable[[str | None], None]
    """Shows a reason that lasts as a repair issue; None: all is well."""


type Listener = Callable[[], None]
type EventListener = Callable[[str, dict[str, Any]], None]


class Planner:
    """Plans the batteries of one swarm."""

    def __init__(self, hass: HomeAssistant, entry_id: str, settings: PlannerSettings, seams: Seams) -> None:
        """Know whom to ask; nothing runs yet."""
        self._hass = hass
        self.settings = settings
        self._seams = seams
        self.zone: tzinfo = dt_util.get_default_time_zone()
        self.prices = PriceDesk(hass, settings.prices, self.zone)
        sky = SkyDesk(hass, settings.weather_entity, self._yields)
        self.solar = SolarDesk(
            hass, settings.solar_forecasts, {WEATHER_NAME: sky.hours} if settings.weather_entity else {}
        )
        self.state = PlannerState()
        self._store = _store(hass, entry_id)
        self._models = {model.version: model for model in models(settings.prices.published)}
        self._watch = ChargeWatch()
        self._busy = asyncio.Lock()
        self._cancel: list[CALLBACK_TYPE] = []
        self._stop_looking: CALLBACK_TYPE = lambda: None
        self._spoken = False
        self._listeners: list[Listener] = []
        self._event_listeners: list[EventListener] = []
        self._next: datetime | None = None
        self._last: datetime | None = None
        self._load_watch = LoadWatch()
        self._rests: frozenset[str] = frozenset()
        """Batteries that the schedules that were sent let rest at their reserve."""
        self._charge_trouble: str | None = None
        self._reason_since: tuple[str, datetime] | None = None
        self._reviewed: date | None = None
        self._reading = Reading(None, None, None, None)
        self._streets = StreetDesk(seams.clusters, seams.by_node)
        self.fleet = Fleet.of((), 0.0)
        self.answer: Answer | None = None
        """The plan that counts; None while the rule steers and nothing could be planned."""
        self.planned_at: datetime | None = None
        self.today: DayFigures | None = None
        self.last_review: Review | None = None
        self.refusals: dict[str, str] = {}
        """Why schedules were not taken, by node."""

    async def async_start(self) -> None:
        """Go on with what was saved, and begin to measure and to plan."""
        if (stored := await self._store.async_load()) is not None:
            self.state = PlannerState.from_stored(stored)
        now = dt_util.utcnow()
        self._cancel.append(async_track_time_interval(self._hass, self._tick, SAMPLE))
        self._sample(now)
        self._store.async_delay_save(self.state.as_stored, _SAVE_S)
        self._next = now + timedelta(seconds=30)  # by then the batteries have spoken
        self._stop_looking = async_track_time_interval(self._hass, self._look, FIRST_LOOK)
        self._tell()

    async def async_stop(self) -> None:
        """Stop and save."""
        while self._cancel:
            self._cancel.pop()()
        self._stop_looking()
        await self.idle()
        await self._store.async_save(self.state.as_stored())

    async def idle(self) -> None:
        """Wait until nothing is being computed or sent."""
        async with self._busy:
            pass

    @staticmethod
    async def async_forget(hass: HomeAssistant, entry_id: str) -> None:
        """Delete what was saved."""
        await _store(hass, entry_id).async_remove()

    @callback
    def on_change(self, listener: Listener) -> CALLBACK_TYPE:
        """Call `listener` when figures may have changed."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    @callback
    def on_event(self, listener: EventListener) -> CALLBACK_TYPE:
        """Call `listener` with what happened."""
        self._event_listeners.append(listener)
        return lambda: self._event_listeners.remove(listener)

    # ---- what people choose --------------------------------------------------------------------------------

    @property
    def reserve(self) -> float:
        """Chosen at the entity, or as set up; %."""
        return self.settings.reserve if self.state.reserve is None else self.state.reserve

    @property
    def off_grid(self) -> bool:
        """Whether the swarm is an island: targets of charge are told, and nothing is ever sent."""
        return self.settings.off_grid

    @property
    def automatic(self) -> bool:
        """Whether schedules are sent; chosen at the entity, or as set up."""
        return self.settings.automatic if self.state.automatic is None else self.state.automatic

    @property
    def strategy(self) -> str:
        """Chosen at the entity, or as set up."""
        return self.state.strategy if self.state.strategy in STRATEGIES else self.settings.strategy

    def raised(self, now: datetime) -> float | None:
        """Return the reserve of a storm that is still expected."""
        state = self.state
        if state.raised_to is None or state.raised_until is None or now.timestamp() >= state.raised_until:
            return None
        return state.raised_to

    def effective_reserve(self, now: datetime) -> Reserve:
        """Return the reserve that holds now."""
        raised = self.raised(now)
        if raised is None or raised <= self.reserve:
            return Reserve(self.reserve)
        return Reserve(raised, charge_to=True)

    @property
    def effective_reserve_now(self) -> float:
        """The reserve that holds now, %."""
        return self.effective_reserve(dt_util.utcnow()).percent

    async def choose(
        self, *, automatic: bool | None = None, reserve: float | None = None, strategy: str | None = None
    ) -> None:
        """Keep what was chosen at an entity, and plan with it."""
        state = self.state
        if automatic is not None:
            state.automatic = automatic
        if reserve is not None:
            state.reserve = reserve
        if strategy is not None:
            state.strategy = strategy
        self._save()
        if automatic is False and state.sent:
            await self._withdraw()
        await self.replan()

    async def raise_reserve(self, percent: float, until: datetime) -> None:
        """Keep more until a time; until then also taken from the grid."""
        self.state.raised_to, self.state.raised_until = percent, until.timestamp()
        self._save()
        await self.replan()

    # ---- figures -------------------------------------------------------------------------------------------

    @property
    def currency(self) -> str:
        """In which all money is."""
        return self._hass.config.currency

    @property
    def plan(self) -> Plan | None:
        """The plan that counts."""
        return self.answer.plan if self.answer is not None else None

    @property
    def model(self) -> Model:
        """The version in use."""
        return self._models.get(self.state.model) or next(iter(self._models.values()))

    @property
    def price_now(self) -> float | None:
        """What a kWh from the grid costs now; None without a grid."""
        return None if self.off_grid else self.prices.price_at(dt_util.utcnow())

    @property
    def energy_worth(self) -> float | None:
        """What one more stored kWh is worth now; of a plan for money only."""
        if (found := self.answer) is None or not found.follows_curve or not found.plan.steps:
            return None
        worth = found.plan.curves[min(1, found.plan.steps)].worth(found.plan.stored_kwh[0])
        return worth if math.isfinite(worth) else None

    @property
    def saving_today(self) -> float | None:
        """Against the rule, so far."""
        return None if self.today is None else self.today.saving

    @property
    def saving_total(self) -> float:
        """Against the rule, since the planner was set up."""
        return self.state.saving_total + (self.saving_today or 0.0)

    def step_at(self, now: datetime) -> int | None:
        """Return the step of the plan that an instant lies in."""
        return None if self.answer is None else step_at(self.answer, now)

    def action_at(self, step: int) -> str:
        """Return what the battery does in a step."""
        assert self.answer is not None
        return action_at(self.answer, step)

    @property
    def action_now(self) -> str | None:
        """What the battery does by the plan at the moment."""
        return None if (step := self.step_at(dt_util.utcnow())) is None else self.action_at(step)

    @property
    def next_action(self) -> tuple[str, datetime] | None:
        """What it does after that, and from when on; None when nothing else is planned."""
        if (step := self.step_at(dt_util.utcnow())) is None or (found := self.answer) is None:
            return None
        return next_action(found, step)

    def reason(self, when: datetime | None = None) -> str | None:
        """Return why the battery does what it does, now or at a time of the plan, in one sentence."""
        now = dt_util.utcnow()
        if (found := self.answer) is None or (step := self.step_at(when or now)) is None:
            return None
        return reason(found, self._battery(now), self.zone, step, self.currency)

    def rows(self) -> list[dict[str, Any]]:
        """Return the plan by the hour, as people read it."""
        found = self.answer
        return [] if found is None else rows(found, self._battery(dt_util.utcnow()), self.zone)

    def target(self, *, dusk: bool) -> dict[str, Any] | None:
        """Return how full the batteries of an island should be at the next dusk or dawn; None with a grid."""
        battery = self._battery(dt_util.utcnow())
        return target(self.answer, self.fleet, battery, self.zone, dusk=dusk)

    @property
    def flexible_advice(self) -> str | None:
        """What the load that can be shifted shall do now; None where nothing is planned for it."""
        if (found := self.answer) is None or (step := self.step_at(dt_util.utcnow())) is None:
            return None
        return advice_at(found, step)

    def flexible_plan(self) -> dict[str, Any]:
        """Return when the load that can be shifted shall run, and what that saves."""
        if (found := self.answer) is None or found.shift is None:
            return {}
        return {
            "plan": shift_rows(found, self.zone),
            "saving": round(found.shift.saving, 4),
            "ahead_kwh": round(self.state.ahead_kwh, 2),
        }

    @property
    def remarks(self) -> list[str]:
        """What had to be made do with in the plan."""
        return [] if self.answer is None else [*self.answer.plan.remarks, *self.answer.remarks]

    def rolling(self, days: int = REPLAY_DAYS) -> dict[str, float | None]:
        """Return the figures of the last days, as far as they are there."""
        return rolling(self.state, days, dt_util.utcnow().astimezone(self.zone).date())

    def report(self, days: int = 7) -> dict[str, Any]:
        """Return what a weekly report says."""
        return {
            **report(self.state, days, self.rolling(days)),
            "currency": self.currency,
            "saving_total": round(self.saving_total, 2),
            "model": self.model.version,
        }

    async def compare(self, days: int) -> tuple[float, list[Comparison]]:
        """Replay all policies on the measured days; returns how many days there were."""
        now = plan_start(dt_util.utcnow())
        # The hours before those that are billed are what the forecasts learn from.
        past = self.state.ledger.history(now - PAST, now, self.zone, self.state.said)
        if past is None:
            return 0.0, []
        kept = min(len(past.history), (days + 28) * HOURS)
        history = past.history.part(len(past.history) - kept, kept)
        rows = await self._hass.async_add_executor_job(
            compared,
            history,
            self._battery(now),
            self.settings.prices.published,
            self.settings.prices.demand_charge,
            days,
        )
        return min(float(days), history.days), rows

    # ---- measuring -----------------------------------------------------------------------------------------

    async def _look(self, now: datetime) -> None:
        """Make the first plan soon after the first battery has spoken: somebody may wait for it."""
        if self._last is not None:
            self._stop_looking()
        elif not self._busy.locked():
            self._sample(now)
            known = self.fleet.trouble() is None and self._load_watch.trouble(now) is None
            if known and self._spoken:
                await self.replan()
            self._spoken = known

    async def _tick(self, now: datetime) -> None:
        """Measure, and plan when it is time."""
        self._sample(now)
        self._remind(now)
        if now.minute % 15 == 0:
            self._tell()  # the price and what is done may be others now
        if self._busy.locked():
            return
        if self._due(now):
            await self.replan()
        await self._close_day(now)

    @callback
    def _sample(self, now: datetime) -> None:
        load, solar = self._seams.meters()
        batteries = self._seams.batteries()
        for battery in batteries:
            if (size := battery.capacity_kwh) is not None:
                self.state.capacities[battery.node_id] = round(size, 3)
        self.fleet = Fleet.of(batteries, self.settings.capacity_kwh, self.state.capacities)
        self._charge_trouble = None if self.off_grid else self._watch.look(now, self.fleet)
        flexible = self._seams.flexible()
        self._reading = Reading(load, solar, self.fleet.power_kw, self.fleet.charge_percent, flexible)
        self.state.ledger.take(now, self._reading, *self.prices.of_hour(plan_start(now)))
        if load is not None:
            self._load_watch.take(now, load)
            month = f"{now.astimezone(self.zone):%Y-%m}"
            if month != self.state.month:
                self.state.month, self.state.peak_kw = month, 0.0
            grid = load - (solar or 0.0) - (self.fleet.power_kw or 0.0)
            self.state.peak_kw = max(self.state.peak_kw, grid)

    def _guard(self, now: datetime) -> str | None:
        """Return why a plan is not to be trusted now."""
        if (trouble := self.fleet.trouble() or self._charge_trouble) is not None:
            return trouble
        if self.prices.trouble is not None:
            return self.prices.trouble
        if (trouble := self._load_watch.trouble(now)) is not None:
            return trouble
        return TOO_DEAR if self.state.too_dear and self.strategy == SAVE_MONEY else None

    def _due(self, now: datetime) -> bool:
        if self._next is None or now >= self._next:
            return True
        if self._last is not None and now - self._last < AGAIN:
            return False
        if self._guard(now) != self.state.fallback or self._off_plan(now):
            return True
        if not self.state.sent or not self.automatic:
            return False
        found = self.answer if self.state.fallback is None else None
        return self._dispatch(now).resting(found) != self._rests

    def _off_plan(self, now: datetime) -> bool:
        """Whether the charge is elsewhere than planned."""
        if (found := self.answer) is None or (charge := self.fleet.charge_percent) is None:
            return False
        if (step := self.step_at(now)) is None or self.planned_at is None:
            return True
        battery = self._battery(now)
        begin = max(self.planned_at, found.start + timedelta(hours=step))
        end = found.start + timedelta(hours=step + 1)
        share = min(max((now - begin) / (end - begin), 0.0), 1.0) if end > begin else 1.0
        before, after = found.plan.stored_kwh[step], found.plan.stored_kwh[step + 1]
        stored = battery.capacity_kwh * charge / 100.0 - battery.floor_kwh
        return abs(stored - before - share * (after - before)) > OFF_PLAN_SHARE * battery.capacity_kwh

    # ---- planning ------------------------------------------------------------------------------------------

    def _battery(self, now: datetime) -> Battery:
        return self.fleet.battery(self.effective_reserve(now).percent, self.settings.wear)

    def _yields(self) -> Mapping[int, float]:
        """Return the measured solar yields, kWh by the number of the hour."""
        return self.state.ledger.solar()

    async def replan(self) -> None:
        """Plan now, tell everybody, and send the schedules when planning is automatic."""
        async with self._busy:
            now = dt_util.utcnow()
            first = self._last is None
            self._last, self._next = now, _grid_after(now, self.settings.interval)
            await self.prices.refresh(now)
            if first:
                self.state.ledger.fill(await self._seams.past(now - PAST, now), self.prices.of_hour)
            await self.solar.refresh(now, self.state.said)
            self._sample(now)
            reason = self._guard(now)
            self._note(reason, now)
            if (load := self.settings.flexible) is not None:
                found = self.answer
                usual = (
                    {}
                    if found is None or found.shift is None
                    else dict(enumerate(found.shift.usual_kwh, _hour(found.start)))
                )
                self.state.count_shift(_hour(now), usual, load.ahead_kwh, load.behind_kwh)
            await self._think(now)
            if self.off_grid:
                if self.state.sent:  # there was a grid before: what the batteries still hold is over
                    await self._withdraw()
            elif self.automatic:
                await self._send(now, reason)
            self._tell()

    async def _think(self, now: datetime) -> None:
        """Make the plan, and judge today."""
        charge = self.fleet.charge_percent
        if charge is None or self.fleet.capacity_kwh <= 0.0:
            self.answer = None
            return
        battery = self._battery(now)
        measured = self.state.ledger.measured(now)
        question = Question(
            now=now,
            zone=self.zone,
            starts=measured.starts,
            load_kwh=measured.load,
            solar_kwh=measured.solar,
            tariff=self.prices.tariff,
            battery=battery,
            stored_kwh=battery.stored_kwh(charge),
            strategy=self.strategy,
            model=self.model,
            peak_kw=self.state.peak_kw,
            present_load_kw=max(self._reading.load or 0.0, 0.0),
            solar_members=self.solar.members(now, self.state.said),
            shiftable=self._shiftable(measured.flexible),
            off_grid=self.off_grid,
            street=await self._street(now, battery),
        )
        self.answer = await self._hass.async_add_executor_job(answer, question)
        if self.answer.street is not None:
            self.state.keep_line_prices(_hour(self.answer.start), self.answer.street.line_prices)
        self.planned_at = now
        hour = plan_start(now)
        midnight = _midnight(now.astimezone(self.zone).date(), self.zone)
        hours = round((hour - midnight) / timedelta(hours=1))
        past = self.state.ledger.history(midnight - timedelta(days=1), hour, self.zone) if hours > 0 else None
        self.today = None
        if past is not None and len(past.history) >= hours:
            self.today = await self._hass.async_add_executor_job(
                partial(judge_day, past, hours, self._yardstick(), forecast=False)
            )

    async def _street(self, now: datetime, like: Battery) -> Street | None:
        """Return the houses and their batteries, where lines between them count."""
        settings = self.settings
        if not settings.by_house:
            return None
        batteries = {}
        for member, size in zip(self.fleet.members, self.fleet.capacities_kwh, strict=True):
            own = battery_of(member.capability, size, like)
            batteries[member.node_id] = own, own.stored_kwh(member.charge_percent or 0.0)
        return await self._streets.look(now, batteries, settings.tie_kw, settings.tie_loss)

    def _shiftable(self, measured_kwh: Sequence[float]) -> Shiftable | None:
        if (load := self.settings.flexible) is None:
            return None
        return Shiftable(measured_kwh, load.most_kw, load.ahead_kwh, load.behind_kwh, self.state.ahead_kwh)

    async def _send(self, now: datetime, reason: str | None) -> None:
        """Send the schedules: of the plan, or of the rule when there is a reason."""
        dispatch = self._dispatch(now)
        found = self.answer if reason is None else None
        self._rests = dispatch.resting(found)
        if not self.fleet.members:
            return
        schedules = dispatch.rule() if found is None else dispatch.planned(found)
        for member in self.fleet.members:
            try:
                await member.publish(schedules[member.node_id])
            except HomeAssistantError as error:
                if self.refusals.get(member.node_id) != str(error):
                    self.refusals[member.node_id] = str(error)
                    _LOGGER.warning("the schedule for %s was not sent: %s", member.node_id, error)
                    self._happen(Happened.REFUSED, {"node": member.node_id, "reason": str(error)})
            else:
                self.state.sent = True
                self.refusals.pop(member.node_id, None)

    def _dispatch(self, now: datetime) -> Dispatch:
        net = (self._reading.load or 0.0) - (self._reading.solar or 0.0)
        return Dispatch(
            self.fleet,
            self._battery(now),
            self.effective_reserve(now),
            now,
            until=self._next or now,
            taking=net > 0.0,
        )

    async def _withdraw(self) -> None:
        self.state.sent = False
        for member in self.fleet.members:
            try:
                await member.cancel()
            except HomeAssistantError as error:
                _LOGGER.warning("the schedule of %s was not withdrawn: %s", member.node_id, error)

    @callback
    def _note(self, reason: str | None, now: datetime) -> None:
        """Tell when the rule takes over and when the plan is back."""
        before, self.state.fallback = self.state.fallback, reason
        if reason != before:
            if reason is None:
                _LOGGER.info("the plan steers again; the rule did because of %s", before)
                self._happen(Happened.RECOVERED, {"reason": before})
            else:
                _LOGGER.warning("the self-consumption rule steers instead of the plan: %s", reason)
                self._happen(Happened.FALLBACK, {"reason": reason})
            self._save()
        self._remind(now)

    @callback
    def _remind(self, now: datetime) -> None:
        """Make a repair issue of a reason that lasts."""
        reason = self.state.fallback
        if reason is None or reason not in TOLD_LATE:
            self._reason_since = None
            self._seams.trouble(None)
        elif self._reason_since is None or self._reason_since[0] != reason:
            self._reason_since = reason, now
        elif now - self._reason_since[1] >= LASTING:
            self._seams.trouble(reason)

    # ---- the days that are over ----------------------------------------------------------------------------

    async def _close_day(self, now: datetime) -> None:
        """Judge yesterday and all models, once, a few minutes after midnight."""
        today = now.astimezone(self.zone).date()
        yesterday = today - timedelta(days=1)
        if self._reviewed == today or now - _midnight(today, self.zone) < AGAIN:
            return
        self._reviewed = today
        if yesterday.isoformat() in self.state.days:
            return
        begin, end = _midnight(yesterday, self.zone), _midnight(today, self.zone)
        # Hours that nobody heard live have come with the logs meanwhile.
        self.state.ledger.fill(await self._seams.past(begin, end), self.prices.of_hour)
        past = self.state.ledger.history(end - PAST, end, self.zone, self.state.said)
        hours = round((end - begin) / timedelta(hours=1))
        if past is None or self.fleet.capacity_kwh <= 0.0 or not measured(self.state, begin, hours):
            return
        async with self._busy:
            found = await self._hass.async_add_executor_job(
                review,
                past,
                hours,
                self._yardstick(),
                tuple(self._models.values()),
            )
        self.last_review = found
        self.state.solar_errors = dict(found.solar_errors)
        if found.figures is not None:
            self.state.add_day(yesterday, found.figures)
        self._judge(found, yesterday)
        self.today = None
        if today.weekday() == 0 and self.state.reported != today.isoformat():
            self.state.reported = today.isoformat()
            self._happen(Happened.REPORT, self.report())
        self._save()
        self._tell()

    @callback
    def _judge(self, found: Review, day: date) -> None:
        """Decide by money whether the plan may go on, and whether another version does it better."""
        if (change := judge(self.state, self.model.version, found, day)) is not None:
            self._happen(Happened.MODEL, change)

    def _yardstick(self) -> Battery:
        """Return the battery that days are judged with: the reserve of a storm is no fault of the plan."""
        return self.fleet.battery(self.reserve, self.settings.wear)

    # ---- telling -------------------------------------------------------------------------------------------

    @callback
    def _happen(self, kind: str, values: dict[str, Any]) -> None:
        for listener in tuple(self._event_listeners):
            listener(kind, values)

    @callback
    def _tell(self) -> None:
        for listener in tuple(self._listeners):
            listener()

    @callback
    def _save(self) -> None:
        self._store.async_delay_save(self.state.as_stored, 1.0)


def _grid_after(now: datetime, interval: timedelta) -> datetime:
    """Return the next time on the grid of an interval, so that plans begin where half hours do."""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + interval * (math.floor((now - midnight) / interval) + 1)


def _hour(when: datetime) -> int:
    return int(when.timestamp() // 3600)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _store(hass: HomeAssistant, entry_id: str) -> Store[dict[str, Any]]:
    return Store(hass, STORAGE_VERSION, f"{DOMAIN}.{entry_id}.planner")
