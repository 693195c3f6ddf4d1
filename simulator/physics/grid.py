"""Droop-controlled inverters on lines behind contactors: who delivers how much at which frequency.

Each inverter is a voltage source whose angle turns with its droop frequency f = f0 - k * (Pf - P0), where Pf
is its measured power behind a first-order filter; the network is a lossless DC power flow (angles and
reactances). All of it is linear between two switching operations, so a step is the exact solution (matrix
exponential) for any step length, although the swings are faster than 10 ms. Matrices are kept by topology.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .arrays import Flags, Floats, Indices

NOMINAL_FREQUENCY_HZ = 50.0
NOMINAL_VOLTAGE_V = 230.0
DROOP_HZ_PER_W = 0.25e-3  # 2 kW: 49.50 Hz, 6 kW: 48.50 Hz
POWER_FILTER_S = 0.1
COUPLING_OHM = 0.4  # inverter to its house's terminals
LINE_OHM = 0.15  # from house to house along a cluster, and from the first one to the gateway
TRUNK_OHM = 0.3  # from a gateway to the swarm bus
_DEAD_SHUNT = 1e6  # W/rad: pins the angle of a part of the network that no inverter feeds


@dataclass(frozen=True, slots=True)
class _Solution:
    """What a topology does to the state in one step, and the outputs that follow from the state."""

    state: Floats
    """[angle, filtered power] after the step from those before it."""
    drive: Floats
    """The same from [load, angle speed]."""
    power_from_angle: Floats
    power_from_load: Floats
    node_from_angle: Floats
    """Angles of all nodes from the inverters' angles."""
    node_from_load: Floats
    served: Flags
    """Houses whose part of the network has an inverter on."""
    component: Indices
    """Number of the connected part that each house, gateway and the swarm bus (last) belongs to."""


def expm(matrix: Floats) -> Floats:
    """Matrix exponential by scaling, Taylor series and squaring (small, well-scaled matrices)."""
    norm = float(np.abs(matrix).sum(axis=1).max())
    squarings = max(0, int(np.ceil(np.log2(max(norm, 1e-12)))) + 4)
    scaled = matrix / 2.0**squarings
    result = np.eye(len(matrix))
    term = np.eye(len(matrix))
    for order in range(1, 13):  # the norm is below 1/16: the rest is below 1e-20
        term = term @ scaled / order
        result = result + term
    for _ in range(squarings):
        result = result @ result
    return result


