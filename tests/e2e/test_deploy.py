"""deploy/: the broker as we configure it, run for real, and the compose file, read as Docker would."""

from __future__ import annotations

import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import homeassistant.const
import jsonschema
import paho.mqtt.client as mqtt
import pytest
import yaml
from paho.mqtt.enums import CallbackAPIVersion
from pytest_socket import enable_socket

from microgrid_core.contract import topics
from script.lab.broker import find_mosquitto
from script.lab.processes import accepts, free_port

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
SWARM = "demo"
ATTIC = "zigbee2mqtt/attic"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text())

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed"),
]
needs_mosquitto = pytest.mark.skipif(
    find_mosquitto() is None, reason="Mosquitto is missing: run script/bootstrap"
)


@dataclass(frozen=True)
class Site:
    """A copy of deploy/ that was set up."""

    folder: Path

    def setup(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run deploy/setup."""
        return subprocess.run(
            [self.folder / "setup", *arguments], check=check, capture_output=True, text=True, timeout=120
        )

    @property
    def local(self) -> Path:
        """What setup made."""
        return self.folder / "local"

    def password(self, account: str) -> str:
        """Return the password of an account."""
        return (self.local / "passwords" / account).read_text().strip()

    def files(self) -> dict[str, bytes]:
        """Return everything that setup made."""
        return {
            str(path.relative_to(self.local)): path.read_bytes()
            for path in sorted(self.local.rglob("*"))
            if path.is_file()
        }


def _site(folder: Path) -> Site:
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("local", ".env"))
    site = Site(folder)
    site.setup("--swarm", SWARM, "--host", "broker.example")
    for arguments in (
        ("house-01",),
        ("house-02",),
        ("gateway-1", "--houses", "house-01,house-02"),
        ("hp-1", "--heat-pump"),
        ("weather-1", "--sensors"),
        ("pi-south", "--houses", "mpp-1,battery-1", "--sensors", "--reads", ATTIC),
    ):
        site.setup("add-node", *arguments)
    return site


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A site with a few nodes."""
    return _site(tmp_path_factory.mktemp("deploy") / "deploy")


@dataclass
class Running:
    """Mosquitto with our configuration; only its port and the place of the mounted folder are others."""

    site: Site
    port: int
    process: subprocess.Popen[bytes]
    log: Path


@contextmanager
def _mosquitto(site: Site, folder: Path) -> Iterator[Running]:
    enable_socket()  # a fixture of the module comes before the one of the test
    program = find_mosquitto()
    assert program is not None
    port = free_port(None)
    mounted = next(
        volume.split(":")[1]
        for volume in COMPOSE["services"]["mosquitto"]["volumes"]
        if volume.startswith("./local/mosquitto:")
    )
    text = (site.folder / "mosquitto" / "mosquitto.conf").read_text()
    assert mounted in text
    text = text.replace(mounted, str(site.local / "mosquitto"))
    text, changed = re.subn(r"^listener 8883$", f"listener {port} 127.0.0.1", text, flags=re.M)
    assert changed == 1
    if os.geteuid() == 0:
        text += "user root\n"  # in the container it runs as the owner of the files
    configuration, log = folder / "mosquitto.conf", folder / "mosquitto.log"
    configuration.write_text(text)
    with log.open("wb") as output:
        process = subprocess.Popen([program, "-c", str(configuration)], stdout=output, stderr=output)
    try:
        deadline = time.monotonic() + 20
        while not accepts(port):
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        yield Running(site, port, process, log)
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(scope="module")
def broker(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The broker of the site."""
    with _mosquitto(site, tmp_path_factory.mktemp("broker")) as running:
        yield running


@pytest.fixture(autouse=True)
def sockets(socket_enabled: None) -> None:
    """Home Assistant's plugin forbids them otherwise."""


@dataclass
class Client:
    """A client of the broker."""

    broker: Running
    account: str | None
    password: str | None = None
    cafile: Path | None = None
    host: str = "localhost"
    heard: list[str] = field(default_factory=list)
    reason: Any = None

    def __enter__(self) -> Client:
        """Connect; `reason` is what the broker said."""
        self._answered = threading.Event()
        self._done: dict[int, threading.Event] = {}
        self._mqtt = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5)
        cafile = self.cafile or self.broker.site.local / "ca" / "ca.crt"
        self._mqtt.tls_set(ca_certs=str(cafile), tls_version=ssl.PROTOCOL_TLS_CLIENT)
        if self.account is not None:
            password = self.password or self.broker.site.password(self.account)
            self._mqtt.username_pw_set(self.account, password)
        self._mqtt.on_connect = self._connected
        self._mqtt.on_message = lambda _client, _data, message: self.heard.append(message.topic)
        self._mqtt.on_subscribe = lambda *_: self._answered.set()
        self._mqtt.connect(self.host, self.broker.port, keepalive=20)
        self._mqtt.loop_start()
        assert self._answered.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        """Leave."""
        self._mqtt.disconnect()
        self._mqtt.loop_stop()

    def _connected(self, client: Any, data: Any, flags: Any, reason: Any, properties: Any) -> None:
        self.reason = reason
        self._answered.set()

    def subscribe(self, topic: str) -> None:
        """Listen, and wait until the broker has taken it."""
        self._answered.clear()
        self._mqtt.subscribe(topic, 1)
        assert self._answered.wait(10)

    def publish(self, *names: str) -> None:
        """Say something on each topic; the broker has judged all of them when this returns."""
        for name in names:
            self._mqtt.publish(name, f"from {self.account}", qos=1).wait_for_publish(10)

    def wait_for(self, topic: str) -> set[str]:
        """Return the topics heard up to this one."""
        deadline = time.monotonic() + 10
        while topic not in self.heard:
            assert time.monotonic() < deadline, f"{topic} never came:\n{self.broker.log.read_text()}"
            time.sleep(0.02)
        return set(self.heard)


# ----------------------------------------------------------------------------------------------------- broker


def _of(node: str, suffix: str) -> str:
    return f"{topics.PREFIX}/{SWARM}/{node}/{suffix}"


SAYS = [
    topics.BIRTH,
    topics.STATE,
    topics.LIVE,
    topics.LOG,
    topics.EVENT,
    topics.SNAPSHOT_LIST,
    topics.SCHEDULE_STATE,
    topics.ACK,
    topics.CMD_RESULT,
    topics.snapshot_chunk("house-01:77:4211", 3),
]
HEARS = [topics.LOG_ACK, topics.SNAPSHOT_GET, topics.SCHEDULE_SET, topics.CMD_SET]
FOREIGN = [
    *[
        _of("house-01", suffix) for suffix in HEARS
    ],  # a node does not speak as Home Assistant, not even to itself
    _of("house-03", topics.BIRTH),
    _of("house-03", topics.LIVE),
    _of("gateway-2", topics.LOG),
    f"{topics.PREFIX}/other/house-01/live",
    "homeassistant/sensor/x/config",
    "heatpump/hp-2/data",
    "$SYS/broker/uptime",
]
MAY = {
    "house-01": [_of("house-01", suffix) for suffix in SAYS],
    "gateway-1": [_of(node, suffix) for node in ("gateway-1", "house-01", "house-02") for suffix in SAYS],
    "hp-1": [
        "heatpump/hp-1/data",
        "heatpump/hp-1/status/online",
        "heatpump/hp-1/alerts",
        _of("hp-1", "birth"),
    ],
    "weather-1": ["house/kitchen", "weather/wind", _of("weather-1", "birth")],
    "pi-south": [
        *[_of(node, suffix) for node in ("pi-south", "mpp-1", "battery-1") for suffix in SAYS],
        "house/kitchen",
        "weather/wind",
    ],
}
SPEAKS_FOR = {"gateway-1": ("house-01", "house-02"), "pi-south": ("mpp-1", "battery-1")}
EVERYTHING = sorted({*FOREIGN, *(name for names in MAY.values() for name in names)} - {"$SYS/broker/uptime"})


@needs_mosquitto
@pytest.mark.parametrize("account", MAY)
def test_a_node_is_heard_on_its_own_topics_and_on_no_others(broker: Running, account: str) -> None:
    with Client(broker, "homeassistant") as hass, Client(broker, account) as node:
        hass.subscribe("#")
        node.publish(*EVERYTHING, *FOREIGN)
        last = _of(account, topics.ACK)
        node.publish(last)
        assert hass.wait_for(last) == {*MAY[account], last}


@needs_mosquitto
@pytest.mark.parametrize("account", MAY)
def test_a_node_hears_what_is_said_to_it_and_nothing_else(broker: Running, account: str) -> None:
    with Client(broker, "homeassistant") as hass, Client(broker, account) as node:
        node.subscribe("#")
        node.subscribe("$SYS/#")
        hass.publish(*EVERYTHING, *[_of(other, suffix) for other in MAY for suffix in HEARS])
        last = _of(account, topics.CMD_SET)
        hass.publish(last)
        mine = (account, *SPEAKS_FOR.get(account, ()))
        heard = node.wait_for(last)
        assert heard <= {_of(one, suffix) for one in mine for suffix in HEARS}
        assert {_of(account, suffix) for suffix in HEARS} <= heard


@needs_mosquitto
@pytest.mark.parametrize("account", MAY)
def test_a_node_hears_that_home_assistant_is_there(broker: Running, account: str) -> None:
    """Then it says again what nobody heard (contract, ack); it cannot say it itself."""
    status = "homeassistant/status"
    with Client(broker, "homeassistant") as hass, Client(broker, account) as node:
        node.subscribe(status)
        node.publish(status)
        node.publish(_of(account, topics.ACK))
        hass.publish(status)
        node.wait_for(status)
        assert node.heard == [status]


@needs_mosquitto
def test_a_pi_hears_the_sensors_of_others_that_it_was_allowed(broker: Running) -> None:
    """As `temperature_topic` and `[[house]] topic` of the daemon want it; it cannot speak for them."""
    with Client(broker, "homeassistant") as hass, Client(broker, "pi-south") as pi:
        pi.subscribe("zigbee2mqtt/#")
        pi.publish(ATTIC)
        hass.publish("zigbee2mqtt/cellar", ATTIC)
        pi.wait_for(ATTIC)
        assert pi.heard == [ATTIC]


@needs_mosquitto
def test_home_assistant_may_everything(broker: Running) -> None:
    with Client(broker, "homeassistant") as hass:
        hass.subscribe("#")
        hass.publish(*EVERYTHING)
        assert hass.wait_for(EVERYTHING[-1]) >= set(EVERYTHING)


@needs_mosquitto
@pytest.mark.parametrize(
    ("account", "password"),
    [(None, None), ("house-01", "wrong"), ("nobody", "x"), ("homeassistant", "homeassistant")],
)
def test_without_the_right_password_nobody_comes_in(
    broker: Running, account: str | None, password: str | None
) -> None:
    with Client(broker, account, password) as client:
        assert client.reason.is_failure
        assert str(client.reason) in {"Not authorized", "Bad user name or password"}


@needs_mosquitto
def test_without_tls_nothing_is_heard(broker: Running) -> None:
    with socket.create_connection(("127.0.0.1", broker.port), 10) as plain:
        plain.settimeout(10)
        plain.sendall(bytes.fromhex("100c00044d5154540402003c0000"))  # CONNECT of MQTT 3.1.1
        try:
            answer = plain.recv(100)
        except ConnectionResetError:
            answer = b""
    assert not answer.startswith(b"\x20")  # no CONNACK


@needs_mosquitto
def test_the_certificate_is_checked(broker: Running, tmp_path: Path) -> None:
    with Client(broker, "homeassistant", host="127.0.0.1") as hass:
        assert not hass.reason.is_failure
    other = tmp_path / "other.crt"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"),
            *("-subj", "/CN=Somebody", "-keyout", tmp_path / "key", "-out", other),
        ],
        check=True,
        capture_output=True,
    )
    with pytest.raises(ssl.SSLCertVerificationError), Client(broker, "homeassistant", cafile=other):
        pass
    context = ssl.create_default_context(cafile=str(broker.site.local / "ca" / "ca.crt"))
    for name, good in (("broker.example", True), ("mosquitto", True), ("evil.example", False)):
        with socket.create_connection(("127.0.0.1", broker.port), 10) as raw:
            if good:
                with context.wrap_socket(raw, server_hostname=name) as wrapped:
                    assert wrapped.version() in {"TLSv1.2", "TLSv1.3"}
            else:
                with pytest.raises(ssl.SSLCertVerificationError):
                    context.wrap_socket(raw, server_hostname=name)


