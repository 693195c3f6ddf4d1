"""Which measured values may decide about a code: those that its causes act on, not what only goes along.

What a made fault happens to come with, an open contactor or a sunny day, would fit too and mean nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["RELEVANT"]

_WATCHED = "excess_s excess_lasting usual_distance usual_noise came_back"
_STEP = (
    "power_step own_share other_share own_over_other own_change others_along own_peak_share"
    " own_peak_over_other"
    " neighbour_trip neighbour_told own_load_step load_step_own"
)
_VOLTAGE = (
    "own_voltage own_voltage_extreme others_voltage others_voltage_ratio other_voltage_ratio"
    " cluster_voltage_ratio swarm_voltage_ratio outside_share inside_change houses_change"
    " flow_change flow_step"
    " own_frequency swarm_frequency_step"
)
_BUS = (
    "bus_move bus_extreme bus_minus_cells bus_minus_cells_median bus_minus_cells_usual bus_beyond_cells"
    " cells_move cells_follow_bus"
)
_FLOW = (
    "current_balance current_balance_size current_balance_move current_balance_second current_balance_usual"
    " battery_rise charger_now charger_rise charger_share inverter_now inverter_rise inverter_share"
)
_CELL = (
    "cell_apart cell_apart_size cell_apart_before cell_moved cell_alone cell_beside cells_scatter"
    " cells_spread"
    " cell_jumps cell_restless cell_highest cell_lowest cell_median cell_resistance cell_follows_current"
    " cell_rest_offset cell_trend cell_apart_over_current"
)
_SURPLUS = "own_frequency swarm_frequency_step surplus_from surplus_neighbours"
_SHORTAGE = "own_load_step own_over_other_load load_step_own late_export export_share shortage_from"
_PV = (
    "pv_voltage pv_voltage_early pv_voltage_move pv_current pv_current_early pv_power_move pv_voltage_trend"
    " pv_voltage_jump pv_voltage_over_neighbours mppt_efficiency_now mppt_efficiency_before mppt_out_move"
)
_FRAMES = (
    "silent_nodes silence silence_returned silent_gateway silence_restart silent_samples_missing"
    " silent_to_the_end"
    " silent_together silence_others restarts_seen gateway_restarted flood bus_load_highest bus_load_usual"
    " frames_lost frames_lost_others frames_lost_least frames_lost_alone loss_unsteady loss_seconds"
    " loss_before"
    " loss_follows_current errors_counted frames_late frames_late_others frames_late_alone"
)

_ROWS = {
    "F001": (
        _WATCHED,
        _STEP,
        "own_voltage own_voltage_extreme others_voltage_ratio own_frequency current_rise"
        " power_follows_current",
        "battery_follows_current battery_follows_power others_follow_current current_suddenness"
        " usual_power_factor",
        "droop_offset_move droop_broken_own frequency_move circulating exchanged",
    ),
    "F002": (_WATCHED, _STEP, _VOLTAGE, "other_load_fall own_below_other_load"),
    "F003": (_WATCHED, _STEP, _VOLTAGE, _BUS, "other_load_rise own_over_other_load bus_voltage battery_rise"),
    "F004": (
        _WATCHED,
        "stage_apart stage_jump stage_trend stage_others_trend stage_others_moved stage_above_neighbours",
        "stage_kelvin_per_loss stage_loss_ratio stage_current export export_share neighbour_import",
    ),
    "F005": (
        _WATCHED,
        _BUS,
        _FLOW,
        _SURPLUS,
        "battery_current_left battery_current_gone battery_switch_open battery_told_first charger_above_bus",
        "bus_follows_current link_resistance",
    ),
    "F006": (
        _WATCHED,
        _BUS,
        _CELL,
        _STEP,
        "bus_voltage bus_resistance bus_follows_current bus_move_over_current link_resistance link_offset",
        "battery_rise late_export own_over_other_load state_of_charge",
    ),
    "F010": (_WATCHED, _CELL, _BUS, _FLOW, _SURPLUS),
    "F011": (_WATCHED, _CELL, _BUS, _SHORTAGE, "battery_now battery_rise state_of_charge"),
    "F012": (
        _WATCHED,
        "probe_level probe_highest probe_apart probe_others probe_others_moved probe_jump probe_trend",
        "probe_others_trend probe_above_neighbours probe_current battery_now export export_share"
        " neighbour_import",
    ),
    "F013": (_WATCHED, _FLOW, _BUS, _SURPLUS, "bus_follows_current frequency_back load_back"),
    "F014": (_WATCHED, _FLOW, _BUS, _SHORTAGE, _STEP, "bus_follows_current frequency_back load_back"),
    "F015": (_CELL, _BUS, "usual_distance excess_lasting came_back cell_median_early state_of_charge"),
    "F020": (_WATCHED, _PV, "pv_power neighbours_sun"),
    "F021": (
        _WATCHED,
        _PV,
        _FLOW,
        "bus_voltage mppt_out_current mppt_out_voltage charger_unaccounted battery_feels_charger pv_power",
        "sun_over_neighbours",
    ),
    "F030": (_FRAMES,),
    "F031": (_FRAMES,),
    "F040": (
        "cluster_unrest cluster_range cluster_trend cluster_voltage_unrest swarm_unrest swarm_range"
        " swarm_trend",
        "swarm_voltage_unrest frequency_apart frequency_apart_size unrest_ratio voltage_apart phase_turn",
        "phase_size phase_nearest phase_speed phase_swing phase_after closed_after load_unrest",
    ),
    "F041": (
        "ordered_closed command_differs shown_closed flow_through frequencies_differ frequencies_noise"
        " phase_now",
        "phase_range_now joined contactor_frames_lost frames_lost_near command_repeated frames_late",
        "frames_late_others errors_counted closed_after",
    ),
}

RELEVANT: Mapping[str, frozenset[str]] = MappingProxyType(
    {code: frozenset(" ".join(rows).split()) for code, rows in _ROWS.items()}
)
"""Keys of evidence by code."""