class DroopGrid:
    """The electrical network of all clusters."""

    def __init__(self, cluster: Indices, frequency_offset_hz: Floats) -> None:
        """Take the cluster number of each house and each inverter's calibration error."""
        self.houses = len(cluster)
        self.clusters = int(cluster.max()) + 1
        self.cluster = cluster
        self.no_load_frequency_hz = NOMINAL_FREQUENCY_HZ + frequency_offset_hz
        self.setpoint_w = np.zeros(self.houses)
        """P0 of each droop line, moved by the energy management."""
        self.synchronising_hz = np.zeros(self.clusters)
        """Frequency shift that an open gateway asks of its cluster to meet the swarm's phase."""
        self.inverter_on = np.ones(self.houses, dtype=bool)
        self.contactor_closed = np.ones(self.clusters, dtype=bool)
        self.angle_rad: Floats = np.zeros(self.houses)
        self.filtered_power_w = np.zeros(self.houses)
        self.power_w = np.zeros(self.houses)
        self.frequency_hz = np.full(self.houses, NOMINAL_FREQUENCY_HZ)
        """Not a number where the network is dead."""
        self.gateway_flow_w = np.zeros(self.clusters)
        """Power from each cluster to the swarm bus."""
        self.node_angle_rad = np.zeros(self.houses + self.clusters + 1)
        self.served = np.ones(self.houses, dtype=bool)
        self._solutions: dict[tuple[bytes, bytes, float], _Solution] = {}
        self._solution: _Solution | None = None
        self._key: tuple[bytes, bytes, float] | None = None
        self._settled = False

    @property
    def swarm_node(self) -> int:
        """Number of the swarm bus among the nodes."""
        return self.houses + self.clusters

    @property
    def component(self) -> Indices:
        """Connected part of each node, after the first step."""
        assert self._solution is not None
        return self._solution.component

    def step(self, load_w: Floats, dt_s: float) -> None:
        """Advance by `dt_s` with the loads held; loads of dead parts are not served."""
        key = (self.inverter_on.tobytes(), self.contactor_closed.tobytes(), dt_s)
        if key != self._key:
            self._switch(key)
        solution = self._solution
        assert solution is not None
        load = np.where(solution.served, load_w, 0.0)
        shift = self.no_load_frequency_hz - NOMINAL_FREQUENCY_HZ + self.synchronising_hz[self.cluster]
        if not self._settled:
            self._settle(solution, load)
        speed = 2.0 * np.pi * (shift + DROOP_HZ_PER_W * self.setpoint_w)
        state = solution.state @ np.concatenate((self.angle_rad, self.filtered_power_w))
        state += solution.drive @ np.concatenate((load, np.where(self.inverter_on, speed, 0.0)))
        self.angle_rad, self.filtered_power_w = state[: self.houses], state[self.houses :]
        self.power_w = solution.power_from_angle @ self.angle_rad + solution.power_from_load @ load
        self.node_angle_rad = solution.node_from_angle @ self.angle_rad + solution.node_from_load @ load
        trunk = self.node_angle_rad[self.houses : self.swarm_node] - self.node_angle_rad[self.swarm_node]
        self.gateway_flow_w = np.where(self.contactor_closed, trunk * NOMINAL_VOLTAGE_V**2 / TRUNK_OHM, 0.0)
        own = NOMINAL_FREQUENCY_HZ + shift - DROOP_HZ_PER_W * (self.filtered_power_w - self.setpoint_w)
        self.served = solution.served
        if self.inverter_on.all():
            self.frequency_hz = own
        else:
            self.frequency_hz = np.where(self.inverter_on, own, self._mean_by_component(own)[: self.houses])

    def frequency_at(self, node: int) -> float:
        """Frequency of a gateway (`houses + cluster`) or of the swarm bus; not a number where it is dead."""
        part = self.inverter_on & (self.component[: self.houses] == self.component[node])
        return float(self.frequency_hz[part].mean()) if part.any() else float("nan")

    def recentre(self) -> None:
        """Take the common part out of the angles, which only grows."""
        if self.inverter_on.any():
            common = self.angle_rad[self.inverter_on].mean()
            self.angle_rad = self.angle_rad - common
            self.node_angle_rad = self.node_angle_rad - common

    def _mean_by_component(self, values: Floats) -> Floats:
        component = self.component
        size = int(component.max()) + 1
        on = self.inverter_on
        count = np.bincount(component[: self.houses], on.astype(float), size)
        total = np.bincount(component[: self.houses], np.where(on, values, 0.0), size)
        mean: Floats = np.where(count > 0, total / np.maximum(count, 1.0), np.nan)[component]
        return mean

    def _settle(self, solution: _Solution, load: Floats) -> None:
        """Begin in equilibrium: every part's load shared equally."""
        for part in np.unique(solution.component[: self.houses]):
            inside = self.inverter_on & (solution.component[: self.houses] == part)
            if inside.any():
                everyone = solution.component[: self.houses] == part
                self.filtered_power_w[inside] = load[everyone].sum() / inside.sum()
        deviation = self.filtered_power_w - solution.power_from_load @ load
        angle = np.linalg.lstsq(solution.power_from_angle, deviation, rcond=None)[0]
        self.angle_rad = angle.astype(np.float64)
        self._settled = True

    def _switch(self, key: tuple[bytes, bytes, float]) -> None:
        """Carry the state over to another topology."""
        before, previous = self._solution, self._key
        if key not in self._solutions:
            self._solutions[key] = self._solve(key[2])
        self._solution, self._key = self._solutions[key], key
        if before is None or previous is None or not self._settled or previous[:2] == key[:2]:
            return
        was_on = np.frombuffer(previous[0], dtype=bool)
        # One that starts has met its terminals' angle and frequency; one that stopped delivers nothing.
        starting = self.inverter_on & ~was_on
        self.angle_rad = np.where(starting, self.node_angle_rad[: self.houses], self.angle_rad)
        running = self.inverter_on & was_on
        part = before.component[: self.houses]
        count = np.bincount(part, running.astype(float))
        power = np.bincount(part, np.where(running, self.filtered_power_w, 0.0)) / np.maximum(count, 1.0)
        self.filtered_power_w = np.where(starting, power[part], self.filtered_power_w)
        self.filtered_power_w = np.where(self.inverter_on, self.filtered_power_w, 0.0)
        # Parts that were apart turned by whole turns against each other; those do not drive currents.
        was_closed = np.frombuffer(previous[1], dtype=bool)
        swarm = self.node_angle_rad[self.swarm_node]
        for closing in np.flatnonzero(self.contactor_closed & ~was_closed):
            inside = before.component[: self.houses] == before.component[self.houses + closing]
            turns = np.round((self.node_angle_rad[self.houses + closing] - swarm) / (2.0 * np.pi))
            self.angle_rad = np.where(inside, self.angle_rad - 2.0 * np.pi * turns, self.angle_rad)

    def _solve(self, dt_s: float) -> _Solution:
        houses, nodes = self.houses, self.houses + self.clusters + 1
        laplacian = np.zeros((nodes, nodes))
        component = np.arange(nodes)

        def connect(a: int, b: int, ohm: float) -> None:
            conductance = NOMINAL_VOLTAGE_V**2 / ohm
            laplacian[[a, b], [a, b]] += conductance
            laplacian[[a, b], [b, a]] -= conductance
            component[component == component[b]] = component[a]

        for number in range(self.clusters):
            gateway = houses + number
            previous = gateway
            for house in np.flatnonzero(self.cluster == number):
                connect(previous, int(house), LINE_OHM)
                previous = int(house)
            if self.contactor_closed[number]:
                connect(gateway, self.swarm_node, TRUNK_OHM)
        coupling = np.where(self.inverter_on, NOMINAL_VOLTAGE_V**2 / COUPLING_OHM, 0.0)
        fed = np.isin(component, component[:houses][self.inverter_on])
        grounded = laplacian + np.diag(np.concatenate((coupling, np.zeros(self.clusters + 1))))
        grounded += np.diag(np.where(fed, 0.0, _DEAD_SHUNT))
        inverse = np.linalg.inv(grounded)[:, :houses]
        node_from_angle, node_from_load = inverse * coupling, -inverse
        power_from_angle = np.diag(coupling) - coupling[:, None] * node_from_angle[:houses]
        power_from_load = -coupling[:, None] * node_from_load[:houses]
        on = np.diag(self.inverter_on.astype(float))
        flow = np.block(
            [
                [np.zeros((houses, houses)), -2.0 * np.pi * DROOP_HZ_PER_W * on],
                [power_from_angle / POWER_FILTER_S, -np.eye(houses) / POWER_FILTER_S],
            ]
        )
        drive = np.block(
            [
                [np.zeros((houses, houses)), on],
                [power_from_load / POWER_FILTER_S, np.zeros((houses, houses))],
            ]
        )
        # Both from one exponential: exp([[F, G], [0, 0]] dt) = [[state, drive], [0, 1]].
        # Angles are counted in units of 1e-5 rad inside, so that the norm stays that of the physics.
        scale = np.concatenate((np.full(houses, 1e5), np.ones(houses)))
        flow = flow * scale[:, None] / scale[None, :]
        input_scale = np.concatenate((np.ones(houses), np.full(houses, 1e5)))
        drive = drive * scale[:, None] / input_scale[None, :]
        whole = expm(np.block([[flow, drive], [np.zeros((2 * houses, 4 * houses))]]) * dt_s)
        return _Solution(
            state=whole[: 2 * houses, : 2 * houses] / scale[:, None] * scale[None, :],
            drive=whole[: 2 * houses, 2 * houses :] / scale[:, None] * input_scale[None, :],
            power_from_angle=power_from_angle,
            power_from_load=power_from_load,
            node_from_angle=node_from_angle,
            node_from_load=node_from_load,
            served=fed[:houses],
            component=component,
        )
