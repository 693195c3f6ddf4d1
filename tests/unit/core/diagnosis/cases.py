"""Cases made by hand: four quiet houses on a line, into which a test puts one thing that went wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from microgrid_core.codec.can_dbc import MESSAGES, encode
from microgrid_core.diagnosis.case import CanTraffic, Case, CaseEvent, NodeRecord, Series

Floats = NDArray[np.float64]

FAST_S: Floats = np.round(np.arange(-10.0, 10.0, 0.01), 4)
SLOW_S: Floats = np.arange(-10.0, 10.0, dtype=np.float64) + 0.3
HOUSES = ("house-01", "house-02", "house-03", "house-04")
GATEWAY = "gateway-1"
POWER_W = (900.0, 1100.0, 800.0, 1000.0)


@dataclass(slots=True)
class Bench:
    """A cluster at rest; every channel may be changed before the case is made."""

    code: str
    teller: str = "house-02"
    seed: int = 1
    fast: dict[tuple[str, str], Floats] = field(default_factory=dict)
    slow: dict[tuple[str, str], Floats] = field(default_factory=dict)
    events: list[CaseEvent] = field(default_factory=list)
    traffic: CanTraffic | None = None

    def __post_init__(self) -> None:
        """Fill in quiet houses with the noise of real sensors."""
        rng = np.random.default_rng(self.seed)

        def flat(level: float, noise: float, size: int) -> Floats:
            return level + rng.normal(0.0, noise, size)

        for house, power in zip(HOUSES, POWER_W, strict=True):
            levels = (
                ("inverter_frequency", 49.75, 0.003),
                ("inverter_voltage", 231.0, 0.2),
                ("inverter_current", power / 231.0 * 1.03, 0.06),
                ("inverter_power", power, 14.0),
                ("dc_bus_voltage", 52.7, 0.02),
                ("battery_current", power / 0.94 / 52.7 - 4.0, 0.15),
            )
            for key, level, noise in levels:
                self.fast[house, key] = flat(level, noise, FAST_S.size)
            for number in range(1, 17):
                self.slow[house, f"cell_voltage_{number}"] = flat(52.7 / 16 + 0.0005, 0.0008, SLOW_S.size)
            for number in range(1, 5):
                self.slow[house, f"battery_temperature_{number}"] = flat(
                    24.0 + 0.3 * number, 0.04, SLOW_S.size
                )
            for number, level in ((1, 38.0), (2, 36.5)):
                self.slow[house, f"mosfet_temperature_{number}"] = flat(level, 0.06, SLOW_S.size)
            self.slow[house, "mppt_input_voltage"] = flat(150.0, 0.15, SLOW_S.size)
            self.slow[house, "mppt_input_current"] = flat(1.45, 0.03, SLOW_S.size)
            self.slow[house, "mppt_output_voltage"] = flat(52.7, 0.02, SLOW_S.size)
            self.slow[house, "mppt_output_current"] = flat(4.0, 0.05, SLOW_S.size)
            self.slow[house, "load_power"] = flat(power, 8.0, SLOW_S.size)
        for key, level, noise in (
            ("cluster_frequency", 49.75, 0.003),
            ("swarm_frequency", 49.75, 0.003),
            ("power_flow", 0.0, 20.0),
            ("cluster_voltage", 231.0, 0.2),
            ("swarm_voltage", 231.0, 0.2),
            ("phase_difference", 0.5, 0.1),
        ):
            self.fast[GATEWAY, key] = flat(level, noise, FAST_S.size)

    def add(self, node: str, key: str, amount: Floats | float, since_s: float, until_s: float = 10.0) -> None:
        """Change a channel for a while."""
        where, t = (self.fast, FAST_S) if (node, key) in self.fast else (self.slow, SLOW_S)
        inside = (t >= since_s) & (t < until_s)
        where[node, key][inside] += amount[inside] if isinstance(amount, np.ndarray) else amount

    def stop(self, house: str, at_s: float) -> None:
        """Let an inverter stop."""
        for key in ("inverter_power", "inverter_current"):
            channel = self.fast[house, key]
            channel[at_s <= FAST_S] = np.random.default_rng(5).normal(
                0.0, 0.5, np.count_nonzero(at_s <= FAST_S)
            )
        self.fast[house, "battery_current"][at_s <= FAST_S] = -4.0

    def take(self, house: str, power_w: float, since_s: float, until_s: float = 10.0) -> None:
        """Let an inverter give more power, with all that comes of it."""
        self.add(house, "inverter_power", power_w, since_s, until_s)
        self.add(house, "inverter_current", power_w / 231.0, since_s, until_s)
        self.add(house, "battery_current", power_w / 0.94 / 52.7, since_s, until_s)

    def case(self) -> Case:
        """Return it."""
        records = {
            node: NodeRecord(
                node,
                "gateway" if node == GATEWAY else "house",
                place,
                {
                    key: Series(t, values)
                    for source, t in ((self.fast, FAST_S), (self.slow, SLOW_S))
                    for (of, key), values in source.items()
                    if of == node
                },
                0.0005,
            )
            for place, node in enumerate((GATEWAY, *HOUSES))
        }
        events = (*self.events, CaseEvent(self.teller, self.code, 0.0, True))
        return Case(
            "north.2:5f2a10c4:17",
            self.code,
            self.teller,
            1_795_000_000_000_000,
            10.0,
            10.0,
            records,
            tuple(sorted(events, key=lambda event: event.t_s)),
            self.traffic,
        )


def bus_traffic(
    silent: dict[int, tuple[float, float]] | None = None,
    rebooted: tuple[int, ...] = (),
    flood: tuple[int, float, float] | None = None,
) -> CanTraffic:
    """Traffic of gateway and houses; `silent`: who is silent when, `flood`: who babbles since when."""
    silent = silent or {}
    rows: list[tuple[float, int, bytes]] = []

    def put(t: float, name: str, node: int, values: dict[str, float | None] | None = None) -> None:
        message = MESSAGES[name]
        begin, end = silent.get(node, (99.0, 99.0))
        if not begin <= t < end:
            rows.append((t, message.identifier + node, encode(message, values or {})))

    for tick in range(2000):
        t = -10.0 + 0.01 * tick
        put(t, "Sync", 0)
        for node in range(1, 5):
            put(t + 0.0005 * node, "Frequency", node, {"inverter_frequency": 49.75})
            if tick % 10 == 0:
                put(t + 0.001 + 0.0005 * node, "Inverter", node)
                put(t + 0.003 + 0.0005 * node, "Battery", node, {"battery_connected": 1})
        if tick % 10 == 0:
            put(t + 0.005, "Contactor", 0)
            put(t + 0.0055, "GatewayBus", 0)
        if tick % 100 == 0:
            for node in range(5):
                boot = 1000 + node + (7 if node in rebooted and t > silent[node][0] else 0)
                put(t + 0.006 + 0.0005 * node, "Heartbeat", node, {"boot_id": boot, "protocol": 1})
    if flood is not None:
        node, per_second, since = flood
        for number in range(int(per_second * (10.0 - since))):
            rows.append((since + number / per_second, MESSAGES["Frequency"].identifier + node, bytes(4)))
    rows.sort(key=lambda row: row[0])
    data = np.zeros((len(rows), 8), np.uint8)
    for index, (_, _, payload) in enumerate(rows):
        data[index, : len(payload)] = list(payload)
    return CanTraffic(
        np.array([row[0] for row in rows]),
        np.array([row[1] for row in rows], np.uint16),
        data,
        np.array([len(row[2]) for row in rows], np.uint8),
    )
