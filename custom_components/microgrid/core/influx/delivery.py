"""Delivering a batch whatever the server says: halving, leaving out bad lines, and knowing when to wait."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .answers import Answer, Verdict
from .tiers import Policy

if TYPE_CHECKING:
    from .server import Sink

SAME_REFUSALS = 16
"""So many lines of a measurement refused, and none stored between: its other lines are like them."""


@dataclass(slots=True)
class Outcome:
    """What became of a batch."""

    stored: int = 0
    dropped: int = 0
    reason: str = ""
    """Why the last dropped line was refused."""

    def drop(self, count: int, answer: Answer) -> None:
        """Count lines that no server will take."""
        self.dropped += count
        self.reason = answer.reason


class Postponed(Exception):
    """The batch has to be sent again; `answer` says why."""

    def __init__(self, answer: Answer) -> None:
        """Keep the answer."""
        super().__init__(answer.reason)
        self.answer = answer


async def deliver(sink: Sink, policy: Policy, lines: Sequence[bytes]) -> Outcome:
    """Store lines; returns when each is stored or refused for good, raises Postponed or Unreachable.

    After an error the same lines can be sent again: points overwrite themselves.
    """
    outcome = Outcome()
    waiting = [list(lines)]
    refused: Counter[bytes] = Counter()
    while waiting:
        batch = waiting.pop()
        if not batch:
            continue
        answer = await sink.write(policy, b"\n".join(batch))
        match answer.verdict:
            case Verdict.STORED:
                outcome.stored += len(batch)
                for measurement in {_measurement(line) for line in batch}:
                    del refused[measurement]
            case Verdict.PARTIAL:
                dropped = min(answer.dropped, len(batch))
                outcome.stored += len(batch) - dropped
                outcome.drop(dropped, answer)
            case Verdict.REFUSED | Verdict.TOO_LARGE if len(batch) > 1 and answer.bad_line is None:
                half = len(batch) // 2
                waiting += [batch[half:], batch[:half]]
            case Verdict.REFUSED | Verdict.TOO_LARGE:
                bad = batch.pop(min(answer.bad_line or 1, len(batch)) - 1)
                outcome.drop(1, answer)
                waiting.append(batch)
                measurement = _measurement(bad)
                refused[measurement] += 1
                if refused[measurement] == SAME_REFUSALS:
                    before = sum(map(len, waiting))
                    waiting = [
                        [line for line in rest if _measurement(line) != measurement] for rest in waiting
                    ]
                    outcome.drop(before - sum(map(len, waiting)), answer)
            case _:
                raise Postponed(answer)
    return outcome


def _measurement(line: bytes) -> bytes:
    return line.partition(b",")[0]