@needs_mosquitto
def test_the_account_of_the_health_check_sees_the_uptime_alone(broker: Running) -> None:
    command = COMPOSE["services"]["mosquitto"]["healthcheck"]["test"][1]
    assert "-u health " in command and "'$$SYS/broker/uptime'" in command
    with Client(broker, "homeassistant") as hass, Client(broker, "health") as health:
        health.subscribe("#")
        health.subscribe("$SYS/broker/uptime")
        hass.publish(*EVERYTHING)
        assert health.wait_for("$SYS/broker/uptime") == {"$SYS/broker/uptime"}


@needs_mosquitto
def test_nodes_come_and_go_while_the_broker_runs(tmp_path: Path) -> None:
    site = _site(tmp_path / "deploy")
    with _mosquitto(site, tmp_path) as broker:
        before = site.password("gateway-1")
        site.setup("add-node", "house-03")
        site.setup("add-node", "gateway-1", "--houses", "house-01,house-03")
        assert site.password("gateway-1") == before
        password = site.password("house-02")
        site.setup("remove-node", "house-02")
        broker.process.send_signal(1)  # as `docker compose kill -s HUP mosquitto` does
        time.sleep(0.5)
        with Client(broker, "house-02", password) as gone:
            assert gone.reason.is_failure
        with Client(broker, "homeassistant") as hass, Client(broker, "gateway-1") as gateway:
            hass.subscribe("#")
            gateway.publish(_of("house-02", "live"), _of("house-03", "live"))
            assert hass.wait_for(_of("house-03", "live")) == {_of("house-03", "live")}
        with Client(broker, "house-03") as house:
            assert not house.reason.is_failure


