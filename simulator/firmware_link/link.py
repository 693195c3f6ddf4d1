"""Physics and firmware joined: measurements go out, trips and contactor commands come back."""

from __future__ import annotations

import json
import logging
import math
import selectors
import socket
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ..physics import readings
from ..physics.neighbourhood import Neighbourhood
from ..physics.outside import OutsideGateways, OutsideProtection
from . import wire
from .clock_errors import ClockErrors
from .wire import Answer, Contact, Flags, Role

_LOGGER = logging.getLogger(__name__)
_LOOPBACK = "127.0.0.1"
_SLOW_S = 1.0
_COMPARE_S = 0.1
_REPORT_S = 10.0
_TELL_S = 60.0
_SILENT_S = 1.0
"""A contactor that hears nothing for so long opens (contract/can.md §6)."""
_STALE_NS = 1_000_000_000

# What the sensors of a house measure beside the quick values; the firmware works out the rest.
HOUSE_SENSORS = (
    *("mosfet_temperature_1", "mosfet_temperature_2", "load_power"),
    *("state_of_charge", "battery_stored_energy", "battery_state_of_health", "battery_cycles"),
    *(f"cell_voltage_{cell}" for cell in range(1, 17)),
    *(f"battery_temperature_{probe}" for probe in range(1, 5)),
    "battery_balancing",
    *("mppt_input_voltage", "mppt_input_current", "mppt_output_voltage", "mppt_output_current"),
)
GATEWAY_SENSORS = ("wifi_signal",)


@dataclass(slots=True)
class _Program:
    """What is known of one node's program."""

    boot_id: int = 0
    heard_s: float = -math.inf
    flags: Flags = field(default_factory=lambda: Flags(0))
    silence_told: bool = True


