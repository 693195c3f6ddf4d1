"""The file for Prometheus: its form, and that it is whole whenever somebody reads it."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from microgrid_core.model.mpp_inverter import MPP_INVERTER
from microgrid_daemon import textfile
from microgrid_daemon.broker import Connection
from microgrid_daemon.clock import Clock
from microgrid_daemon.collector import Collector
from microgrid_daemon.config import BrokerConfig, InverterConfig
from microgrid_daemon.node import Node
from microgrid_daemon.store import Store
from microgrid_daemon.textfile import Series, rendered
from simulator.pi30.device import Device
from simulator.pi30.unit import Unit
from tests.daemon.stage import link_to, until, wired

_SAMPLE = re.compile(
    r'[a-z_:][a-z0-9_:]*(?:\{[a-z_]+="(?:[^"\\\n]|\\[\\n"])*"(?:,[a-z_]+="[a-z_]+")*\})?'
    r" (?:-?[0-9.]+(?:e[-+]?[0-9]+)?|inf|-inf)"
)


async def test_what_an_inverter_measures_is_in_the_file(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    device = Device(Unit())
    path = tmp_path / "microgrid.prom"
    with wired(device, "usb") as places:
        link = link_to(places)
        connection = Connection(BrokerConfig("h", 1), "village", "mpp-1", store)
        node = Node(connection, store, Clock(None), 7, MPP_INVERTER)
        collector = Collector(InverterConfig("mpp-1", "Inverter"), link, node, store, wall_s=lambda: 1000.5)
        before = rendered(textfile.series_of([collector], store))
        assert "last_success" not in before, "it never answered"
        assert await collector.round()
        await link.close()
    monkeypatch.setattr(textfile, "PERIOD_S", 0.01)
    writing = asyncio.create_task(textfile.keep_writing(path, [collector], store))

    async def there() -> bool:
        return path.exists()

    await until(there)
    writing.cancel()
    lines = path.read_text().splitlines()
    assert 'microgrid_last_success_timestamp_seconds{device="mpp-1"} 1000.5' in lines
    assert 'microgrid_mpp_battery_voltage_volts{device="mpp-1"} 53.6' in lines
    assert 'microgrid_mpp_output_load_percent{device="mpp-1"} 10.0' in lines
    assert "microgrid_outbox_depth 1.0" in lines, "the boot event waits"
    assert 'microgrid_commands_total{device="mpp-1",outcome="rejected"} 0.0' in lines
    assert path.stat().st_mode & 0o777 == 0o644
    samples = [line for line in lines if not line.startswith("#")]
    assert all(_SAMPLE.fullmatch(line) for line in samples)
    assert len({line.rpartition(" ")[0] for line in samples}) == len(samples)
    kinds = [line for line in lines if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds))


async def test_a_missing_folder_is_told_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(textfile, "PERIOD_S", 0.01)
    writing = asyncio.create_task(textfile.keep_writing(tmp_path / "none" / "x.prom", [], store))
    await asyncio.sleep(0.1)
    writing.cancel()
    assert caplog.text.count("is the folder there") == 1


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), st.text(max_size=9), st.floats(allow_nan=False))))
def test_whatever_a_label_says_the_file_stays_readable(found: list[tuple[str, str, float]]) -> None:
    text = rendered(Series(name, "help", value, (("device", label),)) for name, label, value in found)
    assert text == "" or text.endswith("\n")
    # Only \n ends a line of the format.
    samples = [line for line in text.split("\n") if line and not line.startswith("# ")]
    assert all(_SAMPLE.fullmatch(line) for line in samples)
    assert len(samples) == len({(name, label) for name, label, _ in found})
