"""The whole neighbourhood under one clock: houses in clusters, gateways, single devices, sun and weather."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from microgrid_core.contract.messages import Scalar

from . import readings
from .counters import EnergyCounters
from .disturbance import EFFECTS
from .gateways import Gateways
from .heat_pump import R290, HeatPump, Refrigerant
from .houses import Houses, Surroundings
from .mpp import MppInverter
from .occurrence import Occurrence
from .outside import OutsideGateways, OutsideProtection
from .pi_battery import PiBattery
from .protection import Protection
from .role import Role
from .solar import DAY_S, Clouds, clear_sky_w_m2, sun_position
from .trace import Trace
from .weather import Weather

MPP, BATTERY, HEAT_PUMP = "mpp-1", "battery-1", "hp-1"
STEP_S = 0.01
_PI_HOUSE_PEAK_W = 1200.0  # less than its household needs: when to buy the rest is worth a plan
_TICK_S = 1.0


class Neighbourhood:
    """Physics of the site; equal arguments give equal days."""

    def __init__(
        self,
        houses: int = 12,
        clusters: int = 3,
        seed: int = 1,
        *,
        start_s: float = 10 * 3600.0,
        day_of_year: int = 100,
        latitude_deg: float = 52.0,
        speed: float = 1.0,
        refrigerant: Refrigerant = R290,
        trace: Trace | None = None,
        controlled_outside: bool = False,
    ) -> None:
        """Build the site.

        `start_s` is the local solar time of day. `speed` is how many simulated seconds pass while the energy
        counters, uptimes and bus statistics see one: they belong to the clock of whoever reads them.
        `controlled_outside` leaves protection and contactors to others, see `outside`.
        """
        if not 1 <= clusters <= houses:
            raise ValueError(f"{houses} houses in {clusters} clusters: each cluster needs at least one house")
        rng = np.random.default_rng(seed)
        house_side, gateway_side, cloud_side, air_side, mpp_side, battery_side, pump_side = rng.spawn(7)
        cluster = np.arange(houses) * clusters // houses
        self.house_names = tuple(f"house-{number:02d}" for number in range(1, houses + 1))
        self.gateway_names = tuple(f"gateway-{number}" for number in range(1, clusters + 1))
        protection = (OutsideProtection if controlled_outside else Protection)(houses)
        self.houses = Houses(house_side, self.house_names, cluster, trace, protection)
        kind_of_gateways = OutsideGateways if controlled_outside else Gateways
        self.gateways = kind_of_gateways(gateway_side, self.gateway_names, self.houses.grid)
        self.mpp = MppInverter(mpp_side)
        self.battery = PiBattery(battery_side, pv_peak_w=_PI_HOUSE_PEAK_W)
        self.heat_pump = HeatPump(pump_side, refrigerant)
        self.clouds = Clouds(cloud_side, clusters)
        self.weather = Weather(air_side)
        self.speed = speed
        self.time_s = 0.0
        """Simulated seconds since the start."""
        self.roles: dict[str, Role] = {}
        """What is played at some nodes instead of what the physics would show, by node."""
        self._start_s = start_s
        self._day_of_year = day_of_year
        self.latitude_deg = latitude_deg
        self._until_tick_s = 0.0
        self._occurrences: list[Occurrence] = []
        self._tick(0.0)

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes, gateways before their houses."""
        return (*self.gateway_names, *self.house_names, MPP, BATTERY, HEAT_PUMP)

    @property
    def solar_time_s(self) -> float:
        """Local solar time of day."""
        return (self._start_s + self.time_s) % DAY_S

    @property
    def day_of_year(self) -> int:
        """Day of the year, 1 … 365."""
        return (self._day_of_year - 1 + int((self._start_s + self.time_s) // DAY_S)) % 365 + 1

    def parent(self, node: str) -> str | None:
        """Gateway of a house; None for all other nodes."""
        if node not in self.house_names:
            return None
        return self.gateway_names[int(self.houses.cluster[self.house_names.index(node)])]

    def step(self, seconds: float, step_s: float = STEP_S) -> None:
        """Advance; `step_s` may be up to 10 s where details within it do not matter."""
        counted_h = step_s / self.speed / 3600.0
        for _ in range(round(seconds / step_s)):
            self._until_tick_s -= step_s
            if self._until_tick_s <= 1e-9:
                period = max(_TICK_S, step_s)
                self._until_tick_s += period
                self._tick(period)
            self._occurrences += self.houses.step(step_s, counted_h)
            self._occurrences += self.gateways.step(self.houses.voltage_v, step_s, counted_h)
            self.time_s += step_s

    def take_occurrences(self) -> list[Occurrence]:
        """What happened since the last call."""
        taken, self._occurrences = self._occurrences, []
        return taken

    def values(self, node: str) -> dict[str, Scalar | None]:
        """Readings of a node by metric key, rounded as sensors resolve; None where nothing can be measured.

        Raises KeyError for an unknown node.
        """
        if (role := self.roles.get(node)) is not None:
            return {**self._physical(node), **role.values()}
        return self._physical(node)

    def _physical(self, node: str) -> dict[str, Scalar | None]:
        if node in self.house_names:
            return readings.house(self.houses, self.house_names.index(node))
        if node in self.gateway_names:
            return readings.gateway(self.gateways, self.houses.grid, self.gateway_names.index(node))
        if node == MPP:
            return readings.mpp_inverter(self.mpp)
        if node == BATTERY:
            return readings.battery(self.battery)
        if node == HEAT_PUMP:
            return readings.heat_pump(self.heat_pump)
        raise KeyError(f"{node}: there is no such node; known are {', '.join(self.nodes)}")

    def active_faults(self, node: str) -> tuple[str, ...]:
        """Fault codes active at a node."""
        played = role.faults() if (role := self.roles.get(node)) is not None else ()
        if node in self.house_names:
            found = self.houses.protection.codes(self.house_names.index(node))
        elif node in self.gateway_names:
            found = self.gateways.codes(self.gateway_names.index(node))
        else:
            found = ()
        return tuple(dict.fromkeys((*found, *played)))

    def disturb(self, node: str, code: str, duration_s: float) -> None:
        """Let a fault's disturbance loose at a house or gateway; raises ValueError when that can not be."""
        if code not in EFFECTS:
            raise ValueError(f"fault {code}: there is no disturbance for it; known are {', '.join(EFFECTS)}")
        of_gateway = code in ("F040", "F041")
        names = self.gateway_names if of_gateway else self.house_names
        if node not in names:
            raise ValueError(f"fault {code} happens at {names[0]} … {names[-1]}, not at {node}")
        unit = names.index(node)
        if not of_gateway:
            self.houses.disturbances.begin(code, unit, duration_s)
            return
        self.gateways.disturbances.begin(code, unit, duration_s)
        # The contactor falls off against its command: F041 holds it there, with F040 it cannot synchronise.
        self.gateways.command(unit, True)
        self.houses.grid.contactor_closed[unit] = False

    def restart(self, node: str) -> None:
        """Restart a node: its counters begin again at zero."""
        for names, group in ((self.house_names, self.houses), (self.gateway_names, self.gateways)):
            if node in names:
                group.energy.reset(names.index(node))
                group.vitals.restart(names.index(node))
        if node == MPP:
            self.mpp.energy.reset(0)
        elif node == BATTERY:
            self.battery.energy.reset(0)

    def snapshot(self) -> dict[str, Any]:
        """State worth keeping over a restart of the simulator: charge, ageing, counters."""
        return {
            name: {"pack": pack.snapshot(), "energy": energy.snapshot()}
            for name, pack, energy in self._stores()
            if pack is not None
        } | {"gateways": {"energy": self.gateways.energy.snapshot()}}

    def restore(self, saved: dict[str, Any]) -> None:
        """Carry on from a snapshot; raises ValueError when it is of another neighbourhood."""
        try:
            for name, pack, energy in self._stores():
                if pack is not None:
                    pack.restore(saved[name]["pack"])
                energy.restore(saved[name]["energy"])
        except (KeyError, TypeError, AttributeError) as error:
            raise ValueError(f"the saved state lacks or misspells {error}") from None

    def _stores(self) -> Iterator[tuple[str, Any, EnergyCounters]]:
        yield "houses", self.houses.packs, self.houses.energy
        yield "mpp", self.mpp.pack, self.mpp.energy
        yield "battery", self.battery.pack, self.battery.energy
        yield "gateways", None, self.gateways.energy

    def _tick(self, dt_s: float) -> None:
        """Sun, weather, households, temperatures and the slow devices."""
        counted_s = dt_s / self.speed
        counted_h = counted_s / 3600.0
        time_of_day, day = self.solar_time_s, self.day_of_year
        self.clouds.step(dt_s)
        self.weather.step(day, time_of_day, self.clouds.cover, dt_s)
        sun = sun_position(self.latitude_deg, day, time_of_day)
        ambient = self.weather.temperature_c
        if dt_s == 0.0:  # the first step of the grid tells its topology
            self.houses.grid.step(self.houses.load_w, STEP_S)
        around = Surroundings(day, time_of_day, sun, self.clouds.transmittance, ambient)
        self.houses.tick(around, dt_s)
        self.gateways.measure(self.houses.voltage_v)
        self.houses.vitals.step(counted_s)
        self.houses.vitals.can_errors += self.houses.disturbances["can_errors_per_s"] * counted_s
        self.gateways.vitals.step(counted_s)
        shade = float(self.clouds.transmittance[0])
        self.mpp.step(time_of_day, sun, shade, ambient, dt_s, counted_h)
        self.battery.step(time_of_day, sun, shade, ambient, dt_s, counted_h)
        ground = clear_sky_w_m2(sun.sin_elevation) * float(np.mean(self.clouds.transmittance))
        self.heat_pump.step(
            ambient, self.weather.humidity_percent, 0.0 if math.isnan(ground) else ground, dt_s
        )
