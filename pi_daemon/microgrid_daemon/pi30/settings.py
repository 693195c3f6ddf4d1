"""Settings of an inverter that may be changed: what is possible, allowed and due; nothing here touches one.

Off by default: a setting is changed only when somebody enabled it by name and the profile of the model has
it. PI30 has no timer after which a device returns to its own settings, so what was found is kept first, and
what must be sent to return is data (`to_restore`).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Protocol, TypeAlias, TypeGuard

from microgrid_core.contract.messages import (
    SETTER,
    SETTER_PARAMETER,
    CommandCapability,
    Parameter,
    ParameterType,
)

from . import setters
from .forms import Values
from .models import Profile, Range
from .table import FLAGS

SettingValue: TypeAlias = str | bool | int | float


class Purpose(StrEnum):
    """Who wants a change."""

    OPERATOR = "operator"
    SCHEDULE = "schedule"
    RESTORE = "restore"
    """Return to what was found: needs no permission and is never too soon."""


class RefusalReason(StrEnum):
    """Why a change is not made."""

    UNKNOWN_MODEL = "unknown_model"
    NOT_OFFERED = "not_offered"
    NOT_ENABLED = "not_enabled"
    NOT_BY_SCHEDULE = "not_by_schedule"
    BAD_VALUE = "bad_value"
    NOT_KNOWN_YET = "not_known_yet"
    NOT_RESTORABLE = "not_restorable"
    TOO_SOON = "too_soon"
    TOO_MANY = "too_many"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True)
class Refusal:
    """A change that is not made."""

    reason: RefusalReason
    detail: str

    def __str__(self) -> str:
        """Return the line for the log."""
        return f"{self.detail} ({self.reason})"


@dataclass(frozen=True, slots=True)
class Change:
    """One setting and the value it shall have."""

    key: str
    value: SettingValue


@dataclass(frozen=True, slots=True)
class Known:
    """What a unit told of itself: its profile, and the newest values by command."""

    profile: Profile | None
    replies: Mapping[str, Values] = field(default_factory=dict)
    parallel_number: int = 0

    def number(self, command: str, name: str) -> float | None:
        """Return a number of a reply."""
        value = self.replies.get(command, {}).get(name)
        return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else None

    @property
    def nominal_v(self) -> int | None:
        """Voltage class of the battery: 12, 24 or 48."""
        value = self.number("QPIRI", "battery_rating_voltage")
        return round(value) if value is not None else None


# ---------------------------------------------------------------------------------------- kinds of settings


class Kind(Protocol):
    """How a setting is read back, checked and written."""

    @property
    def query(self) -> str:
        """The command that reads it back."""

    def read(self, values: Values, profile: Profile | None) -> SettingValue | None:
        """Return its value from the reply."""

    def check(self, value: SettingValue, known: Known) -> str | None:
        """Return what is wrong with a value, None when nothing is."""

    def command(self, value: SettingValue, known: Known) -> str | None:
        """Return the text that sets it; None when the value has no form."""

    def parameter(self, known: Known) -> Parameter | None:
        """Return what a command for it takes; None while nobody knows, and for what is no command."""


def _is_number(value: object) -> TypeGuard[int | float]:
    """Tell whether a value can be calculated with; nothing that is set is greater than a million."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) < 1e6


def _number(low: float, high: float, unit: str | None, step: float | None) -> Parameter:
    return Parameter(SETTER_PARAMETER, ParameterType.NUMBER, low, high, (), unit, step)


@dataclass(frozen=True, slots=True)
class Choice:
    """A name for a code of QPIRI."""

    place: str
    prefix: str
    names: Callable[[Profile], Mapping[int, str]]
    query: str = "QPIRI"

    def read(self, values: Values, profile: Profile | None) -> SettingValue | None:
        """Name the code; without a name for it the number itself, so that it can be restored."""
        code = values.get(self.place)
        if not isinstance(code, int) or profile is None:
            return None
        return self.names(profile).get(code, code)

    def check(self, value: SettingValue, known: Known) -> str | None:
        """Must be one of the names."""
        names = self.names(known.profile).values() if known.profile is not None else ()
        return None if value in names and isinstance(value, str) else f"must be one of {', '.join(names)}"

    def command(self, value: SettingValue, known: Known) -> str | None:
        """Write the code of the name."""
        if known.profile is None or isinstance(value, bool):
            return None
        codes = {name: code for code, name in self.names(known.profile).items()}
        code = value if isinstance(value, int) else codes.get(str(value))
        return None if code is None else f"{self.prefix}{code:02d}"

    def parameter(self, known: Known) -> Parameter | None:
        """One of the names."""
        names = tuple(self.names(known.profile).values()) if known.profile is not None else ()
        return Parameter(SETTER_PARAMETER, ParameterType.CHOICE, options=names) if names else None