# ------------------------------------------------------------------------------------------------------ setup


def test_setup_again_changes_nothing(site: Site) -> None:
    before = site.files()
    site.setup()
    site.setup("--swarm", SWARM)
    assert site.files() == before


def test_what_is_secret_is_readable_for_its_owner_alone(site: Site) -> None:
    for path in [*site.local.rglob("*"), site.folder / ".env"]:
        if path.is_file() and path.name != "ca.crt":
            assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    passwords = [path.read_text().strip() for path in (site.local / "passwords").iterdir()]
    assert len(set(passwords)) == len(passwords) and min(map(len, passwords)) >= 32
    hashes = (site.local / "mosquitto" / "passwords").read_text()
    assert not [one for one in passwords if one in hashes]


def test_the_certificate_is_renewed_for_more_names_and_by_the_same_authority(tmp_path: Path) -> None:
    site = _site(tmp_path / "deploy")
    before = site.files()
    site.setup("renew", "--host", "192.0.2.7")
    after = site.files()
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"hosts", "ca/ca.srl", "mosquitto/server.crt", "mosquitto/server.key"}
    assert _verified(site, "-verify_ip", "192.0.2.7")


def _verified(site: Site, *name: str | Path) -> bool:
    authority, certificate = site.local / "ca" / "ca.crt", site.local / "mosquitto" / "server.crt"
    command = ["openssl", "verify", "-purpose", "sslserver", *name, "-CAfile", authority, certificate]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def test_a_name_that_is_told_later_gets_into_the_certificate(tmp_path: Path) -> None:
    """Whoever forgot --host runs setup again with it."""
    site = _site(tmp_path / "with a blank" / "deploy")
    assert not _verified(site, "-verify_hostname", "later.example")
    told = site.setup("--host", "later.example").stdout
    assert _verified(site, "-verify_hostname", "later.example")
    assert _verified(site, "-verify_hostname", "broker.example")
    assert "docker compose restart mosquitto" in told
    before = site.files()
    site.setup()
    assert site.files() == before


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["add-node", "House 1"], '"House 1" is no node id'),
        (["add-node", "homeassistant"], "the broker's own account"),
        (["add-node", "gateway-9", "--houses", "a,#"], '"#" is no node id'),
        (["add-node", "x\ntopic readwrite #"], "is no node id"),
        (["remove-node", "house-99"], "there is no node house-99"),
        (["--swarm", "other"], "the swarm is demo and not other"),
        (["--host", "a,DNS:evil.example"], "is no host name"),
        (["--host", "broker.lan:8883"], "without a port"),
        (["renew", "--host", "192.168.1.300"], "without a port"),
        (["add-node", "--help"], '"--help" is no node id'),
        (["add-node", "pi-2", "--reads", "a\nuser homeassistant"], "is no topic"),
        (["frobnicate"], "usage: deploy/setup"),
        (["add-node"], "usage: deploy/setup"),
        (["--host"], "usage: deploy/setup"),
    ],
)
def test_wrong_usage_is_told_and_changes_nothing(site: Site, arguments: list[str], reason: str) -> None:
    before = site.files()
    result = site.setup(*arguments, check=False)
    assert result.returncode in {1, 2}
    assert reason in result.stderr
    assert site.files() == before


