"""The link to an inverter, over a packet socket as USB and a terminal as RS-232, and all that goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import socket
import termios
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from microgrid_daemon.identity import TRIES, Identity, identify
from microgrid_daemon.pi30.decode import Reply
from microgrid_daemon.pi30.models import Family
from microgrid_daemon.pi30.rejection import Reason, Rejection
from microgrid_daemon.pi30.table import Layout
from microgrid_daemon.transport.hidraw import hidraw_paths, open_hidraw
from microgrid_daemon.transport.line import Line, LineGone
from microgrid_daemon.transport.link import Link, Timing, same_serial
from microgrid_daemon.transport.place import Place, place_of
from microgrid_daemon.transport.serial import open_serial
from simulator.pi30.device import Device
from simulator.pi30.unit import Unit
from tests.daemon.stage import FAST, REPLY_S, link_to, serial_place, usb_place, wired

SERIAL = "92932105105315"


@pytest.fixture
def device() -> Device:
    """A healthy inverter."""
    return Device(Unit(SERIAL))


@pytest_asyncio.fixture(params=["usb", "serial"])
async def link(request: pytest.FixtureRequest, device: Device) -> AsyncIterator[Link]:
    """A link to it, over either kind of line."""
    with wired(device, request.param) as places:
        made = link_to(places)
        yield made
        await made.close()


def _reason(answer: Reply | Rejection) -> Reason | None:
    return answer.reason if isinstance(answer, Rejection) else None


async def test_every_query_of_the_device_is_answered(link: Link) -> None:
    for command in [
        "QPI",
        "QID",
        "QSID",
        "QGMN",
        "QMN",
        "QVFW",
        "QMOD",
        "QPIWS",
        "QPIGS",
        "QPIGS2",
        "QPIRI",
        "QFLAG",
        "QDI",
        "QMCHGCR",
        "QBEQI",
        "QET",
    ]:
        answer = await link.request(command)
        assert isinstance(answer, Reply), answer
    status = await link.request("QPIGS")
    assert isinstance(status, Reply)
    assert status.values["pv_charging_power"] == 1274
    assert status.values["scc_charging"] is True
    assert link.connected
    assert link.counters["retries"] == 0


async def test_requests_go_one_after_the_other(link: Link, device: Device) -> None:
    device.behaviour.delay_s = 0.02
    answers = await asyncio.gather(*(link.request(command) for command in ("QMOD", "QET", "QLT", "QPI")))
    assert [isinstance(answer, Reply) and answer.command for answer in answers] == [
        "QMOD",
        "QET",
        "QLT",
        "QPI",
    ]
    assert device.heard == ["QMOD", "QET", "QLT", "QPI"]


async def test_setters_are_accepted_and_refused(link: Link, device: Device) -> None:
    accepted, refused = await link.request("POP01"), await link.request("POP07")
    assert isinstance(accepted, Reply)
    assert accepted.values == {"ack": True}
    assert isinstance(refused, Reply)
    assert refused.values == {"ack": False}
    assert device.unit.settings.output_source_priority == 1


async def test_what_is_no_command_is_not_sent(link: Link, device: Device) -> None:
    with pytest.raises(ValueError, match="must be printable"):
        await link.request("QMOD\rPF")
    assert device.heard == []


async def test_an_answer_in_pieces_is_whole(link: Link, device: Device) -> None:
    device.behaviour.byte_s = 0.0005
    assert isinstance(await link.request("QPIGS"), Reply)


async def test_noise_around_answers_is_left(link: Link, device: Device) -> None:
    device.behaviour.noise_before = b"\x00\xff(12.3 \x7f"
    device.behaviour.noise_after = b"\x00(0101"
    device.behaviour.line_feed = True
    for _ in range(3):
        assert isinstance(await link.request("QPIGS"), Reply)
    assert link.counters["retries"] == 0


async def test_an_answer_without_an_end_is_none(link: Link, device: Device) -> None:
    device.behaviour.fixed_answer = b"(230.0 50"
    answer = await link.request("QPIGS")
    assert _reason(answer) is Reason.TOO_SHORT
    assert "bytes came, and no end" in str(answer)


async def test_an_answer_behind_an_echo_is_found(link: Link, device: Device) -> None:
    device.behaviour.echoes_first = True
    assert isinstance(await link.request("QPIRI"), Reply)


async def test_an_echo_alone_tells_of_the_wiring(link: Link, device: Device) -> None:
    device.behaviour.echoes = True
    answer = await link.request("QMOD")
    assert _reason(answer) is Reason.ECHO
    assert "wiring" in str(answer)
    device.behaviour.echoes = False
    assert isinstance(await link.request("QMOD"), Reply)


async def test_a_broken_answer_is_asked_for_again(link: Link, device: Device) -> None:
    device.behaviour.breaks_crc = 1
    assert isinstance(await link.request("QPIGS"), Reply)
    assert link.counters["retries"] == 1
    device.behaviour.breaks_crc = 2
    assert _reason(await link.request("QPIGS")) is Reason.BAD_CRC
    assert link.counters["bad_crc"] == 1


async def test_the_first_command_after_a_pause_may_be_lost(link: Link, device: Device) -> None:
    device.behaviour.sleeps = True
    assert isinstance(await link.request("QMOD"), Reply)
    # Also a setter is said again then, and only then.
    await link.close()
    device.behaviour.sleeps = True
    answer = await link.request("POP00")
    assert isinstance(answer, Reply)
    device.behaviour.sleeps = True
    assert _reason(await link.request("POP01")) is Reason.SILENCE
    assert device.unit.written == ["POP00"]


async def test_refusals_come_at_once_and_those_of_known_commands_are_doubted(
    link: Link, device: Device
) -> None:
    assert _reason(await link.request("QOPM")) is Reason.REFUSED
    assert device.heard == ["QOPM"]
    await link.request("QMOD")
    device.behaviour.refuses = frozenset({"QMOD"})
    assert _reason(await link.request("QMOD")) is Reason.REFUSED
    assert device.heard[2:] == ["QMOD", "QMOD"]


async def test_what_is_never_answered_is_asked_no_more(link: Link, device: Device) -> None:
    device.behaviour.silent_to = frozenset({"QET", "QT"})
    for _ in range(2):
        assert _reason(await link.request("QET")) is Reason.SILENCE
        assert isinstance(await link.request("QMOD"), Reply)
    heard = device.heard.count("QET")
    answer = await link.request("QET")
    assert _reason(answer) is Reason.UNSUPPORTED
    assert device.heard.count("QET") == heard
    # It may be another device that is plugged in next.
    device.behaviour.silent_to = frozenset()
    await link.close()
    assert isinstance(await link.request("QET"), Reply)


async def test_a_device_that_hangs_loses_no_command(link: Link, device: Device) -> None:
    assert isinstance(await link.request("QMOD"), Reply)
    device.behaviour.silent = True
    opened = link.counters["opened"]
    for _ in range(5):
        assert _reason(await link.request("QMOD")) is Reason.SILENCE
    assert not link.connected  # opened anew: some bridges work again only then
    device.behaviour.silent = False
    await asyncio.sleep(0.05)
    assert isinstance(await link.request("QMOD"), Reply)
    assert link.counters["opened"] == opened + 1


async def test_zeros_of_a_checksum_are_sent_as_ones_where_needed(link: Link, device: Device) -> None:
    device.behaviour.deaf_to_zero = True
    assert isinstance(await link.request("QMOD"), Reply)
    assert isinstance(await link.request("PBFT48.8"), Reply)
    assert device.unit.settings.battery_float_voltage == 48.8
    assert link.counters["retries"] == 1
    assert isinstance(await link.request("PBFT48.8"), Reply)  # now it is known
    assert link.counters["retries"] == 1


async def test_a_late_answer_is_not_taken_for_the_next(link: Link, device: Device) -> None:
    patient = Timing(settle_s=0.5)
    link._timing = patient
    await link.request("QMOD")
    device.behaviour.delay_s = 2.5 * REPLY_S
    assert _reason(await link.request("QET")) in (Reason.SILENCE, Reason.WRONG_SHAPE, None)
    device.behaviour.delay_s = 0.0
    answer = await link.request("QLT")
    assert isinstance(answer, Reply)
    assert answer.values == {"energy_wh": 3_907_100}


async def test_a_cancelled_request_leaves_the_link_usable(link: Link, device: Device) -> None:
    device.behaviour.delay_s = 0.1
    task = asyncio.create_task(link.request("QET"))
    await asyncio.sleep(0.03)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    link._timing = Timing(settle_s=0.2)
    device.behaviour.delay_s = 0.0
    answer = await link.request("QLT")
    assert isinstance(answer, Reply)
    assert answer.values == {"energy_wh": 3_907_100}


async def test_other_protocols_are_refused_by_name(link: Link, device: Device) -> None:
    device.unit.protocol = "PI34"
    answer = await link.request("QPI")
    assert _reason(answer) is Reason.FOREIGN_PROTOCOL
    assert "PI34" in str(answer)
    device.behaviour.fixed_answer = b"^0\x1b\xe3\r"
    nobody = await identify(link)
    assert isinstance(nobody, Rejection)
    assert nobody.reason is Reason.FOREIGN_PROTOCOL
    assert "PI17/PI18" in str(nobody)


async def test_endless_noise_stops_nothing(device: Device) -> None:
    class Chatter(Line):
        async def receive(self) -> bytes:
            return b"("

        def drain(self) -> None: ...

        async def send(self, message: bytes) -> None: ...

    ours, theirs = os.pipe()
    link = link_to([Place("noise", lambda: Chatter(ours), REPLY_S)])
    answer = await link.request("QMOD")
    assert _reason(answer) in (Reason.TOO_LONG, Reason.TOO_SHORT)
    await link.close()
    os.close(theirs)


# ------------------------------------------------------------------------------------ unplugging, and finding


@pytest.mark.parametrize("kind", ["usb", "serial"])
async def test_unplugged_and_plugged_in_again(device: Device, kind: str) -> None:
    places = [usb_place(device) if kind == "usb" else serial_place(device.plug_into_terminal())]
    link = link_to(places, SERIAL)
    assert isinstance(await link.request("QMOD"), Reply)
    device.behaviour.delay_s = 0.1
    task = asyncio.create_task(link.request("QPIGS"))
    await asyncio.sleep(0.03)
    device.unplug()
    assert _reason(await task) is Reason.DISCONNECTED
    assert not link.connected
    assert _reason(await link.request("QMOD")) is Reason.DISCONNECTED  # not looked for at once
    device.behaviour.delay_s = 0.0
    if kind == "serial":
        places[:] = []
        await asyncio.sleep(0.05)
        assert _reason(await link.request("QMOD")) is Reason.NOT_FOUND
        places[:] = [serial_place(device.plug_into_terminal(), "elsewhere")]
    await asyncio.sleep(0.1)
    assert isinstance(await link.request("QMOD"), Reply)
    assert link.place == places[0].name
    await link.close()
    await link.close()
    device.unplug()


async def test_several_are_told_apart_by_their_serial_numbers() -> None:
    first, second = Device(Unit("92932105105315")), Device(Unit("9613220710021100007X"[:20]))
    stranger = Device(Unit("10000000000001"))
    places = [usb_place(stranger, "c"), usb_place(second, "b"), usb_place(first, "a")]
    claimed: set[str] = set()
    links = [
        Link(lambda: places, serial_number=number, timing=FAST, claimed=claimed)
        for number in ("92932105105315", "96132207100211")
    ]
    # Two that look at the same time do not take each other's place.
    for _ in range(20):
        answers = await asyncio.gather(*(link.request("QSID") for link in links))
        if all(isinstance(answer, Reply) for answer in answers):
            break
        await asyncio.sleep(0.02)
    assert [link.place for link in links] == ["a", "b"]
    assert claimed == {"a", "b"}
    # Swapped over night: the links find theirs.
    for device in (first, second):
        device.unplug()
    places[1:] = [usb_place(second, "a"), usb_place(first, "b")]
    for link in links:
        assert _reason(await link.request("QMOD")) is Reason.DISCONNECTED
    for _ in range(50):
        answers = [await link.request("QMOD") for link in links]
        if all(isinstance(answer, Reply) for answer in answers):
            break
        await asyncio.sleep(0.02)
    assert [link.place for link in links] == ["b", "a"]
    for link in links:
        await link.close()
    assert claimed == set()
    for device in (first, second, stranger):
        device.unplug()


async def test_the_wrong_inverter_alone_is_not_taken(device: Device) -> None:
    link = link_to([usb_place(device)], "10000000000009")
    answer = await link.request("QMOD")
    assert _reason(answer) is Reason.NOT_FOUND
    assert f"this is inverter {SERIAL}" in str(answer)
    device.behaviour.fixed_answer = b"^0\x1b\xe3\r"
    await asyncio.sleep(0.05)
    assert _reason(await link.request("QMOD")) is Reason.FOREIGN_PROTOCOL
    device.behaviour.fixed_answer = b""
    device.behaviour.refuses = frozenset({"QID", "QSID"})
    await asyncio.sleep(0.1)
    assert _reason(await link.request("QMOD")) is Reason.NOT_FOUND
    device.unplug()


async def test_unplugged_while_it_is_looked_for(device: Device) -> None:
    device.behaviour.delay_s = 0.1
    link = link_to([usb_place(device)], SERIAL)
    task = asyncio.create_task(link.request("QMOD"))
    await asyncio.sleep(0.03)
    device.unplug()
    assert _reason(await task) is Reason.NOT_FOUND
    await asyncio.sleep(0.1)
    task = asyncio.create_task(link.request("QMOD"))
    await asyncio.sleep(0.05)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not link.connected
    device.unplug()


async def test_the_search_slows_down_and_recovers(device: Device) -> None:
    looks = 0

    def places() -> list[Place]:
        nonlocal looks
        looks += 1
        return []

    link = Link(places, timing=Timing(reopen_first_s=0.05, reopen_last_s=0.2))
    end = asyncio.get_running_loop().time() + 0.6
    while asyncio.get_running_loop().time() < end:
        await link.request("QMOD")
        await asyncio.sleep(0.005)
    assert 3 <= looks <= 7  # 0, 50, 150, 350 and 550 ms, a fifth earlier at most


@pytest.mark.parametrize(
    ("wanted", "told", "same"),
    [
        ("92932105105315", "92932105105315", True),
        ("92932105105315", "92932105105316", False),
        ("96132207100211", "96132207100211000042", True),
        ("96132207100211000041", "96132207100211", True),
        ("9293", "92932105105315", False),
    ],
)
def test_serial_numbers_compare_as_far_as_both_are_told(wanted: str, told: str, same: bool) -> None:
    assert same_serial(wanted, told) is same


# --------------------------------------------------------------------------------------------------- identity


async def test_an_inverter_says_who_it_is(link: Link, device: Device) -> None:
    found = await identify(link)
    assert isinstance(found, Identity)
    assert found.serial_number == SERIAL
    assert found.profile is not None
    assert (found.profile.family, found.general_model, found.firmware) == (Family.MAX, "044", "00079.65")
    layouts = [link.layout]
    chosen = await identify(link, Family.REVO)
    assert isinstance(chosen, Identity)
    assert chosen.profile is not None
    layouts.append(link.layout)
    assert layouts == [Layout.MAX, Layout.REVO]
    device.behaviour.refuses = frozenset({"QPI", "QGMN", "QMN", "QVFW", "QSID"})
    plain = await identify(link)
    assert isinstance(plain, Identity)
    assert (plain.serial_number, plain.profile, plain.model) == (SERIAL, None, "unknown")
    device.behaviour.refuses |= {"QID"}
    nobody = await identify(link)
    assert isinstance(nobody, Rejection)
    assert nobody.reason is Reason.NOT_FOUND


async def test_a_serial_number_that_is_lost_is_no_other_inverter(link: Link, device: Device) -> None:
    """QID tells only 14 of its characters, under which nothing was kept that has to go back."""
    whole = "92932105105315000001"
    device.unit.serial_number = whole
    device.behaviour.silent_to = frozenset({"QSID"})
    lost = await identify(link)
    assert isinstance(lost, Rejection)
    assert lost.reason is Reason.SILENCE
    device.behaviour.silent_to = frozenset()
    found = await identify(link)
    assert isinstance(found, Identity)
    assert found.serial_number == whole


async def test_an_inverter_that_never_answers_for_its_whole_serial_number_has_a_short_one(
    link: Link, device: Device
) -> None:
    device.behaviour.silent_to = frozenset({"QSID"})
    found = await identify(link, tries=TRIES)
    assert isinstance(found, Identity)
    assert found.serial_number == SERIAL
    assert device.heard.count("QSID") == 4


# ----------------------------------------------------------------------------------------------- device files


async def test_a_port_is_set_and_kept_for_one_program(device: Device) -> None:
    path = device.plug_into_terminal()
    line = open_serial(path)
    descriptor = os.open(path, os.O_RDWR | os.O_NOCTTY)
    assert termios.tcgetattr(descriptor)[4:6] == [termios.B2400, termios.B2400]
    assert termios.tcgetattr(descriptor)[3] == 0  # no echo, no lines, no signals
    os.close(descriptor)
    with pytest.raises(OSError, match="in use by another program"):
        open_serial(path)
    line.close()
    device.unplug()


def test_what_is_no_port_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"")
    with pytest.raises(OSError, match="no serial port"):
        open_serial(str(file))
    with pytest.raises(FileNotFoundError):
        open_hidraw(str(tmp_path / "hidraw9"))


def test_a_missing_permission_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: str, flags: int) -> int:
        raise PermissionError(13, "Permission denied", path)

    monkeypatch.setattr(os, "open", refuse)  # root, who runs tests in containers, may open everything
    with pytest.raises(PermissionError, match="udev rule"):
        open_hidraw("/dev/hidraw0")


async def test_the_end_of_a_line_is_noticed_whenever_it_comes() -> None:
    ours, theirs = socket.socketpair()
    line = Line(ours.fileno(), ours.close)
    theirs.send(bytes(100_000))
    line.drain()  # takes much, and not for ever
    line.drain()
    line.drain()
    theirs.close()
    with pytest.raises(LineGone, match="closed the line"):
        await line.receive()
    line.close()
    line.close()


async def test_a_missing_device_is_told_in_one_line(tmp_path: Path) -> None:
    link = link_to([place_of(str(tmp_path / "hidraw7")), place_of(str(tmp_path / "ttyUSB7"))])
    answer = await link.request("QMOD")
    assert _reason(answer) is Reason.NOT_FOUND
    assert str(answer).count("No such file") == 2


def test_inverters_on_usb_are_found_by_their_id(tmp_path: Path) -> None:
    for number, usb_id in (
        (10, "0003:00000665:00005161"),
        (2, "0003:00000665:00005161"),
        (3, "0003:0000046D:0000C52B"),
    ):
        folder = tmp_path / f"hidraw{number}" / "device"
        folder.mkdir(parents=True)
        (folder / "uevent").write_text(f"DRIVER=hid-generic\nHID_ID={usb_id}\nHID_NAME=Cypress\n")
    (tmp_path / "hidraw4").mkdir()  # unplugged while we look
    assert hidraw_paths(tmp_path) == ["/dev/hidraw2", "/dev/hidraw10"]


async def test_a_full_line_is_waited_for() -> None:
    ours, theirs = os.pipe()
    os.set_blocking(ours, False)
    line = Line(theirs)
    message = bytes(200_000)  # more than a pipe holds
    task = asyncio.create_task(line.send(message))
    await asyncio.sleep(0.01)
    assert not task.done()
    got = 0
    while got < len(message):
        with contextlib.suppress(BlockingIOError):
            got += len(os.read(ours, 65_536))
        await asyncio.sleep(0)
    await task
    os.close(ours)
    with pytest.raises(LineGone):
        await line.send(b"x")
    line.close()


async def test_an_unplugged_terminal_is_noticed_by_who_listens() -> None:
    master, slave = pty.openpty()
    line = Line(slave)
    task = asyncio.create_task(line.receive())
    await asyncio.sleep(0.01)
    os.close(master)
    with pytest.raises(LineGone):
        await task
    line.close()
