"""TLS against a real Mosquitto, with certificates of our own: what is wrong names its remedy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from microgrid_daemon import tls
from microgrid_daemon.broker import Connection
from microgrid_daemon.config import BrokerConfig
from microgrid_daemon.store import Store
from tests.daemon.certificates import Pair, authority, signed
from tests.daemon.stage import until
from tests.mosquitto import Mosquitto, running


@dataclass(frozen=True, slots=True)
class Office:
    """Who signs what."""

    folder: Path
    ours: Pair
    other: Pair
    server: Pair
    client: Pair


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Office:
    """Two CAs; ours signed a server and a client."""
    folder = tmp_path_factory.mktemp("certificates")
    ours, other = authority(folder, "ours"), authority(folder, "other")
    return Office(folder, ours, other, signed(folder, ours, "server"), signed(folder, ours, "client"))


@contextmanager
def _broker(folder: Path, ca: Pair, server: Pair, *settings: str) -> Iterator[Mosquitto]:
    files = (f"cafile {ca.cert}", f"certfile {server.cert}", f"keyfile {server.key}")
    # As root Mosquitto becomes another user, who may not read the key.
    with running(folder, *files, *settings, "user root") as broker:
        yield broker


@asynccontextmanager
async def _trying(config: BrokerConfig, store: Store) -> AsyncIterator[Connection]:
    connection = Connection(config, "village", "mpp-1", store)
    connection.start()
    try:
        yield connection
    finally:
        await connection.stop()


async def _trouble(config: BrokerConfig, store: Store) -> str:
    async with _trying(config, store) as connection:

        async def told() -> bool:
            assert not connection.connected, "nobody should have let us in"
            return connection.trouble is not None

        await until(told)
        return connection.trouble or ""


async def _gets_in(config: BrokerConfig, store: Store) -> None:
    async with _trying(config, store) as connection:

        async def connected() -> bool:
            return connection.connected

        await until(connected)
        connection.promise("event", b"{}")

        async def delivered() -> bool:
            return store.depth() == 0

        await until(delivered)


async def test_a_broker_of_our_own_ca_is_trusted_and_others_are_not(
    office: Office, store: Store, tmp_path: Path
) -> None:
    with _broker(tmp_path, office.ours, office.server) as broker:
        good = BrokerConfig("127.0.0.1", broker.port, tls=True, ca_file=office.ours.cert)
        await _gets_in(good, store)
        wrong = BrokerConfig("127.0.0.1", broker.port, tls=True, ca_file=office.other.cert)
        assert "`ca_file` must be that of its CA" in await _trouble(wrong, store)
        system = BrokerConfig("127.0.0.1", broker.port, tls=True)
        assert "`ca_file` must be that of its CA" in await _trouble(system, store)
        plain = BrokerConfig("127.0.0.1", broker.port)
        assert "set `tls = true`" in await _trouble(plain, store)
        name = BrokerConfig("localhost", broker.port, tls=True, ca_file=office.ours.cert)
        assert "`host` must be a name that stands in it" in await _trouble(name, store)


async def test_a_certificate_for_a_name_is_not_one_for_an_address(
    office: Office, store: Store, tmp_path: Path
) -> None:
    named = signed(office.folder, office.ours, "named", names="DNS:localhost")
    with _broker(tmp_path, office.ours, named) as broker:
        await _gets_in(BrokerConfig("localhost", broker.port, tls=True, ca_file=office.ours.cert), store)
        address = BrokerConfig("127.0.0.1", broker.port, tls=True, ca_file=office.ours.cert)
        assert "not for this address" in await _trouble(address, store)


async def test_an_expired_certificate_is_told_as_such(office: Office, store: Store, tmp_path: Path) -> None:
    old = signed(office.folder, office.ours, "old", expired=True)
    with _broker(tmp_path, office.ours, old) as broker:
        config = BrokerConfig("127.0.0.1", broker.port, tls=True, ca_file=office.ours.cert)
        assert "has expired: renew it" in await _trouble(config, store)


async def test_a_broker_may_want_to_know_who_we_are(office: Office, store: Store, tmp_path: Path) -> None:
    def with_pair(pair: Pair | None, port: int) -> BrokerConfig:
        plain = BrokerConfig("127.0.0.1", port, tls=True, ca_file=office.ours.cert)
        return plain if pair is None else replace(plain, cert_file=pair.cert, key_file=pair.key)

    with _broker(tmp_path, office.ours, office.server, "require_certificate true") as broker:
        await _gets_in(with_pair(office.client, broker.port), store)
        assert "set `cert_file` and `key_file`" in await _trouble(with_pair(None, broker.port), store)
        stranger = signed(office.folder, office.other, "stranger")
        assert "our CA" in await _trouble(with_pair(stranger, broker.port), store)
        old = signed(office.folder, office.ours, "old-client", expired=True)
        assert "our `cert_file` has expired" in await _trouble(with_pair(old, broker.port), store)


async def test_a_port_without_tls_and_a_wrong_password_are_told(
    mosquitto: Mosquitto, store: Store, office: Office, tmp_path: Path
) -> None:
    encrypted = BrokerConfig("127.0.0.1", mosquitto.port, tls=True, ca_file=office.ours.cert)
    assert "there is no TLS at this port" in await _trouble(encrypted, store)
    folder = tmp_path / "strict"
    folder.mkdir()
    (folder / "users").write_text("")
    with running(folder, "allow_anonymous false", f"password_file {folder / 'users'}", "user root") as strict:
        config = BrokerConfig("127.0.0.1", strict.port, "pi", "geheim")
        trouble = await _trouble(config, store)
    assert "check `user` and the password" in trouble
    assert "geheim" not in trouble


async def test_who_is_not_there_is_told(store: Store) -> None:
    assert "does the broker run" in await _trouble(BrokerConfig("127.0.0.1", 1), store)
    assert "check `host`" in await _trouble(BrokerConfig("no-such-host.invalid", 1883), store)
    assert "does a firewall" in tls.remedy(TimeoutError("timed out"))


def test_files_that_cannot_be_used_are_named(office: Office, tmp_path: Path) -> None:
    none, nonsense = tmp_path / "none.pem", tmp_path / "nonsense.pem"
    nonsense.write_text("no certificate")

    def refused(
        ca_file: Path | None = None, cert_file: Path | None = None, key_file: Path | None = None
    ) -> str:
        config = BrokerConfig("h", 8883, None, None, True, ca_file, cert_file, key_file)
        with pytest.raises(OSError) as caught:
            tls.context(config)
        return str(caught.value)

    assert str(none) in refused(ca_file=none)
    assert "in PEM form" in refused(ca_file=nonsense)
    assert str(none) in refused(cert_file=none, key_file=none)
    assert "in PEM form" in refused(cert_file=nonsense, key_file=office.client.key)
    assert "fits" in refused(cert_file=office.client.cert, key_file=office.server.key)


async def test_the_log_says_a_reason_once(
    office: Office, store: Store, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with _broker(tmp_path, office.ours, office.server) as broker:
        config = BrokerConfig("127.0.0.1", broker.port, tls=True, ca_file=office.other.cert)
        async with _trying(config, store) as connection:

            async def told() -> bool:
                return connection.trouble is not None

            for _ in range(2):
                await until(told)
                connection.trouble = None
    assert caplog.text.count("must be that of its CA") == 1
