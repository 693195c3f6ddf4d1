"""From the configuration to parts that know each other: drivers, thermometers, the way without the broker."""

from __future__ import annotations

import os
from pathlib import Path

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from microgrid_core.contract.messages import ScheduleMode
from microgrid_daemon.config import parse
from microgrid_daemon.daemon import build
from microgrid_daemon.mpp_battery import MppBattery
from microgrid_daemon.schedule.poll import SchedulePoll
from microgrid_daemon.thermometer import FileThermometer
from microgrid_daemon.victron_battery import VictronBattery
from tests.daemon.stage import until
from tests.mosquitto import Mosquitto

TEXT = """\
swarm = "village"
data = "{folder}"
clock_marker = ""
[broker]
host = "127.0.0.1"
port = {port}
[[inverters]]
node = "mpp-1"
writes = ["output_source_priority", "charger_source_priority", "max_ac_charging_current"]
[[batteries]]
node = "battery-1"
inverter = "mpp-1"
max_charge_w = 3000
max_discharge_w = 3000
temperature_topic = "house/battery_temp"
[[batteries]]
node = "battery-2"
driver = "victron"
gx_host = "127.0.0.1"
capacity_wh = 9600
max_charge_w = 2500
max_discharge_w = 3000
temperature_file = "{folder}/temperature"
[poll]
url = "http://127.0.0.1:9/{{node}}.json"
"""


async def test_every_part_has_its_place(mosquitto: Mosquitto, tmp_path: Path) -> None:
    parts = build(parse(TEXT.format(folder=tmp_path, port=mosquitto.port), Path("daemon.toml"), os.environ))
    mpp, ess = parts.batteries
    assert isinstance(mpp._driver, MppBattery) and isinstance(ess._driver, VictronBattery)
    assert parts.stations == [ess._driver]
    assert ScheduleMode.FOLLOW in ess._driver.capability.modes
    assert ScheduleMode.FOLLOW not in mpp._driver.capability.modes
    assert [type(helper) for helper in parts.helpers] == [SchedulePoll, FileThermometer, SchedulePoll]
    assert mpp._thermometer is not None
    (connection,) = (one for one in parts.connections if one.node == "battery-1")
    connection.start()

    async def connected() -> bool:
        return connection.connected

    await until(connected)
    poll = parts.helpers[0]
    assert isinstance(poll, SchedulePoll) and poll._connected()
    sensor = Client(CallbackAPIVersion.VERSION2)
    sensor.connect("127.0.0.1", mosquitto.port)
    sensor.loop_start()

    async def warm() -> bool:
        sensor.publish("house/battery_temp", b"21.5")
        return mpp._thermometer is not None and mpp._thermometer.celsius == 21.5

    await until(warm)
    sensor.disconnect()
    sensor.loop_stop()
    await connection.stop()
    assert not poll._connected()
    parts.store.close()
