"""The configuration: what is read, and what is said about what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from microgrid_daemon.cli import main
from microgrid_daemon.config import CLOCK_MARKER, DEFAULT_DATA, Config, ConfigError, load, parse
from microgrid_daemon.pi30.models import Family

WHOLE = """\
swarm = "village"
data = "/srv/microgrid"
clock_marker = ""

[broker]
host = "homeassistant.local"
user = "pi"
tls = true

[[inverters]]
node = "mpp-1"
device = "/dev/ttyUSB0"

[[inverters]]
node = "mpp-2"
name = "Inverter south"
serial_number = "92932105105315"
family = "max"
interval_s = 30
writes = ["output_source_priority", "charger_source_priority", "max_ac_charging_current"]

[[batteries]]
node = "battery-1"
inverter = "mpp-2"
max_charge_w = 2000
max_discharge_w = 3000
soc_min_percent = 20
empty_v = 48
full_v = 54.4
"""
PATH = Path("daemon.toml")


def _parsed(text: str, **environment: str) -> Config:
    return parse(text, PATH, environment)


def _said(text: str) -> list[str]:
    with pytest.raises(ConfigError) as raised:
        _parsed(text)
    return str(raised.value).splitlines()


def test_a_whole_file_is_read() -> None:
    config = _parsed(WHOLE)
    assert (config.swarm, config.data, config.clock_marker) == ("village", Path("/srv/microgrid"), None)
    assert (config.broker.host, config.broker.port, config.broker.tls) == ("homeassistant.local", 8883, True)
    first, second = config.inverters
    assert (first.name, first.device, first.interval_s, first.writes) == ("mpp-1", "/dev/ttyUSB0", 10.0, ())
    assert (second.name, second.family, second.interval_s) == ("Inverter south", Family.MAX, 30.0)
    (battery,) = config.batteries
    assert (battery.inverter, battery.empty_v, battery.full_v) == ("mpp-2", 48.0, 54.4)
    assert (battery.limits.max_charge_w, battery.limits.soc_min_percent) == (2000.0, 20.0)
    assert battery.limits.max_age_s == 90.0, "three polls of its inverter"


def test_the_example_of_the_page_is_right() -> None:
    page = (Path(__file__).parents[2] / "pi_daemon" / "README.md").read_text()
    example = page.partition("```toml\n")[2].partition("```")[0]
    config = _parsed(example)
    assert config.batteries[0].inverter == config.inverters[0].node


def test_little_is_needed() -> None:
    config = _parsed('swarm = "s"\n[broker]\nhost = "h"\n[[inverters]]\nnode = "m"\n')
    assert config.broker.port == 1883
    assert (config.data, config.clock_marker) == (DEFAULT_DATA, CLOCK_MARKER)
    assert _parsed(
        'swarm = "s"\n[broker]\nhost = "h"\n[[inverters]]\nnode = "m"\n', STATE_DIRECTORY="/s"
    ).data == Path("/s")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ('"village"', '"Village!"', "daemon.toml:1: swarm: must be 1 to 32 of a–z"),
        (
            "interval_s = 30",
            "interval_s = 5",
            "daemon.toml:19: inverters[1].interval_s = 5: must be a number",
        ),
        ("tls = true", 'tls = "yes"', "daemon.toml:8: broker.tls: must be true or false"),
        ("tls = true", "port = 0", "daemon.toml:8: broker.port = 0: must be a port"),
        ("tls = true", "password = 'geheim'", "daemon.toml:8: broker.password: there is no such key here"),
        ("tls = true", 'ca_file = "/etc/ca.pem"', "daemon.toml:8: broker.ca_file: is of no use without tls"),
        ("tls = true", 'ca_file = "ca.pem"', "daemon.toml:8: broker.ca_file: must be a whole path"),
        ('host = "homeassistant.local"', "", "daemon.toml:5: broker.host: is missing"),
        ('host = "homeassistant.local"', "host = 7", "daemon.toml:6: broker.host = 7: must be the name"),
        ('"max"', '"mux"', "daemon.toml:18: inverters[1].family: must be one of hs, ks"),
        (
            'writes = ["output',
            'writes = ["input',
            "daemon.toml:20: inverters[1].writes: input_source_priority: no",
        ),
        ('node = "mpp-2"', 'node = "mpp-1"', "daemon.toml:15: inverters[1].node: mpp-1 is taken"),
        ('device = "/dev/ttyUSB0"', "", "daemon.toml:10: inverters[0]: several inverters: tell them apart"),
        (
            'inverter = "mpp-2"',
            'inverter = "mpp-1"',
            "daemon.toml:24: batteries[0].inverter: mpp-1 must list",
        ),
        (
            'inverter = "mpp-2"',
            'inverter = "mpp-9"',
            "daemon.toml:24: batteries[0].inverter: no inverter has",
        ),
        ("clock_marker", 'textfile = "/a.txt"\nclock_marker', "daemon.toml:3: textfile: must end in .prom"),
        ("empty_v = 48", "", "daemon.toml:22: batteries[0]: empty_v and full_v belong together"),
        ("empty_v = 48", "empty_v = 60", "daemon.toml:22: batteries[0]: empty_v and full_v belong together"),
        (
            "soc_min_percent = 20",
            "soc_min_percent = 100",
            "daemon.toml:22: batteries[0]: state of charge 100",
        ),
        ("[broker]", "[[broker]]", "daemon.toml:5: broker: must be a table [broker]"),
    ],
)
def test_a_fault_names_its_line_and_the_remedy(old: str, new: str, expected: str) -> None:
    said = _said(WHOLE.replace(old, new, 1))
    assert any(line.startswith(expected) for line in said), said


def test_every_fault_is_told_at_once_and_no_secret() -> None:
    said = _said(
        WHOLE.replace("tls = true", "password = 'geheim'").replace("interval_s = 30", "interval_s = 5")
    )
    assert len(said) == 2
    assert "geheim" not in "".join(said)


def test_no_toml_is_told_with_its_line() -> None:
    assert "line 2" in _said('swarm = "s"\n[broker\n')[0]


def test_one_inverter_drives_one_battery() -> None:
    more = (
        WHOLE
        + '\n[[batteries]]\nnode = "battery-2"\ninverter = "mpp-2"\nmax_charge_w = 1\nmax_discharge_w = 1\n'
    )
    assert any("batteries[1].inverter: mpp-2 drives another" in line for line in _said(more))


ESS = """
[[batteries]]
node = "battery-2"
driver = "victron"
gx_host = "192.0.2.7"
gx_fingerprint = "{digits}"
gx_user = "token/homeassistant/pi"
capacity_wh = 9600
charge_efficiency = 0.96
max_charge_w = 2500
max_discharge_w = 3000
temperature_min_c = 5
""".replace("{digits}", "0a" * 32)
POLL = """
[poll]
url = "https://homeassistant.local/local/{node}.json"
every_s = 600
"""


def test_an_ess_and_the_second_way_of_schedules(tmp_path: Path) -> None:
    (tmp_path / "gx_password").write_text("secret-1\n")
    (tmp_path / "schedule_token").write_text("secret-2\n")
    config = _parsed(WHOLE + ESS + POLL, CREDENTIALS_DIRECTORY=str(tmp_path))
    battery = config.batteries[1]
    assert (battery.inverter, battery.limits.temperature_min_c) == (None, 5.0)
    assert battery.gx is not None and battery.gx.login is not None and battery.storage is not None
    assert (battery.gx.host, battery.gx.port, battery.gx.tls) == ("192.0.2.7", 8883, True)
    assert (battery.gx.login.username, battery.gx.login.password) == ("token/homeassistant/pi", "secret-1")
    assert (battery.storage.capacity_kwh, battery.storage.charge_efficiency) == (9.6, 0.96)
    assert config.poll is not None
    assert (config.poll.token, config.poll.every_s, config.poll.after_s) == ("secret-2", 600.0, 300.0)
    assert "secret" not in repr(config)
    alone = _parsed('swarm = "s"\n[broker]\nhost = "h"\n' + ESS)
    assert alone.inverters == () and alone.batteries[0].gx is not None
    assert alone.batteries[0].gx.login is None


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("capacity_wh = 9600", "", "batteries[1]: driver victron needs capacity_wh; add it"),
        ('gx_host = "192.0.2.7"', "", "batteries[1]: driver victron needs gx_host; add it"),
        ('driver = "victron"', "", "batteries[1]: driver mpp needs inverter; add it"),
        ("capacity_wh", 'inverter = "mpp-2"\ncapacity_wh', "batteries[1].inverter: is of no use with the"),
        ("capacity_wh", "empty_v = 48\ncapacity_wh", "batteries[1].empty_v: is of no use with the driver"),
        ('"0a0a', '"xx0a', "is no SHA-256"),
        ("= 5", "= 70", "batteries[1].temperature_min_c = 70: must be a number of °C"),
        ("capacity_wh", 'temperature_topic = "house/+"\ncapacity_wh', "must be one topic, without + and #"),
        (
            "capacity_wh",
            'temperature_topic = "house/a"\ntemperature_file = "/run/t"\ncapacity_wh',
            "temperature_file: there is a temperature_topic already",
        ),
        ('"https://home', '"home', "poll.url: must be an address"),
        ('"https://home', '"https://me:pw@home', "poll.url: must be an address"),
        ("every_s = 600", "every_s = 1", "poll.every_s = 1: must be a number of seconds"),
        (
            'url = "https',
            'token_file = "/etc/microgrid/token"\nurl = "http',
            "poll.token_file: is only used with https",
        ),
    ],
)
def test_faults_of_drivers_and_of_the_second_way(old: str, new: str, expected: str) -> None:
    said = _said(WHOLE + (ESS + POLL).replace(old, new, 1))
    assert any(expected in line for line in said), said


def test_without_inverters_there_is_nothing_to_do() -> None:
    assert "inverters: there is none" in _said('swarm = "s"\n[broker]\nhost = "h"\n')[0]


def test_the_password_comes_from_a_file_or_from_systemd(tmp_path: Path) -> None:
    (tmp_path / "mqtt_password").write_text("one\n")
    (tmp_path / "other").write_text("two\n")
    assert _parsed(WHOLE, CREDENTIALS_DIRECTORY=str(tmp_path)).broker.password == "one"
    named = WHOLE.replace("tls = true", f'tls = true\npassword_file = "{tmp_path}/other"')
    config = _parsed(named, CREDENTIALS_DIRECTORY=str(tmp_path))
    assert config.broker.password == "two"
    assert "two" not in repr(config)
    assert _parsed(WHOLE, CREDENTIALS_DIRECTORY=str(tmp_path / "empty")).broker.password is None
    assert f"{tmp_path}/none: No such file" in _said(named.replace("/other", "/none"))[0]


def test_check_says_what_is_configured_or_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "daemon.toml"
    path.write_text(WHOLE)
    assert main(["check", "--config", str(path)]) == 0
    said = capsys.readouterr().out
    assert "swarm village, broker homeassistant.local:8883 (TLS)" in said
    assert "battery-1: battery driven by mpp-2" in said
    path.write_text(WHOLE.replace("interval_s = 30", "interval_s = 5"))
    assert main(["check", "--config", str(path)]) == 2
    assert f"{path}:19:" in capsys.readouterr().err
    assert main(["check", "--config", str(tmp_path / "none.toml")]) == 2
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="no UTF-8 at byte 0"):
        load(path)


_VALUES = st.recursive(
    st.one_of(st.text(max_size=8), st.integers(), st.booleans(), st.floats(allow_nan=False)).map(
        lambda value: str(value).lower() if isinstance(value, (bool, float, int)) else f"'{value}'"
    ),
    lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[{', '.join(items)}]"),
)


@given(st.sampled_from(WHOLE.splitlines()), _VALUES)
def test_whatever_stands_there_is_read_or_told(line: str, value: str) -> None:
    key = line.partition(" = ")[0]
    text = WHOLE.replace(line, f"{key} = {value}" if " = " in line else value, 1)
    try:
        _parsed(text)
    except ConfigError as error:
        assert str(error).startswith("daemon.toml")
