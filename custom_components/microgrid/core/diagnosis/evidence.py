"""Evidence: every measured value that a diagnosis may rest on, under a number that never changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from .facts import Finding

__all__ = ["KINDS", "Evidence", "EvidenceKind", "to_evidence"]


@dataclass(frozen=True, slots=True)
class EvidenceKind:
    """What a number of evidence means."""

    id: str
    """E1, E2, …: by the place in the table; new rows go to its end."""
    key: str
    unit: str
    """Empty: a plain number."""
    meaning: str
    """Noun phrase for an operator."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A measured value of a case, as a report carries it."""

    id: str
    node: str
    channel: str
    t_s: float
    """Since the trigger."""
    value: float
    unit: str
    baseline: float | None
    """What is usual; None when there is nothing to compare with."""
    z: float | None
    """How many standard deviations of the usual the value is away."""
    weight: float = 0.0
    """Natural logarithm of the odds by which it favours the reported cause over the next one."""


# Append only: the place is the number, and numbers stand in stored reports and fingerprints.
_ROWS: tuple[tuple[str, str, str], ...] = (
    ("power_step", "W", "sum of all changes of power in the first 80 ms"),
    ("power_step_lead", "s", "time from the change of power to the fault"),
    ("own_share", "", "the own inverter's share in that change"),
    ("other_share", "", "largest share of a neighbour in that change"),
    ("own_over_other", "", "own change of power as a multiple of the largest of a neighbour"),
    ("own_change", "W", "change of the own inverter's power in the first 80 ms"),
    ("others_along", "", "change of all neighbours as a multiple of the own one"),
    ("outside_share", "", "the swarm's share in the lasting change of power"),
    ("inside_change", "W", "change of load inside the cluster, by the balance of power"),
    ("houses_change", "W", "change of what all houses give"),
    ("flow_change", "W", "change of the flow to the swarm"),
    ("neighbour_trip", "W", "power that a neighbour's inverter gave before it stopped"),
    ("neighbour_told", "", "another node told a fault before"),
    ("own_load_step", "W", "change of the house's own load"),
    ("other_load_rise", "W", "largest rise of a neighbour's load"),
    ("other_load_fall", "W", "largest fall of a neighbour's load"),
    ("export", "W", "power given to the neighbours over the last 10 s"),
    ("export_share", "", "part of the inverter's power given to the neighbours"),
    ("late_export", "W", "power given to the neighbours at last"),
    ("late_power", "W", "power of the inverter at last"),
    ("own_load", "W", "load of the house"),
    ("neighbour_import", "W", "most that a neighbour took from the others"),
    ("neighbour_surplus", "W", "most that a neighbour gave to the others"),
    ("swarm_flow", "W", "flow from the cluster to the swarm"),
    ("own_voltage", "V", "change of the own voltage at last"),
    ("own_voltage_extreme", "V", "largest change of the own voltage"),
    ("others_voltage", "V", "change of the neighbours' voltage at last"),
    ("others_voltage_ratio", "", "change of the neighbours' voltage as a multiple of the own one"),
    ("other_voltage", "V", "largest change of a neighbour's voltage"),
    ("other_voltage_ratio", "", "largest change of a neighbour's voltage as a multiple of the own one"),
    ("cluster_voltage_ratio", "", "change of the cluster's voltage at the gateway over the own one"),
    ("swarm_voltage_ratio", "", "change of the swarm's voltage as a multiple of the own one"),
    ("flow_step", "W", "largest change of the flow to the swarm"),
    ("own_frequency", "Hz", "change of the frequency at last"),
    ("swarm_frequency_step", "Hz", "change of the swarm's frequency at last"),
    ("frequency_level", "Hz", "frequency at last"),
    ("droop_offset_move", "W", "change of power of the house that moved against the droop rule"),
    ("droop_broken_own", "W", "own change of power against the droop rule"),
    ("frequency_move", "Hz", "change of the common frequency"),
    ("circulating", "", "part of the changes of power that only went round between the houses"),
    ("exchanged", "W", "sum of all changes of power"),
    ("droop_offset_late", "W", "power of a house beyond that of the others at the same frequency, at last"),
    ("surplus_from", "W", "what the source of the surplus gave to the others"),
    ("shortage_from", "W", "what the house that was short took from the others"),
    ("surplus_outside", "W", "what the swarm gave to the cluster"),
    ("surplus_neighbours", "W", "what all neighbours gave to the others"),
    ("power_signs_late", "W", "least power of a house, at last"),
    ("current_rise", "A", "rise of the inverter's current"),
    ("power_follows_current", "", "rise of the power as a part of what the current's rise means"),
    ("battery_follows_current", "", "rise of the battery's power as a part of what the current's rise means"),
    ("battery_follows_power", "", "rise of the battery's power as a multiple of the inverter's"),
    ("usual_power_factor", "", "usual power as a part of voltage times current"),
    ("others_follow_current", "", "rise of the neighbours' power as a part of what the current's rise means"),
    ("current_suddenness", "", "part of the current's rise that came within 50 ms"),
    ("cell_apart", "mV", "deviation of the outermost cell from the median"),
    ("cell_apart_size", "mV", "amount by which the outermost cell deviates"),
    ("cell_apart_before", "mV", "amount by which that cell deviated before"),
    ("cell_moved", "mV", "change of that cell's deviation"),
    ("cell_alone", "", "second largest deviation as a part of the largest"),
    ("cell_beside", "", "opposite deviation of a cell beside as a part of the largest"),
    ("cells_scatter", "mV", "standard deviation of the other cells"),
    ("cell_median", "V", "median of the cells at last"),
    ("cell_median_early", "V", "median of the cells before"),
    ("cells_spread", "mV", "difference of highest and lowest cell"),
    ("cell_jumps", "mV", "largest jump of the outermost cell from second to second"),
    ("cell_restless", "", "usual jump of the outermost cell as a multiple of the others'"),
    ("cell_highest", "V", "highest cell"),
    ("cell_lowest", "V", "lowest cell"),
    ("cell_resistance", "mΩ", "by how much the outermost cell follows the current more than the others do"),
    ("cell_follows_current", "", "correlation of the outermost cell's deviation with the current"),
    ("cell_rest_offset", "mV", "deviation of the outermost cell that remains without current"),
    ("pack_resistance", "mΩ", "resistance of all cells by voltage over current"),
    ("cell_trend", "mV/s", "speed at which the outermost cell moves away"),
    ("cell_apart_over_current", "mΩ", "deviation of the outermost cell over the current"),
    ("bus_voltage", "V", "voltage of the DC bus at last"),
    ("bus_move", "V", "change of the DC bus at last"),
    ("bus_extreme", "V", "largest change of the DC bus"),
    ("bus_noise", "mV", "usual noise of the DC bus"),
    ("bus_resistance", "mΩ", "resistance behind the DC bus by voltage over current"),
    ("bus_follows_current", "", "correlation of DC bus and battery current"),
    ("bus_move_over_current", "mΩ", "fall of the DC bus over the rise of the current"),
    ("bus_minus_cells_usual", "V", "DC bus minus the sum of the cells, before"),
    ("bus_minus_cells", "V", "largest difference of DC bus and sum of the cells"),
    ("bus_minus_cells_median", "V", "DC bus minus the sum of the cells at last"),
    ("link_resistance", "mΩ", "resistance between cells and DC bus"),
    ("link_offset", "V", "difference of DC bus and cells that remains without current"),
    ("bus_beyond_cells", "V", "DC bus minus the last known sum of the cells"),
    ("cells_move", "V", "change of the sum of the cells"),
    ("cells_follow_bus", "", "change of the sum of the cells as a part of that of the DC bus"),
    ("current_balance_usual", "A", "battery current that inverter and charger do not account for, before"),
    ("current_balance", "A", "battery current that inverter and charger do not account for, at last"),
    ("current_balance_size", "A", "amount of battery current that is not accounted for"),
    ("current_balance_move", "A", "change of the battery current that is not accounted for"),
    ("current_balance_second", "A", "battery current not accounted for over the last second"),
    ("battery_now", "A", "battery current at last (discharge is positive)"),
    ("battery_rise", "A", "change of the battery current"),
    ("charger_now", "A", "output current of the solar charger"),
    ("charger_rise", "A", "change of the solar charger's current"),
    ("charger_share", "", "charger's current as a part of the charging current"),
    ("inverter_now", "W", "power of the inverter at last"),
    ("inverter_share", "", "inverter's current as a part of the battery current"),
    ("inverter_rise", "W", "change of the inverter's power"),
    ("battery_current_left", "A", "amount of battery current just before the fault"),
    ("battery_current_gone", "", "part of the usual battery current that was gone just before the fault"),
    ("battery_switch_open", "", "the battery management said that its switch is open"),
    ("battery_told_first", "", "the battery told a fault of its own before"),
    ("state_of_charge", "%", "state of charge"),
    ("probe_level", "°C", "outermost temperature probe"),
    ("probe_highest", "°C", "highest temperature probe"),
    ("probe_apart", "K", "deviation of the outermost probe from the others"),
    ("probe_others", "°C", "the other probes"),
    ("probe_others_moved", "K", "change of the other probes"),
    ("probe_jump", "K/s", "fastest change of the outermost probe"),
    ("probe_trend", "K/s", "speed of the outermost probe"),
    ("probe_others_trend", "K/s", "speed of the other probes"),
    ("probe_neighbours", "°C", "battery temperature at the neighbours"),
    ("probe_above_neighbours", "K", "battery temperature above that of the neighbours"),
    ("stage_level", "°C", "hottest sensor of the power stage"),
    ("stage_highest", "°C", "highest temperature of the power stage"),
    ("stage_apart", "K", "difference of both sensors of the power stage"),
    ("stage_others", "°C", "the other sensor of the power stage"),
    ("stage_others_moved", "K", "change of the other sensor of the power stage"),
    ("stage_jump", "K/s", "fastest change of the hottest sensor"),
    ("stage_trend", "K/s", "speed of the hottest sensor"),
    ("stage_others_trend", "K/s", "speed of the other sensor"),
    ("stage_neighbours", "°C", "temperature of the power stage at the neighbours"),
    ("stage_above_neighbours", "K", "power stage above those of the neighbours"),
    ("stage_current", "A", "effective current of the inverter over the last 10 s"),
    ("stage_kelvin_per_loss", "mK/A²", "heating of the power stage over its losses"),
    ("stage_loss_ratio", "", "heating over losses as a multiple of the neighbours'"),
    ("probe_current", "A", "effective battery current over the last 10 s"),
    ("pv_voltage", "V", "voltage of the modules"),
    ("pv_voltage_early", "V", "voltage of the modules before"),
    ("pv_voltage_move", "V", "change of the modules' voltage"),
    ("pv_current", "A", "current of the modules"),
    ("pv_current_early", "A", "current of the modules before"),
    ("mppt_out_current", "A", "output current of the charger"),
    ("mppt_out_move", "A", "change of the charger's output current"),
    ("mppt_out_voltage", "V", "output voltage of the charger"),
    ("mppt_efficiency_now", "", "charger's output as a part of its input"),
    ("mppt_efficiency_before", "", "charger's output as a part of its input, before"),
    ("pv_power_move", "W", "change of the solar power"),
    ("pv_power", "W", "solar power"),
    ("charger_above_bus", "V", "charger's output above the DC bus"),
    ("charger_unaccounted", "A", "charger's current that battery and inverter do not account for"),
    ("battery_feels_charger", "", "change of the battery current as a part of the charger's"),
    ("pv_voltage_trend", "V/s", "speed of the modules' voltage"),
    ("pv_voltage_jump", "V", "largest jump of the modules' voltage"),
    ("pv_voltage_over_neighbours", "", "modules' voltage as a multiple of the neighbours'"),
    ("neighbours_sun", "W", "solar power of the neighbours"),
    ("sun_over_neighbours", "", "solar power as a multiple of the neighbours'"),
    ("silent_nodes", "", "nodes that were silent on the bus for more than a second"),
    ("silence", "s", "longest silence of a node on the bus"),
    ("silence_returned", "", "the silent node came back"),
    ("silent_gateway", "", "the silent node is the gateway"),
    ("silence_restart", "", "the silent node came back with a new start"),
    ("silent_samples_missing", "s", "longest time without own samples of the silent node"),
    ("silent_to_the_end", "", "all nodes from the silent one to the end of the line were silent together"),
    ("silent_together", "", "nodes that fell silent together"),
    ("silence_others", "s", "longest silence of the other nodes"),
    ("restarts_seen", "", "nodes that started anew"),
    ("gateway_restarted", "", "the gateway started anew"),
    ("flood", "1/s", "frames of one identifier beyond its usual rate"),
    ("bus_load_highest", "%", "highest load of the bus in half a second"),
    ("bus_load_usual", "%", "usual load of the bus"),
    ("frames_lost", "%", "lost frames of the worst node"),
    ("frames_lost_others", "%", "lost frames of the other nodes"),
    ("frames_lost_least", "%", "lost frames of the best node"),
    ("frames_lost_alone", "", "part of the losses that only the worst node has"),
    ("loss_unsteady", "", "how unsteady the losses are from second to second, 1 for pure chance"),
    ("loss_seconds", "%", "part of the time in which frames were lost"),
    ("loss_follows_current", "", "correlation of the losses with an inverter's current"),
    ("cluster_unrest", "mHz", "standard deviation of the cluster's frequency"),
    ("cluster_range", "mHz", "range of the cluster's frequency"),
    ("cluster_trend", "mHz/s", "trend of the cluster's frequency"),
    ("cluster_voltage_unrest", "V", "standard deviation of the cluster's voltage"),
    ("swarm_unrest", "mHz", "standard deviation of the swarm's frequency"),
    ("swarm_range", "mHz", "range of the swarm's frequency"),
    ("swarm_trend", "mHz/s", "trend of the swarm's frequency"),
    ("swarm_voltage_unrest", "V", "standard deviation of the swarm's voltage"),
    ("frequency_apart", "mHz", "cluster's frequency above the swarm's"),
    ("frequency_apart_size", "mHz", "distance of both frequencies"),
    ("unrest_ratio", "", "decades by which the swarm is more restless than the cluster"),
    ("voltage_apart", "V", "distance of both voltages"),
    ("phase_turn", "°", "range of the phase between both sides"),
    ("phase_size", "°", "mean distance of both phases"),
    ("phase_nearest", "°", "nearest distance of both phases"),
    ("phase_speed", "°/s", "speed of the phase"),
    ("phase_swing", "°", "swing of the phase about its trend"),
    ("phase_after", "°", "distance of both phases afterwards"),
    ("closed_after", "", "the contactor was closed in the end"),
    ("ordered_closed", "", "the order was to be closed"),
    ("command_differs", "s", "how long order and auxiliary contact differed"),
    ("shown_closed", "", "the auxiliary contact said closed"),
    ("flow_through", "W", "amount of power through the contactor"),
    ("flow_early", "W", "amount of power through the contactor before"),
    ("frequencies_differ", "mHz", "distance of the frequencies on both sides"),
    ("frequencies_noise", "mHz", "unrest of that distance"),
    ("phase_now", "°", "phase across the contactor"),
    ("phase_range_now", "°", "range of the phase across the contactor"),
    ("joined", "", "both sides are joined, by frequency and power"),
    ("contactor_frames_lost", "%", "lost frames of the gateway"),
    ("frames_lost_near", "%", "lost frames of the houses"),
    ("command_repeated", "", "orders that were given"),
    ("excess_s", "s", "how long the watched quantity stayed beyond half its rise"),
    ("excess_lasting", "", "part of the rise that was there before and behind the moment of the fault"),
    ("usual_distance", "%", "how far below the fault's value the quantity usually was"),
    ("usual_noise", "%", "usual noise of the quantity in parts of the fault's value"),
    ("errors_counted", "1/min", "errors that the bus controllers counted"),
    ("frames_late", "%", "repeated frames of the worst node"),
    ("frames_late_others", "%", "repeated frames of the other nodes"),
    ("frames_late_alone", "", "part of the repetitions that only the worst node has"),
    ("loss_before", "", "repetitions at the begin as a part of the most in a second"),
    ("own_peak_share", "", "own part in the first peak of power"),
    ("other_peak_share", "", "largest part of a neighbour in the first peak of power"),
    ("own_peak_over_other", "", "own first peak of power as a multiple of the largest of a neighbour"),
    ("own_over_other_load", "W", "rise of the own load above that of any neighbour"),
    ("own_below_other_load", "W", "fall of the own load below that of any neighbour"),
    ("load_step_at", "", "how clearly the load changed at that house, by power, voltage and meter"),
    ("load_step_own", "", "how much more clearly it changed at home than at any neighbour"),
    ("came_back", "", "part of the rise that was gone a second later"),
    ("load_back", "", "part of the rise of the own load that was gone some seconds later"),
    ("frequency_back", "", "part of the change of frequency that was gone some seconds later"),
    ("load_unrest", "W", "standard deviation of the most restless house's load"),
)  # fmt: skip

KINDS: Mapping[str, EvidenceKind] = MappingProxyType(
    {
        key: EvidenceKind(f"E{number}", key, unit, meaning)
        for number, (key, unit, meaning) in enumerate(_ROWS, 1)
    }
)
"""By key."""
BY_ID: Mapping[str, EvidenceKind] = MappingProxyType({kind.id: kind for kind in KINDS.values()})


def to_evidence(finding: Finding, weight: float = 0.0) -> Evidence:
    """Return a finding as a report carries it."""
    kind = KINDS[finding.key]
    usual = finding.usual
    return Evidence(
        kind.id,
        finding.node,
        finding.channel,
        finding.t_s,
        finding.value,
        kind.unit,
        None if usual is None else usual.median,
        None if usual is None else usual.z(finding.value),
        weight,
    )
