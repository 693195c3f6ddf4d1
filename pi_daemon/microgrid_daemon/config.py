"""The configuration: one TOML file, checked as a whole; each fault names its line and the remedy."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import voluptuous as vol

from microgrid_core.contract.topics import IDENTIFIER
from microgrid_core.energy.battery import Battery as Storage
from microgrid_core.model.bare_sensors import house_metric

from .pi30.models import Family
from .pi30.settings import SETTINGS
from .schedule.limits import Limits

DEFAULT_DATA: Final = Path("/var/lib/microgrid")
CLOCK_MARKER: Final = Path("/run/systemd/timesync/synchronized")
CREDENTIAL: Final = "mqtt_password"
GX_CREDENTIAL: Final = "gx_password"
POLL_CREDENTIAL: Final = "schedule_token"
BATTERY_WRITES: Final = ("output_source_priority", "charger_source_priority", "max_ac_charging_current")
"""What an inverter must let be written when it drives a battery."""
_POLLS_TO_STALE = 3
_MAX_POWER_W = 100_000.0
_HEADER = re.compile(r"^\s*(\[\[?)\s*([A-Za-z0-9_-]+)\s*\]\]?")
MODULE: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*", re.ASCII)
"""How a driver that this package does not know is named: `module:name`."""
OF_ITS_OWN: Final = "module:name"
_KEY = re.compile(r"^\s*([A-Za-z0-9_-]+)\s*=")

if TYPE_CHECKING:
    from microgrid_core.gx.access import MqttAccess

Step = str | int


class ConfigError(Exception):
    """The file cannot be used; one line for each fault."""


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """Where the broker is, and who we are to it."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: Path | None = None
    """Of the CA that signed the broker's certificate; None: the CAs that the system trusts."""
    cert_file: Path | None = None
    key_file: Path | None = None
    """Who we are to a broker that asks for certificates."""


@dataclass(frozen=True, slots=True)
class InverterConfig:
    """One MPP inverter."""

    node: str
    name: str
    device: str | None = None
    """Path of a serial port or of a hidraw device; None: wherever it hangs on USB."""
    serial_number: str | None = None
    family: Family | None = None
    interval_s: float = 10.0
    writes: tuple[str, ...] = ()
    """Settings that may be written."""


@dataclass(frozen=True, slots=True)
class BatteryConfig:
    """One battery that keeps a schedule."""

    node: str
    name: str
    inverter: str | None
    """Node of the MPP inverter that drives it; None: the GX does, or a driver."""
    limits: Limits
    empty_v: float | None = None
    full_v: float | None = None
    """Where no battery management tells the state of charge: the ends of the span of its voltage."""
    gx: MqttAccess | None = None
    """The GX of the ESS that drives it."""
    driver: str | None = None
    """What makes its driver, when this package knows none, as `module:name` (see driver.py)."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """For that driver."""
    storage: Storage | None = None
    """What it can hold, for mode `follow`."""
    temperature_topic: str | None = None
    temperature_file: Path | None = None
    """Where its temperature stands; what is named must be known, or the battery is left alone."""


@dataclass(frozen=True, slots=True)
class PollConfig:
    """Where schedules are fetched while the broker is away."""

    url: str
    """With `{node}` where the name of the battery belongs."""
    token: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    after_s: float = 300.0
    """So long the broker must be away before."""
    every_s: float = 300.0


@dataclass(frozen=True, slots=True)
class WeatherConfig:
    """Where the weather is looked up."""

    latitude: float
    longitude: float
    url: str = "https://api.open-meteo.com/v1/forecast"
    pressure: str = "sea_level"
    """Reduced to sea level, or what a barometer here would show (`surface`)."""


@dataclass(frozen=True, slots=True)
class SensorConfig:
    """A sensor of the house, in a file or on a topic; value = number × scale + offset."""

    sensor: str
    """On `house/<sensor>`."""
    file: Path | None = None
    topic: str | None = None
    field: str | None = None
    """Where the number stands in a JSON object; None: the number alone is there."""
    scale: float = 1.0
    offset: float = 0.0
    interval_s: float = 60.0


@dataclass(frozen=True, slots=True)
class Config:
    """The whole file."""

    swarm: str
    broker: BrokerConfig
    inverters: tuple[InverterConfig, ...]
    batteries: tuple[BatteryConfig, ...]
    data: Path = DEFAULT_DATA
    textfile: Path | None = None
    """For Prometheus' node_exporter."""
    poll: PollConfig | None = None
    weather: WeatherConfig | None = None
    sensors: tuple[SensorConfig, ...] = ()
    """Of the house."""
    clock_marker: Path | None = CLOCK_MARKER
    """A file that is there while the clock is synchronised; None: the clock is always right."""


