"""A link to one inverter: one request at a time, with everything that goes wrong on its line.

The inverter is told by its serial number, not by the name of its device file, so that it is found again
wherever it is plugged in. Nothing raises but cancellation: a request returns a reply or why there is none.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..pi30 import framing
from ..pi30.decode import Reply, decode, query_of
from ..pi30.rejection import Reason, Rejection
from ..pi30.table import Layout
from .line import Line, LineGone
from .place import Place


@dataclass(frozen=True, slots=True)
class Timing:
    """How patient a link is."""

    idle_s: float = 60.0
    """After this time a device may sleep through the first command."""
    reopen_first_s: float = 1.0
    reopen_last_s: float = 60.0
    """Pause before a device is looked for again; doubles from the first to the last."""
    settle_s: float = 1.0
    """How long the line must be quiet after an answer stayed away, which may only be late."""


# Nothing better will come.
_FINAL = frozenset({Reason.REFUSED, Reason.FOREIGN_PROTOCOL, Reason.BAD_CRC, Reason.TOO_SHORT})
_SILENT_LIMIT = 3  # timeouts after which a device that else answers does not know a command
_SILENT_PER_PROOF = 2
_HANG_LIMIT = 5  # unanswered requests after which the line is opened anew
_SERIAL_QUERIES = ("QSID", "QID")


def same_serial(wanted: str, told: str) -> bool:
    """Tell whether two serial numbers are one: QID has only the first 14 characters of QSID."""
    return wanted == told or (min(len(wanted), len(told)) >= 14 and wanted[:14] == told[:14])


class Link:
    """One inverter, wherever it hangs."""

    def __init__(
        self,
        places: Callable[[], Sequence[Place]],
        *,
        serial_number: str | None = None,
        timing: Timing = Timing(),
        claimed: set[str] | None = None,
    ) -> None:
        """Look for the inverter in `places`, except in those `claimed` by other links; opens nothing yet."""
        self.layout = Layout.BASE
        """How replies are read; whoever knows the model sets it."""
        self.counters: Counter[str] = Counter()
        """Requests, retries and reopenings, and rejections by reason."""
        self._places = places
        self._serial_number = serial_number
        self._timing = timing
        self._claimed = set() if claimed is None else claimed
        self._lock = asyncio.Lock()
        self._reader = framing.FrameReader()
        self._line: Line | None = None
        self._place: Place | None = None
        self._last_answer_s = -float("inf")
        self._next_look_s = -float("inf")
        self._pause_s = timing.reopen_first_s
        self._zero_as_one = False
        self._unsettled = False
        self._unanswered = 0
        self._forget_device()

    @property
    def connected(self) -> bool:
        """Whether the line is open."""
        return self._line is not None

    @property
    def place(self) -> str | None:
        """Where the inverter hangs now."""
        return self._place.name if self._place is not None else None

    async def request(self, command: str) -> Reply | Rejection:
        """Send a query or a setter and return what the inverter answers. Raises ValueError for no command."""
        framing.request(command)
        async with self._lock:
            self.counters["requests"] += 1
            opened = self._line or await self._open()
            if isinstance(opened, Rejection):
                return self._counted(opened)
            if command in self._unsupported:
                return self._counted(
                    Rejection(
                        Reason.UNSUPPORTED, f"{command}: the device never answered it, so it is not sent"
                    )
                )
            answer = await self._ask(opened, command)
            self._watch_for_hang(answer)
            return self._counted(answer)

    async def close(self) -> None:
        """Let go of the line, after the request that is under way."""
        async with self._lock:
            self._shut()

    # ------------------------------------------------------------------------------------- finding the device

    async def _open(self) -> Line | Rejection:
        """Look for the inverter, at most as often as the pause allows."""
        loop = asyncio.get_running_loop()
        if (wait_s := self._next_look_s - loop.time()) > 0.0:
            return Rejection(Reason.DISCONNECTED, f"{self._wanted}: not there, next look in {wait_s:.0f} s")
        refusals: list[str] = []
        reason = Reason.NOT_FOUND
        for place in self._places():
            if place.name in self._claimed:
                continue
            self._claimed.add(place.name)  # before the first await: other links look at the same time
            found = await self._try(place)
            if isinstance(found, Line):
                self._pause_s = self._timing.reopen_first_s
                self.counters["opened"] += 1
                return found
            self._claimed.discard(place.name)
            if found.reason is Reason.FOREIGN_PROTOCOL:
                reason = found.reason
            refusals.append(f"{place.name}: {found.detail}")
        self._pause()
        return Rejection(reason, f"{self._wanted}: {'; '.join(refusals) or 'no device is plugged in'}")

    @property
    def _wanted(self) -> str:
        return f"inverter {self._serial_number}" if self._serial_number else "inverter"

    async def _try(self, place: Place) -> Line | Rejection:
        """Open a place and see whether the right inverter hangs there."""
        try:
            line = place.open()
        except OSError as error:
            return Rejection(Reason.DISCONNECTED, error.strerror or str(error))
        self._line, self._place = line, place
        self._forget_device()
        try:
            wrong = None if self._serial_number is None else await self._compare(line, self._serial_number)
        except BaseException:
            self._shut()
            raise
        if wrong is None and self._line is line:
            return line
        self._shut()
        return wrong or Rejection(Reason.DISCONNECTED, "unplugged while it was asked for its serial number")

    async def _compare(self, line: Line, wanted: str) -> Rejection | None:
        """Ask for the serial number; None when it is the wanted one."""
        refused: Rejection | None = None
        for query in _SERIAL_QUERIES:
            answer = await self._ask(line, query)
            if isinstance(answer, Reply):
                told = str(answer.values["serial_number"])
                if same_serial(wanted, told):
                    return None
                return Rejection(Reason.NOT_FOUND, f"this is inverter {told}")
            refused = answer
            if answer.reason in (Reason.DISCONNECTED, Reason.FOREIGN_PROTOCOL):
                break
        return refused

    def _pause(self) -> None:
        """Wait longer each time; not in step with the links of other devices."""
        now_s = asyncio.get_running_loop().time()
        self._next_look_s = now_s + self._pause_s * random.uniform(0.8, 1.0)
        self._pause_s = min(2.0 * self._pause_s, self._timing.reopen_last_s)

    def _shut(self) -> None:
        if self._line is not None:
            self._line.close()
        if self._place is not None:
            self._claimed.discard(self._place.name)
        self._line = self._place = None

    def _forget_device(self) -> None:
        """What was learned belongs to the device that was plugged in."""
        self._answered: set[str] = set()
        self._unsupported: set[str] = set()
        self._timeouts: Counter[str] = Counter()
        self._proven_timeouts: Counter[str] = Counter()
        self._zero_as_one = False
        self._unanswered = 0
        self._last_answer_s = -float("inf")

    # ---------------------------------------------------------------------------------------------- asking it

    async def _ask(self, line: Line, command: str) -> Reply | Rejection:
        """Send, and send again where that may help."""
        answer: Reply | Rejection = Rejection(Reason.SILENCE, f"{command}: no answer")
        for attempt, zero_as_one in enumerate(self._attempts(command)):
            if attempt:
                self.counters["retries"] += 1
            try:
                answer = await self._exchange(line, command, zero_as_one)
            except LineGone as gone:
                self._shut()
                self._pause()
                return Rejection(Reason.DISCONNECTED, f"{self._wanted}: {gone}")
            if isinstance(answer, Reply) or answer.reason is Reason.REFUSED:
                self._zero_as_one |= zero_as_one
                self._learn(command)
            if isinstance(answer, Reply):
                self._answered.add(command)
                return answer
            if answer.reason is Reason.FOREIGN_PROTOCOL:
                return answer
            # Units refuse now and then what they answered before.
            if answer.reason is Reason.REFUSED and command not in self._answered:
                return answer
            if answer.reason is Reason.SILENCE:
                self._timeouts[command] += 1
        return answer

    def _attempts(self, command: str) -> list[bool]:
        """Return how to send each time: whether zeros of the CRC go as ones."""
        zero = framing.has_zero_crc(command)
        usual = zero and self._zero_as_one
        attempts = [usual]
        idle_s = asyncio.get_running_loop().time() - self._last_answer_s
        # A setter is sent again only when it is likely that nobody heard it: its effect is read back anyway.
        if query_of(command) is not None or idle_s > self._timing.idle_s:
            attempts.append(usual)
        if zero and not usual:
            attempts.append(True)
        return attempts

    async def _exchange(self, line: Line, command: str, zero_as_one: bool) -> Reply | Rejection:
        """Send once and listen until the answer, or the end of the time; raises LineGone."""
        await self._settle(line)
        line.drain()
        self._reader.clear()
        self._unsettled = True  # until the answer: also when somebody cancels us
        await line.send(framing.request(command, zero_as_one=zero_as_one))
        last: Rejection | None = None
        try:
            async with asyncio.timeout(self._place.reply_s if self._place is not None else 0.0):
                while True:
                    for frame in self._reader.feed(await line.receive()):
                        if isinstance(frame, Rejection):
                            last = frame
                            continue
                        answer = decode(command, frame, self.layout)
                        if isinstance(answer, Reply) or answer.reason in _FINAL:
                            self._unsettled = False
                            return answer
                        # An echo, noise or a late reply: the right one may follow.
                        last = answer
                    await asyncio.sleep(0)  # whoever talks without pause must not stop our clock
        except TimeoutError:
            pass
        if last is not None:
            return last
        if held := len(self._reader.held):
            return Rejection(Reason.TOO_SHORT, f"{command}: {held} bytes came, and no end")
        return Rejection(Reason.SILENCE, f"{command}: no answer")

    async def _settle(self, line: Line) -> None:
        """Let a late answer pass, so that it is not taken for that to the next request; raises LineGone."""
        if not self._unsettled:
            return
        loop = asyncio.get_running_loop()
        patience_s = loop.time() + 4.0 * self._timing.settle_s
        while loop.time() < patience_s:
            try:
                async with asyncio.timeout(self._timing.settle_s):
                    await line.receive()
            except TimeoutError:
                break
            await asyncio.sleep(0)
        self._unsettled = False

    # ----------------------------------------------------------------------------------------- learning of it

    def _learn(self, command: str) -> None:
        """The device is alive: what it left unanswered meanwhile it does not know."""
        self._last_answer_s = asyncio.get_running_loop().time()
        self._timeouts.pop(command, None)
        for other, count in self._timeouts.items():
            self._proven_timeouts[other] += min(count, _SILENT_PER_PROOF)
            if self._proven_timeouts[other] >= _SILENT_LIMIT and other not in self._answered:
                self._unsupported.add(other)
        self._timeouts.clear()

    def _watch_for_hang(self, answer: Reply | Rejection) -> None:
        """Open the line anew when nothing is answered any more: some bridges work again only then."""
        silent = isinstance(answer, Rejection) and answer.reason is Reason.SILENCE
        self._unanswered = self._unanswered + 1 if silent else 0
        if self._unanswered >= _HANG_LIMIT:
            self._shut()
            self._pause()

    def _counted(self, answer: Reply | Rejection) -> Reply | Rejection:
        if isinstance(answer, Rejection):
            self.counters[answer.reason.value] += 1
        return answer