class FirmwareLink:
    """One multicast group on the loopback interface; all methods belong to the simulation's loop."""

    def __init__(
        self,
        site: Neighbourhood,
        group: tuple[str, int],
        selector: selectors.BaseSelector,
        report: Path | None = None,
    ) -> None:
        """Open the socket; OSError when that cannot be. The site must be `controlled_outside`."""
        protection, gateways = site.houses.protection, site.gateways
        if not isinstance(protection, OutsideProtection) or not isinstance(gateways, OutsideGateways):
            raise TypeError("firmware can only live on a neighbourhood that is controlled from outside")
        self._site = site
        self._protection = protection
        self._gateways = gateways
        self._group = group
        self._report = report
        self.clocks = ClockErrors()
        self._houses = [_Program() for _ in site.house_names]
        self._gateway_programs = [_Program() for _ in site.gateway_names]
        self._sequence = 0
        now = time.monotonic()
        self._next_slow = [now + _SLOW_S * n / len(self._names) for n in range(len(self._names))]
        self._next_compare, self._next_report, self._next_told = now, now + _REPORT_S, now + _TELL_S
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton(_LOOPBACK))
        self._socket.bind((_LOOPBACK, 0))
        self._socket.setblocking(False)
        selector.register(self._socket, selectors.EVENT_READ, self)

    @property
    def _names(self) -> tuple[tuple[Role, int, str], ...]:
        return (
            *((Role.HOUSE, slot, name) for slot, name in enumerate(self._site.house_names)),
            *((Role.GATEWAY, slot, name) for slot, name in enumerate(self._site.gateway_names)),
        )

    def tell(self) -> None:
        """Send what is measured now."""
        houses, gateways, grid = self._site.houses, self._gateways, self._site.houses.grid
        gateways.measure(houses.voltage_v)
        measured = houses.measured
        quick = zip(
            houses.measured_frequency_hz.tolist(),
            measured.inverter_voltage_v.tolist(),
            # What disturbs it makes it larger, whichever way it flows.
            np.copysign(measured.inverter_current_a, houses.current_a).tolist(),
            grid.power_w.tolist(),
            measured.dc_bus_v.tolist(),
            houses.measured_battery_current_a.tolist(),
            strict=True,
        )
        sides = zip(
            gateways.cluster_frequency_hz.tolist(),
            gateways.swarm_frequency_hz.tolist(),
            gateways.cluster_voltage_v.tolist(),
            gateways.swarm_voltage_v.tolist(),
            gateways.phase_deg.tolist(),
            grid.gateway_flow_w.tolist(),
            strict=True,
        )
        contacts = [Contact.CLOSED if closed else Contact.OPEN for closed in grid.contactor_closed]
        self._sequence += 1
        self._send(wire.fast(self._sequence, time.monotonic_ns(), list(quick), list(sides), contacts))

    def maintain(self, now: float) -> None:
        """Send slow values, look after silent programs, compare the clocks."""
        for number, (role, slot, name) in enumerate(self._names):
            if now >= self._next_slow[number]:
                self._next_slow[number] = max(self._next_slow[number] + _SLOW_S, now)
                self._send(wire.slow(role, slot, name, self._slow_values(role, slot)))
        for slot, program in enumerate(self._gateway_programs):
            if program.boot_id and now - program.heard_s > _SILENT_S:
                self._gateways.commanded[slot] = False
        self._tell_silence(now)
        if now >= self._next_compare:
            self._next_compare = now + _COMPARE_S
            self.clocks.compare(now)
        if now >= self._next_report:
            self._next_report = now + _REPORT_S
            self.write_report()
        if now >= self._next_told:
            self._next_told = now + _TELL_S
            _LOGGER.info("%s", self.clock_line())

    def read(self) -> None:
        """Take one answer."""
        try:
            datagram = self._socket.recv(2048)
        except (BlockingIOError, ConnectionRefusedError):
            return
        answer = wire.read_answer(datagram)
        programs = self._houses if answer and answer.role is Role.HOUSE else self._gateway_programs
        if answer is not None and answer.slot < len(programs):
            self._take(answer, programs[answer.slot])

    def close(self) -> None:
        """Write the last report and leave."""
        self.write_report()
        _LOGGER.info("%s", self.clock_line())
        self._socket.close()

    def clock_line(self) -> str:
        """The clocks in one line."""
        between = self.clocks.between_houses.summary()
        return (
            f"clock error between houses: 50 % {between['p50_ms']:.3f} ms, 95 % {between['p95_ms']:.3f} ms, "
            f"most {between['max_ms']:.3f} ms"
        )

    def write_report(self) -> None:
        """Write the statistics of the clocks; a reader sees the old file or the new one."""
        if self._report is None:
            return
        temporary = self._report.with_name(f"{self._report.name}.tmp")
        temporary.write_text(json.dumps(self.clocks.summary(), indent=1), encoding="utf-8")
        temporary.replace(self._report)

    def _send(self, datagram: bytes) -> None:
        try:
            self._socket.sendto(datagram, self._group)
        except OSError as error:  # the next one comes in a moment
            _LOGGER.debug("feed: %s", error)

    def _slow_values(self, role: Role, slot: int) -> dict[str, float | bool | None]:
        if role is Role.HOUSE:
            known, keys = readings.house(self._site.houses, slot), HOUSE_SENSORS
        else:
            known = readings.gateway(self._gateways, self._site.houses.grid, slot)
            keys = GATEWAY_SENSORS
        values: dict[str, float | bool | None] = {}
        for key in keys:
            value = known[key]
            values[key] = None if value is None or isinstance(value, str) else value
        return values

    def _take(self, answer: Answer, program: _Program) -> None:
        now, now_ns = time.monotonic(), time.monotonic_ns()
        if not 0 <= now_ns - answer.monotonic_ns < _STALE_NS:
            return
        names = self._site.house_names if answer.role is Role.HOUSE else self._site.gateway_names
        name = names[answer.slot]
        if answer.boot_id != program.boot_id or program.silence_told:
            _LOGGER.info("%s speaks, boot %08x", name, answer.boot_id)
            program.silence_told = False
        changed = answer.flags ^ program.flags
        program.boot_id, program.heard_s, program.flags = answer.boot_id, now, answer.flags
        if answer.role is Role.HOUSE:
            self._protection.tripped[answer.slot] = Flags.TRIPPED in answer.flags
            if Flags.TRIPPED in changed:
                _LOGGER.info("%s %s", name, "trips" if Flags.TRIPPED in answer.flags else "may run again")
        else:
            self._gateways.commanded[answer.slot] = Flags.DRIVEN in answer.flags
            self._gateways.synchronising[answer.slot] = Flags.COMMANDED in answer.flags
            if Flags.DRIVEN in changed:
                state = "closed" if Flags.DRIVEN in answer.flags else "open"
                _LOGGER.info("%s drives its contactor %s", name, state)
        error_us = None
        if Flags.TIME_VALID in answer.flags:
            error_us = answer.utc_us - (answer.monotonic_ns + _realtime_ahead_ns()) / 1000.0
        if answer.role is Role.HOUSE:
            self.clocks.house(answer.slot, now, error_us)
        else:
            self.clocks.gateway(answer.slot, now, error_us)

    def _tell_silence(self, now: float) -> None:
        for programs, names in (
            (self._houses, self._site.house_names),
            (self._gateway_programs, self._site.gateway_names),
        ):
            for program, name in zip(programs, names, strict=True):
                if not program.silence_told and now - program.heard_s > _SILENT_S:
                    program.silence_told = True
                    _LOGGER.warning("%s is silent", name)


def _realtime_ahead_ns() -> int:
    """CLOCK_REALTIME minus CLOCK_MONOTONIC, from two readings with hardly any time between them."""
    best_ns, width_ns = 0, math.inf
    for _ in range(3):
        before = time.monotonic_ns()
        realtime = time.time_ns()
        after = time.monotonic_ns()
        if after - before < width_ns:
            width_ns, best_ns = after - before, realtime - (before + after) // 2
    return best_ns