@dataclass(frozen=True, slots=True)
class Switch:
    """A letter of QFLAG."""

    letter: str
    query: str = "QFLAG"

    def read(self, values: Values, profile: Profile | None) -> SettingValue | None:
        """Look where the letter stands."""
        name = FLAGS[self.letter]
        for key, state in (("enabled", True), ("disabled", False)):
            names = values.get(key)
            if isinstance(names, list) and name in names:
                return state
        return None

    def check(self, value: SettingValue, known: Known) -> str | None:
        """Must be on or off."""
        return None if isinstance(value, bool) else "must be on or off"

    def command(self, value: SettingValue, known: Known) -> str | None:
        """Enable or disable."""
        return f"P{'E' if value else 'D'}{self.letter}"

    def parameter(self, known: Known) -> Parameter | None:
        """On or off."""
        return Parameter(SETTER_PARAMETER, ParameterType.BOOLEAN)


@dataclass(frozen=True, slots=True)
class OnOff:
    """A number of a reply that is 1 for on and 0 for off."""

    place: str
    prefix: str
    query: str

    def read(self, values: Values, profile: Profile | None) -> SettingValue | None:
        """Read the number."""
        return {0: False, 1: True}.get(value) if isinstance(value := values.get(self.place), int) else None

    def check(self, value: SettingValue, known: Known) -> str | None:
        """Must be on or off."""
        return None if isinstance(value, bool) else "must be on or off"

    def command(self, value: SettingValue, known: Known) -> str | None:
        """Write the number."""
        return f"{self.prefix}{value:d}" if isinstance(value, bool) else None

    def parameter(self, known: Known) -> Parameter | None:
        """On or off."""
        return Parameter(SETTER_PARAMETER, ParameterType.BOOLEAN)


@dataclass(frozen=True, slots=True)
class Voltage:
    """A voltage with one decimal, in the range of the model and of its battery."""

    place: str
    prefix: str
    default: str = ""
    """Its name in QDI."""
    query: str = "QPIRI"
    zero_means_full: bool = False

    def read(self, values: Values, profile: Profile | None) -> SettingValue | None:
        """Read the number."""
        value = values.get(self.place)
        return float(value) if isinstance(value, (int, float)) else None

    def check(self, value: SettingValue, known: Known) -> str | None:
        """Must be in the range that the documents state."""
        if not _is_number(value):
            return "must be a number of volts"
        if self.zero_means_full and value == 0:
            return None
        allowed = self._range(known)
        if allowed is None:
            return f"no range is documented for this model at {known.nominal_v} V"
        return None if allowed.holds(value) else f"must be {allowed} V"

    def _range(self, known: Known) -> Range | None:
        if known.profile is None or (nominal_v := known.nominal_v) is None:
            return None
        if (margin := known.profile.around_default_v) is not None:
            default = known.number("QDI", self.default)
            return None if default is None else Range(round(default - margin, 1), round(default + margin, 1))
        return known.profile.ranges.get(self.place, {}).get(nominal_v)

    def command(self, value: SettingValue, known: Known) -> str | None:
        """Write it with one decimal."""
        return (
            f"{self.prefix}{value:04.1f}" if not isinstance(value, (str, bool)) and 0 <= value < 100 else None
        )

    def parameter(self, known: Known) -> Parameter | None:
        """Declare the range, down to zero where that means a full battery."""
        allowed = self._range(known)
        if allowed is None:
            return None
        low, high = (min(allowed.only), max(allowed.only)) if allowed.only else (allowed.low, allowed.high)
        step = 0.1 if allowed.only else allowed.step
        return _number(0.0 if self.zero_means_full else low, high, "V", step)


