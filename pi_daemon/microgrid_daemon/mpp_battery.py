"""The battery at an MPP inverter, with what PI30 can really do.

charge     the largest step of the grid's charging current that does not exceed the power, while the grid
           feeds the load: who lives on the battery does not charge it from the grid. The sun comes on top.
discharge  the battery feeds the load first (SBU); it follows the load, its power cannot be set.
idle       everything as it was found.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from microgrid_core.contract.messages import Scalar, ScheduleCapability, ScheduleMode
from microgrid_core.contract.schedule import Instruction

from .battery import Achieved
from .collector import Collector
from .config import BatteryConfig
from .inverter import Inverter, Outcome
from .originals import StoredKeeper
from .pi30.forms import Values
from .pi30.settings import SETTINGS, Change, Purpose, RefusalReason, SettingValue
from .schedule.limits import Measured
from .store import Store

GRID_CURRENT: Final = "max_ac_charging_current"
_END_OF_CHARGE: Final = "battery_bulk_voltage"
_CONNECTED = 0
"""What QBMS says when the battery management is there."""

Wanted = Mapping[str, SettingValue]


class MppBattery:
    """Drives a battery through the settings of its inverter."""

    continuous = False
    has_temperature = False

    def __init__(
        self,
        config: BatteryConfig,
        collector: Collector,
        store: Store,
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`collector` knows the inverter and its newest readings."""
        self._config = config
        self._collector = collector
        self._keeper = StoredKeeper(store)
        self._now_s = now_s
        self._doing: ScheduleMode | None = None
        """What the inverter is set to as a whole; None when it is not, or nobody knows."""

    @property
    def capability(self) -> ScheduleCapability:
        """Return what can be asked: the greatest powers are what the installer declared."""
        limits = self._config.limits
        return ScheduleCapability(
            (ScheduleMode.IDLE, ScheduleMode.DISCHARGE, ScheduleMode.CHARGE),
            limits.max_charge_w,
            limits.max_discharge_w,
        )

    # ----------------------------------------------------------------------------------------------- reading

    def read(self) -> Measured:
        """Return the readings of the last round that can be true."""
        status, inverter = self._collector.status, self._collector.inverter
        if status is None or inverter is None:
            return Measured(age_s=float("inf"), trouble="the inverter does not answer")
        return Measured(
            power_w=_power_w(status.values),
            soc_percent=self._soc_percent(inverter, status.values),
            age_s=self._now_s() - status.at_s,
            trouble=_trouble(inverter),
        )

    def _soc_percent(self, inverter: Inverter, status: Values) -> float | None:
        """Return what the battery management tells, else where its voltage lies in its span.

        Never the inverter's own estimate: it shows 82 … 95 % with a battery at 12 %.
        """
        told = _told_by_management(self._collector.fresh(inverter).get("QBMS", {}))
        if told is not None:
            return told
        voltage_v = _number(status, "battery_voltage")
        empty_v, full_v = self._config.empty_v, self._config.full_v
        if voltage_v is None or empty_v is None or full_v is None:
            return None
        return min(100.0, max(0.0, 100.0 * (voltage_v - empty_v) / (full_v - empty_v)))

    def values(self) -> dict[str, Scalar | None]:
        """Return what is measured; the state of charge only when a battery management tells it."""
        status, inverter = self._collector.status, self._collector.inverter
        if status is None or inverter is None:
            return {}
        values: dict[str, Scalar | None] = {"voltage": _number(status.values, "battery_voltage")}
        if (current_a := _current_a(status.values)) is not None:
            values["current"] = current_a
            values["power"] = _power_w(status.values)
            values["charging"] = current_a < 0.0
        told = _told_by_management(self._collector.fresh(inverter).get("QBMS", {}))
        if told is not None:
            values["state_of_charge"] = told
        return values

    # ------------------------------------------------------------------------------------------------- doing

    async def apply(self, instruction: Instruction) -> Achieved:
        """Write what differs, each setting with its proof; what this mode does not need goes back."""
        inverter = self._collector.inverter
        if inverter is None or self._collector.status is None:
            return Achieved("the inverter does not answer")
        if instruction.mode is ScheduleMode.IDLE:
            return await self.release()
        if inverter.known.number("QPIRI", _END_OF_CHARGE) is None:
            await inverter.ask("QPIRI")  # it was lost, and is asked for again only in ten minutes
        wanted = self._wanted(instruction, inverter)
        if isinstance(wanted, Achieved):
            await self.release()
            return wanted
        originals = self._keeper.originals(inverter.identity.serial_number)
        changes = [
            (Change(key, value), Purpose.RESTORE)
            for key, value in originals.items()
            if key not in wanted and key in SETTINGS  # else another release will bring it back
        ]
        changes += [(Change(key, value), Purpose.SCHEDULE) for key, value in wanted.items()]
        for change, purpose in changes:
            outcome = await inverter.change(change, purpose)
            if outcome.refusal is RefusalReason.TOO_SOON and self._doing is instruction.mode:
                # Going back would be one more write: what is there waits for the rest.
                return Achieved(_why(outcome))
            if not outcome.good:
                # Half a plan is none: what was written for it goes back, and what another plan has left: the
                # limits are judged for what is planned now.
                back = await self.release()
                return Achieved("; ".join(filter(None, (_why(outcome), back.trouble))))
        self._doing = instruction.mode
        return Achieved(detail=", ".join(f"{key} = {value}" for key, value in wanted.items()))

    def _wanted(self, instruction: Instruction, inverter: Inverter) -> Wanted | Achieved:
        if instruction.mode is ScheduleMode.DISCHARGE:
            return {"output_source_priority": "sbu"}
        if instruction.mode is not ScheduleMode.CHARGE:
            return Achieved(f"{instruction.mode} is nothing that this inverter can be told")
        rate_w = instruction.rate_w if instruction.rate_w is not None else self._config.limits.max_charge_w
        step_a = self._charging_step_a(inverter, rate_w)
        if isinstance(step_a, Achieved):
            return step_a
        # The current first: charging must not begin with what was set before.
        return {
            GRID_CURRENT: step_a,
            "charger_source_priority": "solar_and_utility",
            "output_source_priority": "utility",
        }

    def _charging_step_a(self, inverter: Inverter, rate_w: float) -> int | Achieved:
        """Return the largest step with which the power is never exceeded, up to the end of the charge."""
        status = self._collector.status
        voltages_v = (
            None if status is None else _number(status.values, "battery_voltage"),
            inverter.known.number("QPIRI", _END_OF_CHARGE),
        )
        known_v = [voltage_v for voltage_v in voltages_v if voltage_v is not None and voltage_v > 0.0]
        if len(known_v) < len(voltages_v):
            return Achieved("the voltage of the battery is not known")
        listed = inverter.known.replies.get("QMUCHGCR", {}).get("values")
        steps_a = [step for step in listed if isinstance(step, int)] if isinstance(listed, list) else []
        profile = inverter.identity.profile
        limit_a = 0 if profile is None else profile.grid_current_limit_a
        fitting_a = [step for step in steps_a if 0 < step <= limit_a and step * max(known_v) <= rate_w]
        if not fitting_a:
            least = f", the least is {min(steps_a) * max(known_v):.0f} W" if steps_a else ""
            return Achieved(f"no step of the charging current fits {rate_w:g} W{least}")
        return max(fitting_a)

    async def release(self) -> Achieved:
        """Bring back what was found, but for what somebody else has set meanwhile: that stays."""
        self._doing = None
        inverter = self._collector.inverter
        if inverter is None:
            return Achieved("the inverter does not answer: what was changed is restored when it is back")
        for key in inverter.foreign_changes():
            self._keeper.forget(inverter.identity.serial_number, key)
        failed = [outcome for outcome in await inverter.restore() if not outcome.good]
        if failed:
            return Achieved("not restored: " + "; ".join(_why(outcome) for outcome in failed))
        return Achieved(detail="everything as it was found")