# ---------------------------------------------------------------------------------------------------- compose

COMPOSE_SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["name", "services", "volumes"],
    "additionalProperties": False,
    "properties": {
        "name": {"type": "string"},
        "volumes": {"additionalProperties": {"type": "null"}},
        "services": {
            "additionalProperties": {
                "type": "object",
                "required": ["image", "restart", "healthcheck", "volumes", "ports"],
                "additionalProperties": False,
                "properties": {
                    "image": {"type": "string", "pattern": r"^[a-z0-9./-]+:[0-9]+\.[0-9]+\.[0-9]+$"},
                    "restart": {"const": "unless-stopped"},
                    "user": {"type": "string"},
                    "env_file": {"type": "string"},
                    "environment": {"additionalProperties": {"type": "string"}},
                    "ports": {
                        "items": {"type": "string", "pattern": r"^(127\.0\.0\.1:)?[0-9]+:[0-9]+$"},
                        "minItems": 1,
                    },
                    "volumes": {
                        "items": {"type": "string", "pattern": r"^[^:]+:/[^:]+(:ro)?$"},
                        "minItems": 1,
                    },
                    "depends_on": {
                        "additionalProperties": {
                            "type": "object",
                            "properties": {"condition": {"const": "service_healthy"}},
                            "required": ["condition"],
                            "additionalProperties": False,
                        }
                    },
                    "healthcheck": {
                        "type": "object",
                        "required": ["test", "interval", "timeout", "retries", "start_period"],
                        "additionalProperties": False,
                        "properties": {
                            "test": {
                                "type": "array",
                                "items": {"type": "string"},
                                "prefixItems": [{"enum": ["CMD", "CMD-SHELL"]}],
                                "minItems": 2,
                            },
                            "interval": {"type": "string", "pattern": "^[0-9]+s$"},
                            "timeout": {"type": "string", "pattern": "^[0-9]+s$"},
                            "retries": {"type": "integer"},
                            "start_period": {"type": "string", "pattern": "^[0-9]+s$"},
                        },
                    },
                },
            }
        },
    },
}


