"""Counts what a source refuses and says so in the log, without letting a chatty sender fill it."""

from __future__ import annotations

import logging

from ..core.contract.reading import Rejection, RejectReason
from ..core.model.swarm import Swarm

_LOGGER = logging.getLogger(__name__)
_QUIET_S = 60.0
_EXPECTED = frozenset({RejectReason.DUPLICATE, RejectReason.OUTDATED})
"""A sender may repeat at will and a network may reorder: counted, but no reason to warn anybody."""
_BIRTHS_COME_S = 10.0
"""After the start the broker sends births that it kept, and what nodes say meanwhile may overtake them."""


class Refusals:
    """The refusals of one source."""

    def __init__(self, swarm: Swarm) -> None:
        """Know the swarm, which counts."""
        self._swarm = swarm
        self._began = swarm.monotonic()
        self._quiet: dict[tuple[str, RejectReason], tuple[float, int]] = {}

    def refuse(self, topic: str, sender: str, reason: RejectReason, detail: str) -> None:
        """Count and log a message that this source refuses."""
        self.count(topic, sender, Rejection(reason, detail))

    def count(self, topic: str, sender: str, rejection: Rejection) -> None:
        """Count and log a message that a parser refused."""
        self._swarm.reject(rejection)
        self.log(topic, sender, rejection)

    def log(self, topic: str, sender: str, rejection: Rejection) -> None:
        """Log a refusal that the swarm has counted: one line a minute for each sender and reason.

        Senders that are no node share one line, so invented ids cannot flood the log.
        """
        now = self._swarm.monotonic()
        early = rejection.reason is RejectReason.UNKNOWN_NODE and now - self._began < _BIRTHS_COME_S
        if early or rejection.reason in _EXPECTED:
            _LOGGER.debug("%s: refused (%s): %s", topic, rejection.reason, rejection.detail)
            return
        key = (sender if sender in self._swarm.nodes else "", rejection.reason)
        logged_at, held_back = self._quiet.get(key, (float("-inf"), 0))
        if now - logged_at < _QUIET_S:
            self._quiet[key] = (logged_at, held_back + 1)
            return
        self._quiet[key] = (now, 0)
        _LOGGER.warning(
            "%.200r: refused (%s): %s; %d more like it since the line before",
            topic,
            rejection.reason,
            rejection.detail,
            held_back,
        )