@dataclass(frozen=True, slots=True)
class ChargingCurrent:
    """A charging current among those that the device lists."""

    place: str
    listed_by: str
    query: str = "QPIRI"

    def read(self, values: Values, profile: Profile | None) -> SettingValue | None:
        """Read the number."""
        value = values.get(self.place)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def check(self, value: SettingValue, known: Known) -> str | None:
        """Must be one of the list."""
        if not _is_number(value) or value != int(value):
            return "must be a whole number of amperes"
        listed = known.replies.get(self.listed_by, {}).get("values")
        if not isinstance(listed, list) or not listed:
            return f"the device has not told with {self.listed_by} which currents it takes"
        if int(value) not in listed:
            return f"must be one of {', '.join(str(one) for one in listed)} A"
        if self.place == "max_ac_charging_current" and known.profile is not None:
            limit_a = known.profile.grid_current_limit_a
            return f"must be at most {limit_a} A: the command has two digits" if value > limit_a else None
        return None

    def command(self, value: SettingValue, known: Known) -> str | None:
        """Write it as the family wants it."""
        form = known.profile.current_commands.get(self.place) if known.profile is not None else None
        if form is None or not _is_number(value):
            return None
        return form.format(m=known.parallel_number, value=int(value))

    def parameter(self, known: Known) -> Parameter | None:
        """Declare the ends of the list, and the steps when they are the same all along."""
        listed = known.replies.get(self.listed_by, {}).get("values")
        steps_a = [one for one in listed if isinstance(one, int)] if isinstance(listed, list) else []
        fitting_a = [one for one in steps_a if self.check(one, known) is None]
        if len(fitting_a) < 2:
            return None
        low_a, high_a = min(fitting_a), max(fitting_a)
        step_a = math.gcd(*(one - low_a for one in fitting_a))
        return _number(low_a, high_a, "A", step_a)


@dataclass(frozen=True, slots=True)
class Count:
    """A whole number within two ends, in steps."""

    place: str
    form: str
    query: str
    low: int
    high: int
    step: int = 1
    zero_means_off: bool = False
    unit: str | None = None

    def read(self, values: Values, profile: Profile | None) -> SettingValue | None:
        """Read the number."""
        value = values.get(self.place)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def check(self, value: SettingValue, known: Known) -> str | None:
        """Must be within the ends, in steps."""
        low, high = self._ends(known)
        if not _is_number(value):
            return "must be a number"
        if self.zero_means_off and value == 0:
            return None
        fits = value == int(value) and low <= value <= high and (int(value) - low) % self.step == 0
        return None if fits else f"must be {low} … {high} in steps of {self.step}"

    def _ends(self, known: Known) -> tuple[int, int]:
        if self.place == "max_discharging_current" and known.profile is not None:
            return known.profile.discharge_limits_a or (self.low, self.high)
        return self.low, self.high

    def command(self, value: SettingValue, known: Known) -> str | None:
        """Write it."""
        if not _is_number(value):
            return None
        return self.form.format(value=int(value))

    def parameter(self, known: Known) -> Parameter | None:
        """Declare the ends, down to zero where that means off."""
        low, high = self._ends(known)
        return _number(0 if self.zero_means_off else low, high, self.unit, self.step)


