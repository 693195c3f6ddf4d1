"""Fetches the schedule over HTTP while the broker stays away; with the broker back it is silent again.

What comes is judged like a document on `schedule/set`: form, revision, abilities. The newest revision wins,
whichever way it came.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import random
import time
from collections.abc import Callable
from typing import Final

from microgrid_core.contract.reading import MAX_PAYLOAD_BYTES

from ..config import PollConfig
from ..http_get import FetchError, get

_LOGGER = logging.getLogger(__name__)
_LOOK_S: Final = 5.0
_SPREAD: Final = 0.1
"""Not all batteries of a village at the same moment."""
_LONGEST_PAUSE_S: Final = 3600.0
_OK, _UNCHANGED, _NONE = 200, 304, (204, 404)
_REMEDY: Final = {
    301: "it has moved: write the new address",
    302: "it has moved: write the new address",
    307: "it has moved: write the new address",
    308: "it has moved: write the new address",
    401: "the token is missing or wrong",
    403: "the token may not read this",
}


class SchedulePoll:
    """The second way of a schedule to one battery."""

    def __init__(
        self,
        config: PollConfig,
        node: str,
        connected: Callable[[], bool],
        receive: Callable[[bytes], None],
        *,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connected` tells whether the broker is there, `receive` takes a document."""
        self._config = config
        self._node = node
        self._url = config.url.replace("{node}", node)
        self._connected = connected
        self._receive = receive
        self._now_s = now_s
        self._away_since_s: float | None = None
        self._next_s = 0.0
        self._failures = 0
        self._etag: str | None = None
        self._digest = b""
        self._told = ""

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self.step()
            await asyncio.sleep(_LOOK_S)

    async def step(self) -> None:
        """Fetch, if the broker has been away for long enough and it is time."""
        now_s = self._now_s()
        if self._connected():
            self._away_since_s, self._failures, self._told = None, 0, ""
            return
        if self._away_since_s is None:
            self._away_since_s = now_s
            self._next_s = now_s + self._config.after_s * random.uniform(1.0, 1.0 + _SPREAD)
        if now_s < self._next_s:
            return
        trouble = await self._fetch()
        self._failures = 0 if trouble is None else self._failures + 1
        pause_s = self._config.every_s * 2.0 ** min(max(0, self._failures - 1), 6)
        longest_s = max(self._config.every_s, _LONGEST_PAUSE_S)
        self._next_s = self._now_s() + min(pause_s, longest_s) * random.uniform(1.0, 1.0 + _SPREAD)
        self._say(trouble)

    async def _fetch(self) -> str | None:
        """Fetch once; return why that did not work."""
        config = self._config
        try:
            answer = await get(
                self._url,
                most_bytes=MAX_PAYLOAD_BYTES,
                token=config.token,
                etag=self._etag,
                ca_file=config.ca_file,
            )
        except FetchError as error:
            return str(error)
        if answer.status == _UNCHANGED or answer.status in _NONE:
            return None
        if answer.status != _OK:
            return f"status {answer.status}: {_REMEDY.get(answer.status, 'look at the server')}"
        if self._connected():
            return None  # meanwhile the broker is back, and knows better
        digest = hashlib.sha256(answer.body).digest()
        self._etag = answer.etag
        if answer.body and digest != self._digest:
            self._digest = digest
            _LOGGER.info("a schedule came over HTTP", extra={"node": self._node})
            self._receive(answer.body)
        return None

    def _say(self, trouble: str | None) -> None:
        """Say each reason once."""
        if trouble is not None and trouble != self._told:
            text = "no schedule from %s: %s"
            _LOGGER.warning(text, self._url, trouble, extra={"node": self._node})
        self._told = trouble or ""
