"""One GET over HTTP/1.0, in the event loop: bounded in time and in size, whoever answers.

No thread, no redirect, no compression: a redirect would carry the token to somebody else, and a thread that a
slow server holds could not be taken back.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

TIMEOUT_S: Final = 20.0
"""For all of it, from the look-up of the name on."""
MOST_HEAD_BYTES: Final = 16 * 1024
_STATUS: Final = re.compile(rb"HTTP/1\.[01] ([1-5][0-9]{2})(?: .*)?", re.ASCII)
_TOKEN: Final = re.compile(r"[\x21-\x7e]+", re.ASCII)
_ETAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"', re.ASCII)
_MOST_ETAG: Final = 256


class FetchError(Exception):
    """Nothing usable came; the text says why."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said."""

    status: int
    body: bytes
    etag: str | None


async def get(
    url: str,
    *,
    most_bytes: int,
    token: str | None = None,
    etag: str | None = None,
    ca_file: Path | None = None,
    timeout_s: float = TIMEOUT_S,
) -> Answer:
    """Fetch; raises FetchError."""
    if token is not None and _TOKEN.fullmatch(token) is None:
        raise FetchError("the token has blanks or characters that no header may have")
    try:
        async with asyncio.timeout(timeout_s):
            return await _get(url, most_bytes, token, etag, ca_file)
    except TimeoutError as error:
        raise FetchError(f"not answered within {timeout_s:g} s") from error
    except ssl.SSLCertVerificationError as error:
        raise FetchError(f"the certificate is not trusted: {error.verify_message}") from error
    except (OSError, EOFError, ValueError) as error:
        raise FetchError(str(error) or type(error).__name__) from error


async def _get(
    url: str, most_bytes: int, token: str | None, etag: str | None, ca_file: Path | None
) -> Answer:
    parts = urlsplit(url)
    safe = parts.scheme == "https"
    host, port = parts.hostname or "", parts.port or (443 if safe else 80)
    context = await asyncio.to_thread(_context, ca_file) if safe else None
    reader, writer = await asyncio.open_connection(host, port, ssl=context, limit=MOST_HEAD_BYTES)
    try:
        lines = [
            f"GET {parts.path or '/'}{'?' + parts.query if parts.query else ''} HTTP/1.0",
            f"Host: {parts.netloc}",
            "Accept: application/json",
            "Accept-Encoding: identity",
            "User-Agent: microgrid-daemon",
        ]
        if token is not None:
            lines.append(f"Authorization: Bearer {token}")
        if etag is not None:
            lines.append(f"If-None-Match: {etag}")
        writer.write("".join(f"{line}\r\n" for line in [*lines, ""]).encode("ascii"))
        await writer.drain()
        return await _answer(reader, most_bytes)
    finally:
        writer.transport.abort()  # a farewell would wait for the other side
        with contextlib.suppress(OSError):
            await writer.wait_closed()


def _context(ca_file: Path | None) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))


async def _answer(reader: asyncio.StreamReader, most_bytes: int) -> Answer:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.LimitOverrunError as error:
        raise FetchError(f"the head of the answer is longer than {MOST_HEAD_BYTES} bytes") from error
    except asyncio.IncompleteReadError as error:
        raise FetchError("the answer is no HTTP, or breaks off") from error
    first, *fields = head[:-4].split(b"\r\n")
    if (status := _STATUS.fullmatch(first)) is None:
        raise FetchError("the answer is no HTTP")
    headers = {}
    for field in fields:
        name, _, value = field.partition(b":")
        headers[name.strip().lower()] = value.strip().decode("latin-1")
    if headers.get(b"transfer-encoding", "identity").lower() != "identity":
        raise FetchError("the answer comes in chunks, which HTTP/1.0 does not have")
    if headers.get(b"content-encoding", "identity").lower() != "identity":
        raise FetchError("the answer is compressed, which nobody asked for")
    body = await _body(reader, headers.get(b"content-length"), most_bytes)
    etag = headers.get(b"etag", "")
    valid = len(etag) <= _MOST_ETAG and _ETAG.fullmatch(etag) is not None
    return Answer(int(status[1]), body, etag if valid else None)


async def _body(reader: asyncio.StreamReader, length: str | None, most_bytes: int) -> bytes:
    if length is not None:
        if not (length.isascii() and length.isdecimal() and len(length) <= 12):
            raise FetchError(f"the length of the answer is no number: {length[:20]!r}")
        if int(length) > most_bytes:
            raise FetchError(f"the answer has {int(length)} bytes, more than {most_bytes}")
    body = bytearray()
    expected = None if length is None else int(length)
    while expected is None or len(body) < expected:
        part = await reader.read(8192)
        if not part:
            break
        body += part
        if len(body) > most_bytes:
            raise FetchError(f"the answer has more than {most_bytes} bytes")
    if expected is not None and len(body) < expected:
        raise FetchError(f"the answer breaks off after {len(body)} of {expected} bytes")
    return bytes(body if expected is None else body[:expected])