# --------------------------------------------------------------------------------------- what a value must be

Check = Callable[[Any], Any]


def _text(what: str, longest: int = 255) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or not 0 < len(value) <= longest or not value.isprintable():
            raise vol.Invalid(f'must be {what} in quotes, as "…"')
        return value

    return check


def _identifier(value: Any) -> str:
    if not isinstance(value, str) or IDENTIFIER.fullmatch(value) is None:
        raise vol.Invalid("must be 1 to 32 of a–z, 0–9, _ and -: it becomes a part of the topics")
    return value


def _number(low: float, high: float, unit: str) -> Check:
    def check(value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
            raise vol.Invalid(f"must be a number of {unit} in {low:g} … {high:g}")
        return float(value)

    return check


def _port(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= 65535:
        raise vol.Invalid("must be a port in 1 … 65535: usually 1883, with TLS 8883")
    return value


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise vol.Invalid("must be true or false, without quotes")
    return value


def _path(value: Any) -> Path:
    if not isinstance(value, str) or not value.startswith("/") or "\0" in value:
        raise vol.Invalid('must be a whole path in quotes, as "/etc/microgrid/…"')
    return Path(value)


def _one_of(names: Sequence[str]) -> Check:
    def check(value: Any) -> str:
        if not isinstance(value, str) or value not in names:
            raise vol.Invalid(f"must be one of {', '.join(names)}")
        return value

    return check


def _driver(value: Any) -> str:
    if not isinstance(value, str) or (value not in _DRIVEN_BY and MODULE.fullmatch(value) is None):
        raise vol.Invalid("must be mpp, victron, or the place of a driver as module:name")
    return value


def _options(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise vol.Invalid('must be a table, as { host = "192.168.1.7" } or below [batteries.options]')
    return value


def _url(value: Any) -> str:
    text = _text("an address, as https://…/{node}.json")(value)
    parts = urlsplit(text)
    good = parts.scheme in ("http", "https") and parts.hostname and not (parts.username or parts.fragment)
    if not good or not text.isascii() or " " in text:
        raise vol.Invalid("must be an address, as https://…/{node}.json, without user, password and #")
    return str(text)


def _writes(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise vol.Invalid('must be a list of settings, as ["output_source_priority"]')
    if unknown := [str(one) for one in value if not isinstance(one, str) or one not in SETTINGS]:
        raise vol.Invalid(
            f"{', '.join(unknown)}: no such setting; `microgrid-daemon settings` shows what a model has"
        )
    return tuple(value)


def _marker(value: Any) -> Path | None:
    return None if value == "" else Path(_path(value))


def _textfile(value: Any) -> Path:
    path = Path(_path(value))
    if path.suffix != ".prom":
        raise vol.Invalid("must end in .prom, or node_exporter does not read it")
    return path


def _sensor(value: Any) -> str:
    if not isinstance(value, str) or house_metric(value) is None:
        raise vol.Invalid(
            "must be 1 to 64 of a–z, A–Z, 0–9, _ and -; the unit comes from its end: "
            "_temp °C, _hum %, _press hPa"
        )
    return value


_BROKER: Mapping[Any, Any] = {
    vol.Required("host"): _text("the name or the address of the broker"),
    "port": _port,
    "user": _text("the name of the user"),
    "password_file": _path,
    "tls": _flag,
    "ca_file": _path,
    "cert_file": _path,
    "key_file": _path,
}
_INVERTER: Mapping[Any, Any] = {
    vol.Required("node"): _identifier,
    "name": _text("a name for people", 64),
    "device": _text("the path of the device, as /dev/ttyUSB0"),
    "serial_number": _text("the serial number that `microgrid-daemon list` shows"),
    "family": _one_of([family.value for family in Family]),
    "interval_s": _number(10, 60, "seconds"),
    "writes": _writes,
}
_BATTERY: Mapping[Any, Any] = {
    vol.Required("node"): _identifier,
    "name": _text("a name for people", 64),
    "driver": _driver,
    "options": _options,
    "inverter": _identifier,
    "gx_host": _text("the name or the address of the GX"),
    "gx_port": _port,
    "gx_tls": _flag,
    "gx_fingerprint": _text("the SHA-256 of its certificate, 64 hexadecimal digits", 64),
    "gx_portal": _text("its VRM portal id", 32),
    "gx_user": _text("the name of a token; a GX's own password needs none"),
    "gx_password_file": _path,
    "capacity_wh": _number(1, 10_000_000, "watt-hours"),
    "charge_efficiency": _number(0.3, 1, "the energy stored for each taken"),
    "discharge_efficiency": _number(0.3, 1, "the energy given for each stored"),
    "wear_per_kwh": _number(0, 10, "the tariff's currency"),
    "temperature_topic": _text("a topic on which its degrees are published"),
    "temperature_file": _path,
    "temperature_min_c": _number(-40, 60, "°C"),
    "temperature_max_c": _number(0, 80, "°C"),
    vol.Required("max_charge_w"): _number(0, _MAX_POWER_W, "watts"),
    vol.Required("max_discharge_w"): _number(0, _MAX_POWER_W, "watts"),
    "soc_min_percent": _number(0, 100, "percent"),
    "soc_max_percent": _number(0, 100, "percent"),
    "soc_hysteresis_percent": _number(0, 50, "percent"),
    "empty_v": _number(8, 100, "volts"),
    "full_v": _number(8, 100, "volts"),
}
_POLL: Mapping[Any, Any] = {
    vol.Required("url"): _url,
    "token_file": _path,
    "ca_file": _path,
    "after_s": _number(60, 86_400, "seconds"),
    "every_s": _number(60, 86_400, "seconds"),
}
_WEATHER: Mapping[Any, Any] = {
    vol.Required("latitude"): _number(-90, 90, "degrees"),
    vol.Required("longitude"): _number(-180, 180, "degrees"),
    "url": _url,
    "pressure": _one_of(["sea_level", "surface"]),
}
_SENSOR: Mapping[Any, Any] = {
    vol.Required("sensor"): _sensor,
    "file": _path,
    "topic": _text("a topic on which somebody publishes it"),
    "field": _text("the place of the number in a JSON object, as temperature or outside.temperature"),
    "scale": _number(-1e6, 1e6, "what one is worth"),
    "offset": _number(-1e6, 1e6, "what is added"),
    "interval_s": _number(10, 600, "seconds"),
}
_MOST_SENSORS = 59
"""Home Assistant takes 64 names, and five are of the weather."""
_FILE: Mapping[Any, Any] = {
    vol.Required("swarm"): _identifier,
    "data": _path,
    "clock_marker": _marker,
    "textfile": _textfile,
    vol.Required("broker"): _BROKER,
    "inverters": [_INVERTER],
    "batteries": [_BATTERY],
    "poll": _POLL,
    "weather": _WEATHER,
    "house": [_SENSOR],
}
_LIMIT_KEYS = (
    "max_charge_w",
    "max_discharge_w",
    "soc_min_percent",
    "soc_max_percent",
    "soc_hysteresis_percent",
    "temperature_min_c",
    "temperature_max_c",
)
_DRIVEN_BY: Mapping[str, tuple[str, ...]] = {
    "mpp": ("inverter", "empty_v", "full_v"),
    "victron": ("gx_host", "gx_port", "gx_tls", "gx_fingerprint", "gx_portal", "gx_user", "gx_password_file"),
    OF_ITS_OWN: ("options",),
}
"""Keys that only one driver knows."""
_NEEDED_BY: Mapping[str, tuple[str, ...]] = {
    "mpp": ("inverter",),
    "victron": ("gx_host", "capacity_wh"),
    OF_ITS_OWN: (),
}
_GX_AGE_S = 30.0


# ---------------------------------------------------------------------------------------------------- reading


def load(path: Path, environment: Mapping[str, str] | None = None) -> Config:
    """Read and check the file; raises ConfigError with everything that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: no UTF-8 at byte {error.start}; save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}; name another file with --config") from error
    return parse(text, path, os.environ if environment is None else environment)


def parse(text: str, path: Path, environment: Mapping[str, str]) -> Config:
    """Check what stands in the file; raises ConfigError."""
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise ConfigError(f"{path}: no TOML: {error}") from error
    try:
        checked = vol.Schema(_FILE)(document)
    except vol.MultipleInvalid as invalid:
        raise ConfigError(
            "\n".join(_fault(path, text, one.path, _value(document, one.path), one) for one in invalid.errors)
        ) from invalid
    faults = [
        f"{path}:{line_of(text, steps)}: {named(steps)}: {wrong}" for steps, wrong in _disagreements(checked)
    ]
    secrets = Secrets(environment)
    config = None if faults else _built(checked, secrets, environment)
    if config is None or secrets.faults:
        raise ConfigError("\n".join([*faults, *secrets.faults]))
    return config


def _disagreements(checked: Mapping[str, Any]) -> list[tuple[list[Step], str]]:
    """What is right by itself and wrong together."""
    found: list[tuple[list[Step], str]] = []
    inverters, batteries = checked.get("inverters", []), checked.get("batteries", [])
    if not inverters and not batteries:
        found.append((["inverters"], "there is none; add a table [[inverters]] with its node"))
    nodes: set[str] = set()
    for group in ("inverters", "batteries"):
        for number, one in enumerate(checked.get(group, [])):
            if one["node"] in nodes:
                found.append(
                    ([group, number, "node"], f"{one['node']} is taken: every node has its own name")
                )
            nodes.add(one["node"])
    if len(inverters) > 1:
        for number, one in enumerate(inverters):
            if "serial_number" not in one and "device" not in one:
                found.append(
                    (["inverters", number], "several inverters: tell them apart by serial_number or device")
                )
    by_node = {one["node"]: one for one in inverters}
    driven: set[str] = set()
    for number, one in enumerate(batteries):
        place: list[Step] = ["batteries", number]
        driver = one.get("driver", "mpp")
        kind = driver if driver in _DRIVEN_BY else OF_ITS_OWN
        found += [
            ([*place], f"driver {driver} needs {key}; add it") for key in _NEEDED_BY[kind] if key not in one
        ]
        others = (keys for name, keys in _DRIVEN_BY.items() if name != kind)
        found += [
            ([*place, key], f"is of no use with the driver {driver}")
            for keys in others
            for key in keys
            if key in one
        ]
        if "temperature_topic" in one and "temperature_file" in one:
            found.append(([*place, "temperature_file"], "there is a temperature_topic already: name one"))
        if {"+", "#"} & set(one.get("temperature_topic", "")):
            found.append(([*place, "temperature_topic"], "must be one topic, without + and #"))
        try:
            _limits(one, 10.0)
            if "gx_host" in one:
                _gx(one, None).check()
        except ValueError as error:
            found.append((place, str(error)))
        if kind == OF_ITS_OWN and (wrong := _driver_fault(one)) is not None:
            found.append(([*place, "driver"], wrong))
        if driver != "mpp" or "inverter" not in one:
            continue
        inverter = by_node.get(one["inverter"])
        if inverter is None:
            found.append(([*place, "inverter"], f"no inverter has the node {one['inverter']}"))
        elif missing := [key for key in BATTERY_WRITES if key not in inverter.get("writes", ())]:
            found.append(
                ([*place, "inverter"], f"{one['inverter']} must list {', '.join(missing)} in its `writes`")
            )
        if one["inverter"] in driven:
            found.append(([*place, "inverter"], f"{one['inverter']} drives another battery already"))
        driven.add(one["inverter"])
        if ("empty_v" in one) != ("full_v" in one) or one.get("empty_v", 0.0) >= one.get("full_v", 100.0):
            found.append((place, "empty_v and full_v belong together, the first below the second"))
    poll = checked.get("poll")
    if poll is not None and not poll["url"].startswith("https:"):
        for key in ("token_file", "ca_file"):
            if key in poll:
                found.append((["poll", key], "is only used with https: a token must not be overheard"))
    found += _sensor_faults(checked.get("house", []))
    broker = checked["broker"]
    for key in ("ca_file", "cert_file", "key_file"):
        if key in broker and not broker.get("tls", False):
            found.append((["broker", key], "is of no use without tls = true"))
    if ("cert_file" in broker) != ("key_file" in broker):
        found.append((["broker"], "cert_file and key_file belong together"))
    return found


def _driver_fault(battery: Mapping[str, Any]) -> str | None:
    """Why the driver that a battery names cannot drive it."""
    from .driver import made  # whose drivers are here read and asked what they think of their options

    try:
        driver = made(battery["driver"], battery.get("options", {}))
    except ValueError as error:
        return str(error)
    if driver.follows and "capacity_wh" not in battery:
        return f"{battery['driver']} can follow the load: that needs capacity_wh; add it"
    return None


def _sensor_faults(sensors: Sequence[Mapping[str, Any]]) -> list[tuple[list[Step], str]]:
    found: list[tuple[list[Step], str]] = []
    names: set[str] = set()
    for number, one in enumerate(sensors):
        place: list[Step] = ["house", number]
        if ("file" in one) == ("topic" in one):
            found.append((place, "needs either a file or a topic"))
        if "topic" in one and ({"+", "#"} & set(one["topic"]) or one["topic"] == f"house/{one['sensor']}"):
            found.append(([*place, "topic"], "must be one topic, without + and #, and not its own"))
        if one["sensor"] in names:
            found.append(([*place, "sensor"], f"{one['sensor']} is taken: every sensor has its own name"))
        names.add(one["sensor"])
    if len(sensors) > _MOST_SENSORS:
        found.append((["house"], f"Home Assistant takes no more than {_MOST_SENSORS} sensors"))
    return found


class Secrets:
    """Reads what must not stand in the file; notes what cannot be read."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        """`environment` says where systemd put what it hands over."""
        self.faults: list[str] = []
        folder = environment.get("CREDENTIALS_DIRECTORY")
        self._folder = None if folder is None else Path(folder)

    def read(self, path: Path | None, credential: str, what: str) -> str | None:
        """Read a secret from its file, else from the credential of that name."""
        if path is None and self._folder is not None:
            path = self._folder / credential
            if not path.exists():
                return None
        if path is None:
            return None
        try:
            # An empty one is none: the unit always hands a file over.
            return path.read_text(encoding="utf-8", errors="replace").strip() or None
        except OSError as error:
            self.faults.append(f"{error.filename}: {error.strerror}; {what} is read from it")
            return None


def _limits(battery: Mapping[str, Any], interval_s: float) -> Limits:
    chosen = {key: battery[key] for key in _LIMIT_KEYS if key in battery}
    return Limits(**chosen, max_age_s=_POLLS_TO_STALE * interval_s)


def _gx(battery: Mapping[str, Any], secrets: Secrets | None) -> MqttAccess:
    from microgrid_core.gx.access import PLAIN_PORT, TLS_PORT, Login, MqttAccess  # most Pis have no GX

    password = None
    if secrets is not None:
        what = f"the password of {battery['gx_host']}"
        password = secrets.read(battery.get("gx_password_file"), GX_CREDENTIAL, what)
    login = None
    if password is not None:
        user = battery.get("gx_user")
        login = Login.with_password(password) if user is None else Login(user, password)
    tls = battery.get("gx_tls", True)
    return MqttAccess(
        host=battery["gx_host"],
        port=battery.get("gx_port", TLS_PORT if tls else PLAIN_PORT),
        tls=tls,
        login=login,
        fingerprint=battery.get("gx_fingerprint"),
        portal=battery.get("gx_portal"),
    )


def _storage(battery: Mapping[str, Any]) -> Storage | None:
    if "capacity_wh" not in battery:
        return None
    chosen = ("charge_efficiency", "discharge_efficiency", "wear_per_kwh")
    return Storage(
        capacity_kwh=battery["capacity_wh"] / 1000.0,
        charge_kw=battery["max_charge_w"] / 1000.0,
        discharge_kw=battery["max_discharge_w"] / 1000.0,
        **{key: battery[key] for key in chosen if key in battery},
    )


def _poll(poll: Mapping[str, Any] | None, secrets: Secrets) -> PollConfig | None:
    if poll is None:
        return None
    token = None
    if poll["url"].startswith("https:"):
        token = secrets.read(poll.get("token_file"), POLL_CREDENTIAL, "the token for schedules")
    chosen = {key: poll[key] for key in ("ca_file", "after_s", "every_s") if key in poll}
    return PollConfig(poll["url"], token, **chosen)


def _built(checked: Mapping[str, Any], secrets: Secrets, environment: Mapping[str, str]) -> Config:
    broker = checked["broker"]
    password = secrets.read(broker.get("password_file"), CREDENTIAL, "the password of the broker")
    tls = broker.get("tls", False)
    inverters = tuple(
        InverterConfig(
            node=one["node"],
            name=one.get("name", one["node"]),
            device=one.get("device"),
            serial_number=one.get("serial_number"),
            family=Family(one["family"]) if "family" in one else None,
            interval_s=one.get("interval_s", 10.0),
            writes=one.get("writes", ()),
        )
        for one in checked.get("inverters", [])
    )
    interval_s = {one.node: one.interval_s for one in inverters}
    return Config(
        swarm=checked["swarm"],
        broker=BrokerConfig(
            host=broker["host"],
            port=broker.get("port", 8883 if tls else 1883),
            user=broker.get("user"),
            password=password,
            tls=tls,
            ca_file=broker.get("ca_file"),
            cert_file=broker.get("cert_file"),
            key_file=broker.get("key_file"),
        ),
        inverters=inverters,
        batteries=tuple(
            BatteryConfig(
                node=one["node"],
                name=one.get("name", one["node"]),
                inverter=one.get("inverter"),
                limits=_limits(one, interval_s.get(one.get("inverter"), _GX_AGE_S / _POLLS_TO_STALE)),
                empty_v=one.get("empty_v"),
                full_v=one.get("full_v"),
                gx=_gx(one, secrets) if "gx_host" in one else None,
                driver=None if one.get("driver", "mpp") in _DRIVEN_BY else one["driver"],
                options=one.get("options", {}),
                storage=_storage(one),
                temperature_topic=one.get("temperature_topic"),
                temperature_file=one.get("temperature_file"),
            )
            for one in checked.get("batteries", [])
        ),
        data=checked.get("data", Path(environment.get("STATE_DIRECTORY", str(DEFAULT_DATA)))),
        textfile=checked.get("textfile"),
        poll=_poll(checked.get("poll"), secrets),
        weather=WeatherConfig(**checked["weather"]) if "weather" in checked else None,
        sensors=tuple(SensorConfig(**one) for one in checked.get("house", [])),
        clock_marker=checked.get("clock_marker", CLOCK_MARKER),
    )


# ----------------------------------------------------------------------------------------------------- faults


def _fault(path: Path, text: str, steps: Sequence[Any], value: object, error: vol.Invalid) -> str:
    """One line: where it stands, what it is, what it must be."""
    clean = [step.schema if isinstance(step, vol.Marker) else step for step in steps]
    where = f"{path}:{line_of(text, clean)}: {named(clean)}"
    if error.error_message == "extra keys not allowed":
        known = ", ".join(_known_keys(clean))
        return f"{where}: there is no such key here; there are {known}"
    if error.error_message == "required key not provided":
        return f"{where}: is missing; add it"
    if error.error_message.startswith("expected"):
        return f"{where}: must be {_tables(clean)}"
    # A value may be a secret at the wrong place: only numbers and truths are repeated.
    shown = f" = {value}" if isinstance(value, (int, float)) else ""
    return f"{where}{shown}: {error.error_message}"


def _tables(steps: Sequence[Step]) -> str:
    name = steps[0] if steps else ""
    return f"a table [{name}]" if name in ("broker", "poll", "weather") else f"tables [[{name}]]"


def _known_keys(steps: Sequence[Step]) -> list[str]:
    groups: Mapping[Step, Mapping[Any, Any]] = {
        "broker": _BROKER,
        "inverters": _INVERTER,
        "batteries": _BATTERY,
        "poll": _POLL,
        "weather": _WEATHER,
        "house": _SENSOR,
    }
    group = _FILE if len(steps) == 1 else groups[steps[0]]
    return sorted(str(key) for key in group)


def _value(document: Any, steps: Sequence[Any]) -> object:
    for step in steps:
        try:
            document = document[step.schema if isinstance(step, vol.Marker) else step]
        except (KeyError, IndexError, TypeError):
            return None
    return document


def named(steps: Sequence[Step]) -> str:
    """Name a place as `inverters[0].node`."""
    name = ""
    for step in steps:
        name += f"[{step}]" if isinstance(step, int) else f".{step}" if name else str(step)
    return name or "the file"


def line_of(text: str, steps: Sequence[Step]) -> int:
    """Find the line of a place; that of its table, or the first, when it does not stand there."""
    names = [step for step in steps if isinstance(step, str)]
    wanted = next((step for step in steps if isinstance(step, int)), 0)
    best, table, number = 1, "", -1
    for line, content in enumerate(text.splitlines(), 1):
        if header := _HEADER.match(content):
            number = number + 1 if header[2] == table and header[1] == "[[" else 0
            table = header[2]
            if names[:1] == [table] and number == wanted:
                best = line
            continue
        key = _KEY.match(content)
        here = [] if key is None else [key[1]] if not table else [table, key[1]]
        if names == here and (not table or number == wanted):
            return line
    return best