def _why(outcome: Outcome) -> str:
    return outcome.detail or f"{outcome.change.key}: {outcome.status}"


def _trouble(inverter: Inverter) -> str | None:
    """Why the inverter must be left alone."""
    if inverter.stopped:
        return "two writes in a row failed; send resume_writing when the inverter is in order"
    if foreign := inverter.foreign_changes():
        changed = ", ".join(f"{key} = {value}" for key, value in foreign.items())
        return f"somebody else has set {changed}; send resume_writing to have schedules executed again"
    if inverter.known.replies.get("QMOD", {}).get("mode_name") == "fault":
        return "the inverter is in fault mode"
    return None


def _number(values: Values, name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None


def _current_a(status: Values) -> float | None:
    """Positive while the battery is being discharged."""
    discharge_a = _number(status, "battery_discharge_current")
    charge_a = _number(status, "battery_charging_current")
    return None if discharge_a is None or charge_a is None else discharge_a - charge_a


def _power_w(status: Values) -> float | None:
    current_a, voltage_v = _current_a(status), _number(status, "battery_voltage")
    return None if current_a is None or voltage_v is None else current_a * voltage_v


def _told_by_management(management: Values) -> float | None:
    told = _number(management, "soc_percent")
    connected = _number(management, "connect_status") == _CONNECTED
    return told if connected and told is not None and 0.0 <= told <= 100.0 else None
