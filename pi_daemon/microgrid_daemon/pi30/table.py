"""All queries of PI30 as data: what a command asks for, and the fields of its reply by their place.

Sources: the vendor's protocol documents of 2014 to 2021 for HS/MS/MSX, GK/MK, KS/MKS/V, MKS II, VMIII, KING,
MAX, REVO and LV5048 (PI41), and frames recorded by owners where documents are silent.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

from . import forms
from .forms import ByCount, Field, Form, Row, Word, number, text


class Layout(StrEnum):
    """What the same places of a reply mean in a family; no reply tells it."""

    BASE = "base"
    MAX = "max"
    KING = "king"
    REVO = "revo"
    PI41 = "pi41"


PROTOCOLS = ("PI30", "PI41")

MODES: Mapping[str, str] = MappingProxyType(
    {
        "P": "power_on",
        "S": "standby",
        "L": "line",
        "B": "battery",
        "F": "fault",
        "H": "power_saving",
        "D": "shutdown",
        "C": "charge",
        "Y": "bypass",
        "E": "eco",
        "G": "grid",
    }
)

FLAGS: Mapping[str, str] = MappingProxyType(
    {
        "a": "buzzer",
        "b": "overload_bypass",
        "d": "solar_feed_to_grid",
        "j": "power_saving",
        "k": "lcd_escape",
        "u": "overload_restart",
        "v": "over_temperature_restart",
        "x": "backlight",
        "y": "alarm_primary_source_interrupt",
        "z": "fault_code_record",
    }
)


@dataclass(frozen=True, slots=True)
class Query:
    """One command that asks."""

    name: str
    title: str
    form: Form
    parameter: str = ""
    """Pattern of what follows the name."""
    layouts: Mapping[Layout, Form] = field(default_factory=dict)
    """Families in which the reply has another form."""

    def form_of(self, layout: Layout) -> Form:
        """Return how a family answers."""
        return self.layouts.get(layout, self.form)


def _fields(units: Mapping[str, str | None], names: str) -> tuple[Field, ...]:
    """Return fields from words `name` or `name:unit`; `*name` is a text, `_` a place without meaning."""
    found = []
    for word in names.split():
        name, _, unit = word.lstrip("*").partition(":")
        found.append(
            Field("" if name == "_" else name, units[unit], text if word.startswith("*") else number)
        )
    return tuple(found)


_UNITS: Mapping[str, str | None] = {"": None, "%": "%", "C": "°C"} | {
    unit: unit for unit in ("V", "A", "W", "Hz", "VA", "Wh", "min", "d", "h", "s", "dV")
}

_STATUS = (
    "add_sbu_priority_version",
    "configuration_changed",
    "scc_firmware_updated",
    "load_on",
    "battery_voltage_steady_while_charging",
    "charging",
    "scc_charging",
    "ac_charging",
)
_STATUS_2 = ("charging_to_floating", "switch_on", "dustproof_installed")


def _status_row(twelfth: str, fifteenth: str) -> Row:
    """Return QPIGS, whose places 12 and 15 differ between families."""
    return Row(
        (
            *_fields(
                _UNITS,
                "grid_voltage:V grid_frequency:Hz ac_output_voltage:V ac_output_frequency:Hz"
                " ac_output_apparent_power:VA ac_output_active_power:W output_load_percent:% bus_voltage:V"
                " battery_voltage:V battery_charging_current:A battery_capacity_percent:%"
                f" inverter_heat_sink_temperature:C {twelfth} pv_input_voltage:V battery_voltage_scc:V"
                f" {fifteenth}",
            ),
            Field("device_status", read=text, bits=_STATUS),
            *_fields(_UNITS, "battery_voltage_offset_fans_on_10mv *eeprom_version pv_charging_power:W"),
            Field("device_status2", read=text, bits=_STATUS_2),
            *_fields(_UNITS, "solar_feed_to_grid_status *country_code solar_feed_to_grid_power:W"),
        ),
        least=17,
        # A lost blank shifts all that follows: only with the status in its place are the others in theirs.
        signature={0: r"[0-9.]+", 16: "[01]{8}"},
    )


_RATINGS_HEAD = (
    "grid_rating_voltage:V grid_rating_current:A ac_output_rating_voltage:V ac_output_rating_frequency:Hz"
    " ac_output_rating_current:A ac_output_rating_apparent_power:VA ac_output_rating_active_power:W"
    " battery_rating_voltage:V"
)
_CODE = r"\S{1,2}"
_RATINGS_SHAPE = {
    0: r"[0-9.]+",
    2: r"[0-9]+\.[0-9]+",
    3: r"[0-9]{2}\.[0-9]+",
    **dict.fromkeys((12, 15, 16, 17), _CODE),
}
_RATINGS = Row(
    _fields(
        _UNITS,
        f"{_RATINGS_HEAD} battery_recharge_voltage:V battery_under_voltage:V battery_bulk_voltage:V"
        " battery_float_voltage:V battery_type max_ac_charging_current:A max_charging_current:A"
        " input_voltage_range output_source_priority charger_source_priority parallel_max_num *machine_type"
        " topology output_mode battery_redischarge_voltage:V pv_ok_condition pv_power_balance"
        " max_charging_time_cv:min operation_logic max_discharging_current:A",
    ),
    least=18,
    signature=_RATINGS_SHAPE,
)
# From place 14 on a REVO has constants that mean nothing.
_RATINGS_REVO = Row(
    _fields(
        _UNITS,
        f"{_RATINGS_HEAD} battery_low_alarm_voltage:V battery_under_voltage:V equalization_voltage:V"
        " battery_float_voltage:V battery_type max_ac_charging_current:A",
    ),
    least=14,
    signature={0: r"[0-9.]+", 3: r"[0-9]{2}\.[0-9]+", 12: r"\S{1,2}"},
)

_PARALLEL = Row(
    _fields(
        _UNITS,
        "parallel_exists *serial_number *work_mode *fault_code grid_voltage:V grid_frequency:Hz"
        " ac_output_voltage:V ac_output_frequency:Hz ac_output_apparent_power:VA ac_output_active_power:W"
        " load_percent:% battery_voltage:V battery_charging_current:A battery_capacity_percent:%"
        " pv1_input_voltage:V total_charging_current:A total_ac_output_apparent_power:VA"
        " total_output_active_power:W total_ac_output_percent:% *inverter_status output_mode"
        " charger_source_priority max_charger_current:A max_charger_range:A max_ac_charger_current:A"
        " pv1_input_current:A battery_discharge_current:A pv2_input_voltage:V pv2_input_current:A",
    ),
    least=20,
    signature={0: "[0-9]", 1: "[0-9A-Za-z]{6,}", 2: "[A-Z]", 19: "[01]{8}"},
)

_DEFAULTS_HEAD = (
    "ac_output_voltage:V ac_output_frequency:Hz max_ac_charging_current:A battery_under_voltage:V"
    " float_voltage:V bulk_voltage:V recharge_voltage:V max_charging_current:A input_voltage_range"
    " output_source_priority charger_source_priority battery_type buzzer_silenced power_saving"
    " overload_restart over_temperature_restart lcd_backlight alarm_on_primary_source_interrupt"
    " fault_code_record overload_bypass lcd_escape output_mode redischarge_voltage:V pv_ok_condition"
    " pv_power_balance max_charging_time_cv:min"
)
_DEFAULTS_SHAPE = {0: r"[0-9.]+", 2: "[0-9]{2,4}", **dict.fromkeys((8, 11, 14, 20), _CODE)}


def _defaults(last: str) -> Row:
    """Return QDI, whose last place differs between families."""
    return Row(_fields(_UNITS, f"{_DEFAULTS_HEAD} {last}"), least=22, signature=_DEFAULTS_SHAPE)


_EQUALIZATION = (
    "equalization_enabled equalization_time_min:min equalization_period_d:d equalization_max_current:A"
    " reserved1 equalization_voltage:V reserved2 equalization_over_time_min:min equalization_active"
    " equalization_elapsed_h:h"
)
_INNER = (
    "absorb_time_left_s:s float_time_left_s:s scc_ok allow_scc_on charge_average_current:A"
    " scc_pwm_temperature:C inverter_temperature:C battery_temperature:C transformer_temperature:C"
    " parallel_mode fan_lock fan_pwm_duty fan_speed_percent:% scc_charge_power:W parallel_warning"
    " sync_frequency:Hz charge_stage"
)
_INNER_SHAPE = {0: "[0-9]{4,6}", 1: "[0-9]{4,6}", 2: r"\S{1,2}"}
_INNER_FIELDS = _fields(_UNITS, f"{_INNER} {_EQUALIZATION}".replace(" reserved", " equalization_reserved"))
# One place more in the middle shifts the rest: only these are sure.
_INNER_SHIFTED = _fields(
    _UNITS,
    "_ _ _ _ _ _ _ _ inverter_temperature:C boost_temperature:C transformer_temperature:C pv_temperature:C"
    " _ _ _ _ _ charge_stage",
)

_SECOND_STRING = Row(
    _fields(_UNITS, "pv2_input_current:A pv2_input_voltage:V pv2_charging_power:W"),
    least=3,
    most=4,
    signature={0: r"[0-9.]+", 1: r"[0-9]+\.[0-9]+"},
)
_SECOND_PHASE = Row(
    (
        *_fields(
            _UNITS,
            "l2_grid_voltage:V l2_grid_frequency:Hz l2_ac_output_voltage:V l2_ac_output_frequency:Hz"
            " l2_ac_output_apparent_power:VA l2_ac_output_active_power:W l2_output_load_percent:%"
            " pv2_battery_current:A pv2_input_voltage:V pv2_battery_voltage:V",
        ),
        Field(
            "l2_device_status",
            read=text,
            bits=("scc2_ok", "l2_ac_charging", "scc2_charging", "", "", "l2_line_loss", "l2_load_on", ""),
        ),
    ),
    least=11,
    signature={10: "[01]{8}"},
)

_CHARGE_CURRENTS = forms.numbers
_ENERGY = r"([0-9]{4,10})"
_YEAR, _MONTH, _DAY = "[0-9]{4}", "[0-9]{6}", "[0-9]{8}"


def _energy(name: str, title: str, parameter: str = "") -> Query:
    return Query(name, title, Word("energy_wh", _ENERGY, number), parameter)


_QUERIES = (
    Query("QPI", "protocol", Word("protocol_id", "(PI[0-9]{2}[A-Z]?)")),
    Query("QID", "serial number, 14 digits", Word("serial_number", "((?=.*[0-9])[0-9A-Za-z]{6,24})")),
    Query("QSID", "serial number, whole", forms.serial_number),
    Query("QVFW", "firmware of the main processor", Word("version", r"VERFW:\s*(\S+)")),
    Query("QVFW2", "firmware of the second processor", Word("version", r"VERFW2?:\s*(\S+)")),
    Query("QVFW3", "firmware of the display", Word("version", r"VERFW3?:\s*(\S+)")),
    Query("QMN", "model", Word("model", r"([0-9A-Za-z][0-9A-Za-z+_./ -]+)")),
    Query("QGMN", "general model number", Word("general_model", "([0-9]{3})")),
    Query(
        "QPIGS",
        "status",
        _status_row("pv_input_current:A", "battery_discharge_current:A"),
        layouts={Layout.REVO: _status_row("pv_power:W", "pv_energy_today_wh:Wh")},
    ),
    Query(
        "QPIGS2",
        "second solar input (MAX), second phase (PI41)",
        ByCount({11: _SECOND_PHASE}, _SECOND_STRING),
    ),
    Query("QPIRI", "ratings and settings", _RATINGS, layouts={Layout.REVO: _RATINGS_REVO}),
    Query("QMOD", "mode", forms.mode(MODES)),
    Query("QPIWS", "warnings and faults", forms.warnings),
    Query("QFLAG", "switches", forms.flags(FLAGS)),
    Query(
        "QDI",
        "default settings",
        _defaults("max_discharging_current:A"),
        layouts={Layout.KING: _defaults("operation_logic")},
    ),
    Query("QMCHGCR", "charging currents that can be set", _CHARGE_CURRENTS),
    Query("QMUCHGCR", "charging currents from the grid that can be set", _CHARGE_CURRENTS),
    Query("QPGS", "unit of a parallel system", _PARALLEL, "[0-9]"),
    Query("QP2GS", "second phase of a unit of a parallel system", forms.Tokens(15), "[0-9]"),
    Query("QOPM", "output mode", Word("output_mode", "([0-9]{1,2})", number)),
    Query(
        "Q1",
        "inner values, undocumented",
        ByCount(
            {18: Row(_INNER_SHIFTED, 18, _INNER_SHAPE)},
            Row(_INNER_FIELDS, least=17, signature=_INNER_SHAPE),
        ),
    ),
    Query(
        "QBEQI",
        "equalization",
        Row(_fields(_UNITS, _EQUALIZATION), least=10, most=12, signature={0: "[01]", 5: r"[0-9]+\.[0-9]+"}),
    ),
    Query(
        "QBMS",
        "what the battery management demands",
        Row(
            _fields(
                _UNITS,
                "connect_status soc_percent:% force_ac_charge stop_discharge stop_charge cv_voltage_dV:dV"
                " float_voltage_dV:dV cutoff_voltage_dV:dV max_charge_current:A max_discharge_current:A",
            ),
            least=10,
            signature={0: "[0-9]", 2: "[0-9]", 3: "[0-9]", 4: "[0-9]"},
        ),
    ),
    _energy("QET", "solar energy in all"),
    _energy("QEY", "solar energy of a year", _YEAR),
    _energy("QEM", "solar energy of a month", _MONTH),
    _energy("QED", "solar energy of a day", _DAY),
    _energy("QLT", "energy of the load in all"),
    _energy("QLY", "energy of the load of a year", _YEAR),
    _energy("QLM", "energy of the load of a month", _MONTH),
    _energy("QLD", "energy of the load of a day", _DAY),
    Query("QT", "clock", forms.clock),
    Query("QOPPT", "output priority of each hour", forms.hours),
    Query("QCHPT", "charger priority of each hour", forms.hours),
    Query("QOPCHT", "hours of the priorities", forms.Tokens()),
    Query(
        "QBATCD",
        "whether the battery may be charged and discharged",
        Word("battery_control", r"(\S{3})", lambda word: word if set(word) <= {"0", "1"} else None),
    ),
    Query("QLED", "lamps", forms.Tokens()),
    Query(
        "QBV",
        "battery, undocumented",
        Row(
            _fields(_UNITS, "battery_voltage:V battery_capacity_percent:%"),
            least=2,
            most=4,
            signature={0: r"[0-9]+\.[0-9]+", 1: "[0-9]{1,3}"},
        ),
    ),
    Query(
        "QGR", "range of the input voltage, undocumented", Word("input_voltage_range", "([0-9]{1,2})", number)
    ),
    Query("QMD", "undocumented", forms.Tokens()),
    Query("QFS", "undocumented", forms.Tokens()),
    Query("QWS", "undocumented", forms.Tokens()),
)

QUERIES: Mapping[str, Query] = MappingProxyType({query.name: query for query in _QUERIES})
