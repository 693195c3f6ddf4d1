"""Firmware on the physics: datagrams, what the answers do, the time server, how far clocks are apart."""

from __future__ import annotations

import json
import selectors
import socket
import struct
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, strategies as st

from simulator.firmware_link import time_server, wire
from simulator.firmware_link.clock_errors import ClockErrors, Distribution
from simulator.firmware_link.link import FirmwareLink
from simulator.firmware_link.wire import Contact, Flags, Role
from simulator.physics.neighbourhood import STEP_S, Neighbourhood

GROUP = "239.74.163.1"
NTP_EPOCH_S = 2_208_988_800
NOTHING = Flags(0)


def answer(role: Role, slot: int, flags: Flags = NOTHING, *, late_us: float = 0.0) -> bytes:
    """An answer as a host program sends it, its clock late by so much."""
    monotonic_ns = time.monotonic_ns()
    utc_us = int(time.time_ns() / 1000 - late_us)
    return struct.pack("<5sBBBIIqqI", b"UMGS\x01", 3, role, slot, flags, 0x1234, monotonic_ns, utc_us, 500)


class Bench:
    """A link with an ear in its group and a mouth of a program."""

    def __init__(self, report: Path) -> None:
        """Two clusters of two houses."""
        self.site = Neighbourhood(4, 2, seed=3, controlled_outside=True)
        self.ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.ear.bind((GROUP, 0))
        membership = socket.inet_aton(GROUP) + socket.inet_aton("127.0.0.1")
        self.ear.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, membership)
        self.ear.settimeout(60.0)
        self.selector = selectors.DefaultSelector()
        self.link = FirmwareLink(self.site, (GROUP, self.ear.getsockname()[1]), self.selector, report)
        self.mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.link.tell()
        self.fast, self.address = self.ear.recvfrom(4096)

    def say(self, datagram: bytes) -> None:
        """Send to the link and let it read."""
        self.mouth.sendto(datagram, self.address)
        for key, _ in self.selector.select(5.0):
            key.data.read()

    def close(self) -> None:
        """Give everything back."""
        self.link.close()
        self.mouth.close()
        self.ear.close()
        self.selector.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A link and what it talks to."""
    with closing(Bench(tmp_path / "clocks.json")) as made:
        yield made


def test_fast_datagrams_carry_what_is_measured(bench: Bench) -> None:
    assert bench.fast[:8] == b"UMGS\x01\x01\x04\x02"
    values = struct.unpack_from("<36f", bench.fast, 20)
    assert list(bench.fast[20 + 144 :]) == [Contact.CLOSED, Contact.CLOSED]
    assert values[0] == pytest.approx(bench.site.houses.measured_frequency_hz[0], abs=1e-3)
    assert values[18 + 1] == pytest.approx(bench.site.houses.measured.inverter_voltage_v[3], abs=1e-2)
    assert values[24 + 5] == pytest.approx(bench.site.houses.grid.gateway_flow_w[0], abs=1.0)


def test_an_overcurrent_is_one_in_both_directions(bench: Bench) -> None:
    bench.site.houses.grid.setpoint_w[:] = (-1500.0, 1500.0, -1500.0, 1500.0)
    for house in bench.site.house_names:
        bench.site.disturb(house, "F001", 30.0)
    bench.site.step(2.0)
    bench.link.tell()
    values = struct.unpack_from("<24f", bench.ear.recv(4096), 20)
    currents = values[2::6]
    assert all(abs(current) > 40.0 for current in currents)
    assert {current > 0.0 for current in currents} == {True, False}


def test_slow_datagrams_name_the_node_and_its_metrics(bench: Bench) -> None:
    bench.link.maintain(time.monotonic() + 1.0)
    slow = bench.ear.recv(4096)
    assert slow[:6] == b"UMGS\x01\x02" and slow[6] == 0
    assert slow[8:10] == bytes([Role.HOUSE, 8]) and slow[10:18] == b"house-01"
    found, place = {}, 18
    for _ in range(slow[7]):
        end = place + 1 + slow[place]
        found[slow[place + 1 : end].decode()] = struct.unpack_from("<d", slow, end)[0]
        place = end + 8
    assert place == len(slow)
    assert found["state_of_charge"] == pytest.approx(
        100.0 * bench.site.houses.packs.state_of_charge[0], abs=0.06
    )
    assert 2.5 < found["cell_voltage_16"] < 3.7


def test_a_trip_stops_the_inverter_until_it_is_taken_back(bench: Bench) -> None:
    running = bench.site.houses.grid.inverter_on
    bench.say(answer(Role.HOUSE, 2, Flags.TRIPPED))
    bench.site.step(STEP_S)
    assert bench.site.houses.grid.inverter_on.tolist() == [True, True, False, True] and running.all()
    bench.say(answer(Role.HOUSE, 2))
    bench.site.step(STEP_S)
    assert bench.site.houses.grid.inverter_on.all()


def test_the_physics_itself_trips_nothing(bench: Bench) -> None:
    bench.site.disturb("house-01", "F001", 5.0)
    bench.site.step(2.0)
    assert bench.site.houses.grid.inverter_on.all() and not bench.site.take_occurrences()


def test_a_contactor_follows_its_coil(bench: Bench) -> None:
    closed = bench.site.houses.grid.contactor_closed
    bench.say(answer(Role.GATEWAY, 1))
    bench.site.step(STEP_S)
    assert closed.tolist() == [True, False]
    bench.say(answer(Role.GATEWAY, 1, Flags.COMMANDED))
    bench.site.step(3.0)
    assert closed.tolist() == [True, False], "it waits to be driven"
    bench.say(answer(Role.GATEWAY, 1, Flags.COMMANDED | Flags.DRIVEN))
    bench.site.step(0.02)
    assert closed.tolist() == [True, False], "contacts take their time"
    bench.site.step(0.05)
    assert closed.all()


def test_a_commanded_cluster_is_steered_towards_the_swarm(bench: Bench) -> None:
    bench.say(answer(Role.GATEWAY, 1))
    bench.site.step(30.0)
    bench.say(answer(Role.GATEWAY, 1, Flags.COMMANDED))
    bench.site.step(30.0)
    assert abs(bench.site.gateways.phase_deg[1]) < 5.0


def test_a_stuck_contactor_does_not_follow(bench: Bench) -> None:
    bench.site.disturb("gateway-1", "F041", 60.0)
    bench.say(answer(Role.GATEWAY, 0, Flags.COMMANDED | Flags.DRIVEN))
    bench.site.step(1.0)
    assert not bench.site.houses.grid.contactor_closed[0]


def test_a_contactor_that_hears_nothing_opens(bench: Bench) -> None:
    bench.say(answer(Role.GATEWAY, 0, Flags.DRIVEN))
    bench.link.maintain(time.monotonic() + 0.5)
    bench.site.step(STEP_S)
    assert bench.site.houses.grid.contactor_closed.all()
    bench.link.maintain(time.monotonic() + 1.5)
    bench.site.step(STEP_S)
    assert bench.site.houses.grid.contactor_closed.tolist() == [False, True], "the other never spoke"


def test_clock_errors_are_those_between_houses(bench: Bench, tmp_path: Path) -> None:
    late_us = (0.0, 400.0, -300.0, 0.0)
    for slot, late in enumerate(late_us):
        flags = Flags.TIME_VALID if slot < 3 else NOTHING
        bench.say(answer(Role.HOUSE, slot, flags, late_us=late))
    bench.link.maintain(time.monotonic() + 0.2)
    bench.link.write_report()
    report = json.loads((tmp_path / "clocks.json").read_text())
    assert report["between_houses"]["count"] == 3
    assert report["between_houses"]["max_ms"] == pytest.approx(0.7, abs=0.05)
    assert report["houses"]["max_ms"] == pytest.approx(0.4, abs=0.05)


def test_percentiles_of_a_distribution() -> None:
    errors = Distribution()
    errors.add(np.arange(1.0, 101.0) * np.where(np.arange(100) % 2, 1.0, -1.0))
    assert errors.summary() == {"count": 100, "p50_ms": 0.05, "p95_ms": 0.095, "max_ms": 0.1}
    errors.add(np.array([5e6]))
    assert errors.summary()["max_ms"] == 5000.0


def test_old_readings_of_clocks_are_not_compared() -> None:
    clocks = ClockErrors()
    clocks.house(0, 10.0, 100.0)
    clocks.house(1, 10.4, -100.0)
    clocks.compare(10.45)
    clocks.compare(10.6)
    assert clocks.between_houses.count == 1 and clocks.of_houses.count == 3


@given(st.binary(max_size=80))
def test_any_bytes_may_be_an_answer(datagram: bytes) -> None:
    for hostile in (
        datagram,
        b"UMGS\x01\x03" + datagram,
        (b"UMGS\x01\x03" + datagram)[:36].ljust(36, b"\xff"),
    ):
        found = wire.read_answer(hostile)
        assert found is None or found.role in Role


def test_hostile_answers_change_nothing(bench: Bench) -> None:
    old = bytearray(answer(Role.HOUSE, 1, Flags.TRIPPED))
    struct.pack_into("<q", old, 16, time.monotonic_ns() - 2_000_000_000)
    for hostile in (b"", b"UMGS", answer(Role.HOUSE, 4, Flags.TRIPPED), answer(Role.GATEWAY, 2), bytes(old)):
        bench.say(hostile)
    bench.site.step(STEP_S)
    grid = bench.site.houses.grid
    assert grid.inverter_on.all() and grid.contactor_closed.all()


def test_firmware_needs_a_site_that_is_controlled_from_outside() -> None:
    with selectors.DefaultSelector() as selector, pytest.raises(TypeError, match="controlled from outside"):
        FirmwareLink(Neighbourhood(2, 1), (GROUP, 9), selector)


def ntp_request(version: int = 4, mode: int = 3) -> bytes:
    """A client's packet that was sent at 1 + 2⁻³² s of its own time."""
    return bytes([version << 3 | mode]) + bytes(39) + struct.pack("!II", 1, 1)


def test_the_time_server_answers_with_the_time_of_this_machine() -> None:
    with selectors.DefaultSelector() as selector:
        server = time_server.TimeServer(("127.0.0.1", 0), selector)
        client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        client.settimeout(60.0)
        with closing(server), closing(client):
            before = time.time()
            client.sendto(ntp_request(), server.address)
            asked = time.time()
            time.sleep(0.05)  # the server is busy; the kernel has noted when the question came
            for key, _ in selector.select(5.0):
                key.data.read()
            packet = client.recv(1024)
    words = struct.unpack("!11I", packet[4:])
    assert packet[0] == 4 << 3 | 4 and packet[1] == 1
    assert words[5:7] == (1, 1), "the client's own time comes back"
    received = words[7] - NTP_EPOCH_S + words[8] / 2**32
    sent = words[9] - NTP_EPOCH_S + words[10] / 2**32
    assert before <= received < asked + 0.04 and received + 0.04 < sent <= time.time()


@pytest.mark.parametrize("request_", [b"", b"x" * 47, ntp_request(mode=4), ntp_request(version=7)])
def test_the_time_server_ignores_what_is_no_question(request_: bytes) -> None:
    assert time_server.reply(request_, 0, 0) is None