def test_compose_is_well_formed() -> None:
    jsonschema.validate(COMPOSE, COMPOSE_SCHEMA)
    for name, service in COMPOSE["services"].items():
        assert set(service.get("depends_on", {})) <= set(COMPOSE["services"]), name
        if service["healthcheck"]["test"][0] == "CMD-SHELL":
            assert len(service["healthcheck"]["test"]) == 2
    named = {
        volume.split(":")[0]
        for service in COMPOSE["services"].values()
        for volume in service["volumes"]
        if not volume.startswith(".")
    }
    assert named == set(COMPOSE["volumes"])
    tag = COMPOSE["services"]["homeassistant"]["image"].rpartition(":")[2]
    assert tag == homeassistant.const.__version__


def test_everything_that_is_mounted_exists(site: Site) -> None:
    for service in COMPOSE["services"].values():
        for volume in service["volumes"]:
            source = volume.split(":")[0]
            if source.startswith("./local/"):
                assert (site.folder / source).exists(), source
            elif source.startswith("."):
                assert (DEPLOY / source).resolve().exists(), source
        if "env_file" in service:
            assert (site.folder / service["env_file"]).is_file()


def test_every_variable_is_set_by_setup(site: Site) -> None:
    text = (DEPLOY / "compose.yaml").read_text()
    interpolated = set(re.findall(r"(?<!\$)\$\{?([A-Z_]+)", text))
    environment = {line.split("=")[0] for line in (site.folder / ".env").read_text().splitlines()}
    assert interpolated <= environment
    in_container = set(re.findall(r"\$\$([A-Z_]{5,})", text))
    assert in_container == {"HEALTH_PASSWORD"}
    assert (site.local / "mosquitto.env").read_text().startswith("HEALTH_PASSWORD=")


def test_grafana_gets_what_its_files_ask_for(site: Site) -> None:
    asked: set[str] = set()
    for folder in ("provisioning", "alerting"):
        for path in (ROOT / "grafana" / folder).rglob("*.yaml"):
            lines = [line.split("#")[0] for line in path.read_text().splitlines()]
            asked |= set(re.findall(r"\$(MICROGRID_[A-Z_]+)", "\n".join(lines)))
    given = {line.split("=")[0] for line in (site.local / "grafana.env").read_text().splitlines()}
    assert asked <= given
    dashboards = yaml.safe_load((ROOT / "grafana/provisioning/dashboards/microgrid.yaml").read_text())
    mounted = [volume.split(":")[1] for volume in COMPOSE["services"]["grafana"]["volumes"]]
    assert dashboards["providers"][0]["options"]["path"] in mounted


def test_no_secret_is_committed() -> None:
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "deploy"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert sorted(tracked) == [
        "deploy/.gitignore",
        "deploy/compose.yaml",
        "deploy/mosquitto/mosquitto.conf",
        "deploy/setup",
    ]
    for name in tracked:
        text = (ROOT / name).read_text()
        assert "PRIVATE KEY" not in text
        assert not re.search(r"(?i)password\s*[:=]\s*[^\s$]", re.sub(r"_PASSWORD=\$\(.*\)", "", text)), name
    assert "/local/" in (DEPLOY / ".gitignore").read_text()
