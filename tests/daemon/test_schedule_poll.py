"""Schedules over HTTP while the broker is away: a kind server, hostile ones, and the way back."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from microgrid_core.contract.messages import ScheduleMode
from microgrid_core.contract.reading import MAX_PAYLOAD_BYTES
from microgrid_daemon.config import PollConfig
from microgrid_daemon.http_get import MOST_HEAD_BYTES, Answer, FetchError, get
from microgrid_daemon.schedule.executor import Executor
from microgrid_daemon.schedule.poll import SchedulePoll
from microgrid_daemon.store import Store
from tests.daemon.test_battery import START, plan
from tests.daemon.test_collector import Time
from tests.daemon.test_executor import CAPABILITY, TOPIC

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def serving(serve: Serve, context: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server with its address."""

    tasks: set[asyncio.Task[None]] = set()

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError):
            await serve(reader, writer)
        writer.close()

    def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.get_running_loop().create_task(answer(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        port = server.sockets[0].getsockname()[1]
        yield f"{'https' if context else 'http'}://127.0.0.1:{port}/{{node}}.json?v=1"
    finally:
        server.close()
        for task in tasks:
            task.cancel()


class Kind:
    """Serves a document, with an ETag."""

    def __init__(self, document: bytes) -> None:
        self.document, self.etag = document, '"one"'
        self.status = 200
        self.heads: list[str] = []

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        self.heads.append(head)
        status = 304 if f"If-None-Match: {self.etag}" in head and self.status == 200 else self.status
        body = self.document if status == 200 else b""
        writer.write(
            f"HTTP/1.1 {status} So\r\nETag: {self.etag}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
        )
        await writer.drain()


def says(answer: bytes, *, then: Serve | None = None) -> Serve:
    """A server that says this, whatever is asked, and does something else after it."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        if then is not None:
            await then(reader, writer)

    return serve


async def _for_ever(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x" * 4096)
        await writer.drain()
        await asyncio.sleep(0)


async def _drop_by_drop(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


async def _hold(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read(1)


HEAD = b"HTTP/1.0 200 OK\r\n"


@pytest.mark.parametrize(
    ("serve", "why"),
    [
        (says(b""), "no HTTP, or breaks off"),
        (says(b"", then=_hold), "not answered within"),
        (says(HEAD, then=_drop_by_drop), "not answered within"),
        (says(HEAD + b"\r\n", then=_drop_by_drop), "not answered within"),
        (says(HEAD, then=_for_ever), f"longer than {MOST_HEAD_BYTES} bytes"),
        (says(HEAD + b"\r\n", then=_for_ever), "more than 1000 bytes"),
        (says(HEAD + b"Content-Length: 1001\r\n\r\n", then=_hold), "has 1001 bytes"),
        (says(HEAD + b"Content-Length: -1\r\n\r\n"), "is no number"),
        (says(HEAD + b"Content-Length: 9999999999999999999\r\n\r\n"), "is no number"),
        (says(HEAD + b"Content-Length: 10\r\n\r\nabc"), "breaks off after 3 of 10"),
        (says(HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n"), "in chunks"),
        (says(HEAD + b"Content-Encoding: gzip\r\n\r\n\x1f\x8b"), "compressed"),
        (says(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "no HTTP"),
        (says(b"HTTP/1.1 2000 OK\r\n\r\n"), "no HTTP"),
    ],
)
async def test_hostile_servers_are_left_in_time(serve: Serve, why: str) -> None:
    async with serving(serve) as url:
        began_s = time.monotonic()
        with pytest.raises(FetchError, match=why):
            await get(url, most_bytes=1000, timeout_s=0.3)
        assert time.monotonic() - began_s < 3.0


@given(answer=st.binary(max_size=200), head=st.sampled_from((b"", HEAD, HEAD + b"Content-Length: ")))
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_any_bytes_are_an_answer_or_an_error(answer: bytes, head: bytes) -> None:
    async def ask() -> None:
        async with serving(says(head + answer)) as url:
            with contextlib.suppress(FetchError):
                assert isinstance(await get(url, most_bytes=100, timeout_s=1.0), Answer)

    asyncio.run(ask())


async def test_nobody_there_and_a_bad_token() -> None:
    with pytest.raises(FetchError, match=r"Connect call failed|refused"):
        await get("http://127.0.0.1:9/", most_bytes=10)
    with pytest.raises(FetchError, match="token has blanks"):
        await get("http://127.0.0.1:9/", most_bytes=10, token="a\r\nHost: b")


async def test_who_is_not_trusted_never_gets_the_token(tmp_path: Path) -> None:
    if (openssl := shutil.which("openssl")) is None:
        pytest.skip("openssl is not installed; script/bootstrap does it")
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    request = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    more = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = await asyncio.create_subprocess_exec(
        *(*request.split(), "-keyout", str(key), "-out", str(certificate), *more), stderr=subprocess.DEVNULL
    )
    assert await made.wait() == 0
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    kind = Kind(b"{}")
    async with serving(kind, context) as url:
        with pytest.raises(FetchError, match="not trusted"):
            await get(url, most_bytes=100, token="secret")
        assert kind.heads == []
        answer = await get(url, most_bytes=100, token="secret", ca_file=certificate)
        assert answer == Answer(200, b"{}", '"one"')
        assert "Authorization: Bearer secret\r\n" in kind.heads[0]


class Stage:
    """A battery's executor, a broker that is there or not, and a poll."""

    def __init__(self, url: str, store: Store) -> None:
        self.connected, self.time, self.came = True, Time(), 0
        self.executor = Executor(store, "battery-1", CAPABILITY, TOPIC)
        config = PollConfig(url, after_s=300.0, every_s=60.0)
        self.poll = SchedulePoll(config, "battery-1", lambda: self.connected, self._receive, now_s=self.time)

    def _receive(self, payload: bytes) -> None:
        self.came += 1
        self.executor.receive(payload, START)

    async def goes_by(self, seconds: float) -> None:
        """Look every five seconds."""
        end_s = self.time.now_s + seconds
        while self.time.now_s < end_s:
            self.time.now_s += 5.0
            await self.poll.step()

    @property
    def revision(self) -> int | None:
        return None if self.executor.schedule is None else self.executor.schedule.revision


async def test_schedules_come_while_the_broker_is_away_and_only_then(store: Store) -> None:
    kind = Kind(plan((ScheduleMode.CHARGE, 1000.0), revision=3))
    async with serving(kind) as url:
        stage = Stage(url, store)
        await stage.goes_by(1000)
        assert kind.heads == [], "the broker is there"
        stage.connected = False
        await stage.goes_by(295)
        assert kind.heads == [], "not at once"
        await stage.goes_by(60)
        assert stage.revision == 3
        assert kind.heads[0].startswith("GET /battery-1.json?v=1 HTTP/1.0\r\n")
        await stage.goes_by(600)
        assert len(kind.heads) > 5 and stage.came == 1, "what has not changed is not taken again"
        assert 'If-None-Match: "one"' in kind.heads[-1]
        kind.document, kind.etag = plan((ScheduleMode.CHARGE, 1500.0), revision=4), '"two"'
        await stage.goes_by(70)
        assert stage.revision == 4
        stage.executor.receive(plan((ScheduleMode.CHARGE, 500.0), revision=6), START)
        kind.document, kind.etag = plan((ScheduleMode.CHARGE, 1.0), revision=5), '"three"'
        await stage.goes_by(70)
        assert stage.revision == 6, "an older one changes nothing, whichever way it comes"
        asked = len(kind.heads)
        stage.connected = True
        await stage.goes_by(1000)
        assert len(kind.heads) == asked


async def test_what_comes_is_judged_like_any_schedule(store: Store) -> None:
    kind = Kind(plan((ScheduleMode.CHARGE, 9000.0)))
    async with serving(kind) as url:
        stage = Stage(url, store)
        stage.connected = False
        await stage.goes_by(400)
        assert stage.revision is None
        assert any(b'"rejected"' in message.payload for message in store.waiting(0, 10))
        kind.document, kind.etag = b"\xff{", '"two"'
        await stage.goes_by(70)
        assert stage.revision is None
        kind.document, kind.etag = b" " * (MAX_PAYLOAD_BYTES + 1), '"three"'
        came = stage.came
        await stage.goes_by(70)
        assert stage.came == came


@pytest.mark.parametrize("status", [204, 301, 401, 404, 500])
async def test_other_answers_change_nothing_and_are_asked_ever_less(
    store: Store, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    kind = Kind(b"")
    kind.status = status
    async with serving(kind) as url:
        stage = Stage(url, store)
        stage.connected = False
        await stage.goes_by(300 + 3600)
        assert stage.came == 0
        assert (len(kind.heads) < 10) == (status not in (204, 404))
        assert len([line for line in caplog.messages if "no schedule from" in line]) == (
            status not in (204, 404)
        )