@dataclass(frozen=True, slots=True)
class Code:
    """A word of digits as it is."""

    place: str
    prefix: str
    query: str
    among: tuple[str, ...]

    def read(self, values: Values, profile: Profile | None) -> SettingValue | None:
        """Read the word."""
        value = values.get(self.place)
        return value if isinstance(value, str) else None

    def check(self, value: SettingValue, known: Known) -> str | None:
        """Must be one of the words."""
        return None if value in self.among else f"must be one of {', '.join(self.among)}"

    def command(self, value: SettingValue, known: Known) -> str | None:
        """Write the word."""
        return f"{self.prefix}{value}" if value in self.among else None

    def parameter(self, known: Known) -> Parameter | None:
        """Words of digits have no name: what they switch off is the business of schedules."""
        return None


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting."""

    key: str
    title: str
    kind: Kind
    by_schedule: bool = False
    """Whether a schedule may change it; thresholds that protect the battery are no tools of schedules."""


_INPUT_RANGES = {0: "appliance", 1: "ups"}

SETTINGS: Mapping[str, Setting] = MappingProxyType(
    {
        setting.key: setting
        for setting in (
            Setting(
                "output_source_priority",
                "what feeds the load first",
                Choice("output_source_priority", "POP", lambda profile: profile.output_priorities),
                by_schedule=True,
            ),
            Setting(
                "charger_source_priority",
                "what charges the battery first",
                Choice("charger_source_priority", "PCP", lambda profile: profile.charger_priorities),
                by_schedule=True,
            ),
            Setting(
                "input_voltage_range",
                "range of the input voltage",
                Choice("input_voltage_range", "PGR", lambda _: _INPUT_RANGES),
            ),
            Setting(
                "max_charging_current",
                "greatest charging current",
                ChargingCurrent("max_charging_current", "QMCHGCR"),
                by_schedule=True,
            ),
            Setting(
                "max_ac_charging_current",
                "greatest charging current from the grid",
                ChargingCurrent("max_ac_charging_current", "QMUCHGCR"),
                by_schedule=True,
            ),
            Setting(
                "max_discharging_current",
                "limit of the discharge current",
                Count("max_discharging_current", "PBATMAXDISC{value:03d}", "QPIRI", 30, 120, 1, True, "A"),
                by_schedule=True,
            ),
            Setting(
                "battery_control",
                "whether the battery may be charged and discharged",
                Code(
                    "battery_control",
                    "PBATCD",
                    "QBATCD",
                    ("000", "010", "011", "100", "101", "110", "111"),
                ),
                by_schedule=True,
            ),
            Setting(
                "battery_recharge_voltage",
                "voltage to return to the grid",
                Voltage("battery_recharge_voltage", "PBCV", "recharge_voltage"),
            ),
            Setting(
                "battery_redischarge_voltage",
                "voltage to return to the battery, 0 = when it is full",
                Voltage("battery_redischarge_voltage", "PBDV", "redischarge_voltage", zero_means_full=True),
            ),
            Setting(
                "battery_under_voltage",
                "cut-off voltage",
                Voltage("battery_under_voltage", "PSDV", "battery_under_voltage"),
            ),
            Setting(
                "battery_bulk_voltage",
                "bulk voltage",
                Voltage("battery_bulk_voltage", "PCVV", "bulk_voltage"),
            ),
            Setting(
                "battery_float_voltage",
                "float voltage",
                Voltage("battery_float_voltage", "PBFT", "float_voltage"),
            ),
            Setting(
                "max_charging_time_cv",
                "minutes at bulk voltage, 0 = the device decides",
                Count("max_charging_time_cv", "PCVT{value:03d}", "QPIRI", 0, 900, 5, unit="min"),
            ),
            Setting(
                "equalization_enabled",
                "equalization",
                OnOff("equalization_enabled", "PBEQE", "QBEQI"),
            ),
            Setting(
                "equalization_time_min",
                "minutes of an equalization",
                Count("equalization_time_min", "PBEQT{value:03d}", "QBEQI", 5, 900, 5, unit="min"),
            ),
            Setting(
                "equalization_period_d",
                "days between equalizations",
                Count("equalization_period_d", "PBEQP{value:03d}", "QBEQI", 0, 90, unit="d"),
            ),
            Setting(
                "equalization_voltage",
                "voltage of an equalization",
                Voltage("equalization_voltage", "PBEQV", query="QBEQI"),
            ),
            Setting(
                "equalization_over_time_min",
                "minutes after which an equalization is given up",
                Count("equalization_over_time_min", "PBEQOT{value:03d}", "QBEQI", 5, 900, 5, unit="min"),
            ),
            *(
                Setting(name, name.replace("_", " "), Switch(letter))
                for letter, name in FLAGS.items()
                if name != "solar_feed_to_grid"  # the grid operator's business
            ),
        )
    }
)

# Whoever swaps two of these discharges into the cut-off or never charges to the end.
_RISING = (
    ("battery_under_voltage", "battery_recharge_voltage"),
    ("battery_recharge_voltage", "battery_redischarge_voltage"),
    ("battery_float_voltage", "battery_bulk_voltage"),
)

# ------------------------------------------------------------------------------------------------ decisions


def value_of(key: str, known: Known) -> SettingValue | None:
    """Return what a setting was at the last look; None when nobody looked or the device does not tell."""
    kind = SETTINGS[key].kind
    return kind.read(known.replies.get(kind.query, {}), known.profile)


def offered(known: Known, enabled: Iterable[str]) -> tuple[Setting, ...]:
    """Return the settings that this unit has and somebody enabled."""
    wanted = frozenset(enabled)
    if known.profile is None:
        return ()
    return tuple(
        setting for key, setting in SETTINGS.items() if key in wanted and key in known.profile.settings
    )


def capability(setting: Setting, known: Known) -> CommandCapability | None:
    """Return how a setting is declared as a command; None while it could not be changed.

    The command is called `set_` and the key of the setting, which is that of the metric that reads it back.
    """
    if value_of(setting.key, known) is None or (parameter := setting.kind.parameter(known)) is None:
        return None
    return CommandCapability(f"{SETTER}{setting.key}", (parameter,))


def same(one: SettingValue | None, other: SettingValue | None) -> bool:
    """Tell whether two values are one for the device, which has a resolution of 0.1."""
    if _is_number(one) and _is_number(other):
        return abs(one - other) < 0.05
    return one == other


def plan(change: Change, known: Known, enabled: Iterable[str], purpose: Purpose) -> str | Refusal:
    """Return the command that makes a change, or why it is not made."""
    setting = SETTINGS.get(change.key)
    if setting is None:
        return Refusal(RefusalReason.NOT_OFFERED, f"{change.key}: there is no such setting")
    named = f"{change.key} = {change.value}"
    profile = known.profile
    if profile is None:
        return Refusal(
            RefusalReason.UNKNOWN_MODEL, f"{named}: the model is not known, so nothing is written to it"
        )
    if change.key not in profile.settings:
        return Refusal(RefusalReason.NOT_OFFERED, f"{named}: {profile.title} does not have it")
    if purpose is not Purpose.RESTORE:
        if change.key not in frozenset(enabled):
            return Refusal(
                RefusalReason.NOT_ENABLED,
                f"{named}: not enabled; add {change.key!r} to `writes` of this inverter",
            )
        if purpose is Purpose.SCHEDULE and not setting.by_schedule:
            return Refusal(RefusalReason.NOT_BY_SCHEDULE, f"{named}: schedules must not change it")
        before = value_of(change.key, known)
        if before is None:
            return Refusal(
                RefusalReason.NOT_KNOWN_YET,
                f"{named}: what it is now is not known ({setting.kind.query}), so it could not be restored",
            )
        way_back = setting.kind.command(before, known)
        if way_back is None or setters.forbidden(way_back) is not None:
            return Refusal(
                RefusalReason.NOT_RESTORABLE, f"{named}: what it is now, {before}, could not be restored"
            )
        if (wrong := setting.kind.check(change.value, known) or _out_of_order(change, known)) is not None:
            return Refusal(RefusalReason.BAD_VALUE, f"{named}: {wrong}")
    command = setting.kind.command(change.value, known)
    if command is None:
        return Refusal(RefusalReason.BAD_VALUE, f"{named}: {profile.title} has no command for it")
    # The last gate: whatever a table says, some commands are never sent.
    why = setters.forbidden(command)
    return command if why is None else Refusal(RefusalReason.NOT_OFFERED, f"{named}: {why}")


def _out_of_order(change: Change, known: Known) -> str | None:
    """Compare with the thresholds below and above."""
    for lower, upper in _RISING:
        if change.key not in (lower, upper) or not isinstance(change.value, (int, float)):
            continue
        other_key = upper if change.key == lower else lower
        other = value_of(other_key, known)
        if not isinstance(other, (int, float)) or 0 in (other, change.value):  # 0 = when it is full
            continue
        low, high = (change.value, other) if change.key == lower else (other, change.value)
        if low > high:
            return f"must be {'at most' if change.key == lower else 'at least'} {other_key} ({other:g} V)"
    return None


def to_restore(originals: Mapping[str, SettingValue], known: Known) -> Sequence[Change]:
    """Return what must be sent to bring back what was found, the last thing changed first."""
    return [
        Change(key, original)
        for key, original in reversed(list(originals.items()))
        if not same(value_of(key, known), original)
    ]


class RestoreKeeper(Protocol):
    """Where the values that were found are kept until they are back; must outlive a crash to be of use."""

    def originals(self, serial_number: str) -> Mapping[str, SettingValue]:
        """Return what was found and is not back yet, in the order in which it was changed."""

    def written(self, serial_number: str) -> Mapping[str, SettingValue]:
        """Return what was written over the originals, where somebody said so."""

    def before(self, serial_number: str) -> Mapping[str, SettingValue]:
        """Return what stood there when that was written: after a crash it may still stand there."""

    def remember(
        self, serial_number: str, key: str, original: SettingValue, written: SettingValue | None = None
    ) -> None:
        """Keep what was found before the first change, which stays, and the newest that is written over it.

        On disk when this returns.
        """

    def forget(self, serial_number: str, key: str) -> None:
        """It is back, or somebody else wants it otherwise."""


class MemoryKeeper:
    """A keeper for as long as a program runs."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._kept: dict[str, dict[str, SettingValue]] = {}
        self._written: dict[str, dict[str, SettingValue]] = {}
        self._before: dict[str, dict[str, SettingValue]] = {}

    def originals(self, serial_number: str) -> Mapping[str, SettingValue]:
        """Return what was found and is not back yet."""
        return dict(self._kept.get(serial_number, {}))

    def written(self, serial_number: str) -> Mapping[str, SettingValue]:
        """Return what was written over the originals."""
        return dict(self._written.get(serial_number, {}))

    def before(self, serial_number: str) -> Mapping[str, SettingValue]:
        """Return what stood there when that was written."""
        return dict(self._before.get(serial_number, {}))

    def remember(
        self, serial_number: str, key: str, original: SettingValue, written: SettingValue | None = None
    ) -> None:
        """Keep the first original and the newest that was written."""
        self._kept.setdefault(serial_number, {}).setdefault(key, original)
        if written is not None:
            self._written.setdefault(serial_number, {})[key] = written
            self._before.setdefault(serial_number, {})[key] = original

    def forget(self, serial_number: str, key: str) -> None:
        """It is back, or somebody else wants it otherwise."""
        self._kept.get(serial_number, {}).pop(key, None)
        self._written.get(serial_number, {}).pop(key, None)
        self._before.get(serial_number, {}).pop(key, None)


_DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class WriteLimits:
    """How often a setting may be written; 100 000 writes are assumed to be the life of the memory."""

    least_interval_s: float = 300.0
    most_per_day: int = 48
    """One for each half-hour: that lasts five years and more if a schedule changed it all day long."""


class WriteLedger:
    """Counts writes by setting, so that a schedule does not wear the device out."""

    def __init__(self, limits: WriteLimits = WriteLimits(), past: Iterable[tuple[str, float]] = ()) -> None:
        """Begin with what was written before a restart: settings and times in seconds since 1970."""
        self._limits = limits
        self._written: dict[str, deque[float]] = {}
        for key, time_s in past:
            self.note(key, time_s)

    def note(self, key: str, time_s: float) -> None:
        """Count a write."""
        self._written.setdefault(key, deque(maxlen=4 * self._limits.most_per_day)).append(time_s)

    def check(self, key: str, time_s: float) -> Refusal | None:
        """Return why a setting must not be written now. A clock that was set back blocks nothing for long."""
        past = [time for time in self._written.get(key, ()) if 0.0 <= time_s - time < _DAY_S]
        if past and (wait_s := self._limits.least_interval_s - (time_s - past[-1])) > 0.0:
            return Refusal(
                RefusalReason.TOO_SOON,
                f"{key}: written {time_s - past[-1]:.0f} s ago, next in {wait_s:.0f} s",
            )
        if len(past) >= self._limits.most_per_day:
            return Refusal(
                RefusalReason.TOO_MANY,
                f"{key}: written {len(past)} times within a day, which wears its memory out",
            )
        return None
