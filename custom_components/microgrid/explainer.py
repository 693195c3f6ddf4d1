"""The explainer: has a language model put a diagnosis into words, within a budget, and checks them.

Whatever goes wrong, there is an explanation: the engine's own words, and why they stand.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final

from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .core.diagnosis.case import Case
from .core.diagnosis.explanation.answer import Answer, AnswerRefused, read_answer, read_json
from .core.diagnosis.explanation.breaker import CircuitBreaker
from .core.diagnosis.explanation.dossier import Dossier, NodeName
from .core.diagnosis.explanation.explanation import Explanation, Outcome, by_engine, by_model
from .core.diagnosis.explanation.recall import Recall
from .core.diagnosis.explanation.spending import (
    NO_TOKENS,
    Budget,
    BudgetSpent,
    Ledger,
    Usage,
    bound_cents,
    cost_cents,
)
from .core.diagnosis.explanation.tools import MAX_CALLS, Earlier, Lookup
from .core.diagnosis.report import Report
from .explainer_claude import Claude, ClaudeError, PackageBroken, bytes_of
from .explainer_settings import ClaudeSettings, ExplainerSettings, TaskSettings
from .explainer_task import async_generate

_LOGGER = logging.getLogger(__name__)

DEADLINE_S: Final = 60.0
"""For all of an explanation: turns, retries, and waiting for another one."""
SAVE_AFTER_S: Final = 10.0
_STORAGE_VERSION: Final = 1
_SERVICE_FAILED: Final = frozenset({Outcome.UNREACHABLE, Outcome.UNAUTHORISED, Outcome.FAILED})


@dataclass(frozen=True, slots=True)
class Context:
    """What a model may look up besides the report; leave out what is not there."""

    case: Case | None = None
    """The measurements that the report is about."""
    earlier: tuple[Earlier, ...] = ()
    """Faults of before."""


NOTHING: Final = Context()


class _NoAnswer(Exception):
    """The engine's words stand."""

    def __init__(self, outcome: Outcome, reason: str) -> None:
        super().__init__(reason)
        self.outcome = outcome


@dataclass(slots=True)
class _Bill:
    """What one explanation took so far."""

    usage: Usage = NO_TOKENS
    cents: float = 0.0
    lookups: int = 0


class Explainer:
    """Explains the faults of one swarm."""

    def __init__(
        self,
        hass: HomeAssistant,
        entry_id: str,
        settings: ExplainerSettings | None,
        *,
        nodes: Callable[[], Mapping[str, NodeName]],
        unauthorised: Callable[[], None],
        restart_needed: Callable[[], None],
    ) -> None:
        """Know whom to ask; without settings nobody is asked."""
        self._hass = hass
        self._settings = settings
        self._nodes = nodes
        self._unauthorised = unauthorised
        self._restart_needed = restart_needed
        self._store: Store[dict[str, Any]] = Store(hass, _STORAGE_VERSION, storage_key(entry_id))
        self._claude: Claude | None = None
        if settings is not None and isinstance(settings.provider, ClaudeSettings):
            self._claude = Claude(hass, settings.provider)
        self._lock = asyncio.Lock()
        self._breaker = CircuitBreaker()
        self._recall = Recall()
        self._listeners: list[Callable[[], None]] = []
        self.ledger = Ledger(settings.budget if settings else Budget(0.0, 0.0))
        self.outcomes: Counter[Outcome] = Counter()
        """Since the start."""
        self.trouble: str | None = None
        """Why the last one was not explained by a model."""

    @property
    def configured(self) -> bool:
        """Whether there is somebody to ask."""
        return self._settings is not None

    async def async_start(self) -> None:
        """Load what was spent and explained before."""
        stored = await self._store.async_load() or {}
        self.ledger = Ledger.from_dict(self.ledger.budget, stored.get("ledger", {}))
        self._recall = Recall.from_dict(stored.get("recall", {}))
        if self.configured:
            self._tell_listeners()

    async def async_stop(self) -> None:
        """Save and close the connections."""
        if self.configured:
            await self._store.async_save(self._stored())
        if self._claude is not None:
            await self._claude.close()

    @staticmethod
    async def async_forget(hass: HomeAssistant, entry_id: str) -> None:
        """Delete what was stored."""
        await Store[dict[str, Any]](hass, _STORAGE_VERSION, storage_key(entry_id)).async_remove()

    @callback
    def on_change(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` when something was spent; returns what ends that."""
        self._listeners.append(listener)
        return partial(self._listeners.remove, listener)

    async def explain(self, report: Report, context: Context = NOTHING) -> Explanation:
        """Return the six answers for an operator, in a model's words where these can be trusted.

        Never raises for what a service, a model or the network does, and returns within DEADLINE_S: `outcome`
        says what came of it, and where no model's words count the answers are those of the report. `cause` is
        the verdict that counts; `engine_cause` and `model_cause` are both kept. `context` only adds what the
        model may look up. May be called again for the same report: within a day that costs nothing.
        """
        if self._settings is None:
            return self._note(by_engine(report, Outcome.OFF, "nobody is to be asked"))
        try:
            dossier = Dossier(report, self._nodes(), self._hass.config.language.partition("-")[0])
        except ValueError as error:
            return self._note(by_engine(report, Outcome.OFF, str(error)))
        bill = _Bill()
        begun = False
        try:
            async with asyncio.timeout(DEADLINE_S), self._lock:
                begun = True
                explanation = await self._explain(self._settings, dossier, context, bill)
        except _NoAnswer as error:
            explanation = by_engine(report, error.outcome, str(error))
        except TimeoutError:
            if begun:  # the others only waited for the one that failed
                self._breaker.failed(time.monotonic())
            explanation = by_engine(report, Outcome.UNREACHABLE, f"no answer within {DEADLINE_S:g} s")
        return self._note(
            replace(
                explanation,
                model=self._settings.asked,
                usage=bill.usage,
                cost_cents=bill.cents,
                lookups=bill.lookups,
            )
        )

    # ------------------------------------------------------------------------------------------------- inside

    async def _explain(
        self, settings: ExplainerSettings, dossier: Dossier, context: Context, bill: _Bill
    ) -> Explanation:
        now = dt_util.now()
        if (earlier := self._recall.find(dossier, now, settings.asked)) is not None:
            if earlier.event_id == dossier.report.event_id:
                dossier.quantities.update(earlier.asked)
            try:
                return by_model(dossier, read_answer(earlier.answer, dossier), Outcome.REUSED)
            except AnswerRefused:
                reason = "a fault of this kind was explained within a day"
                raise _NoAnswer(Outcome.REPEATED, reason) from None
        if not self._breaker.closed(time.monotonic()):
            raise _NoAnswer(Outcome.PAUSED, "several attempts failed: the next one is made later")
        try:
            answer = await self._ask(settings, dossier, context, bill)
        except _NoAnswer as error:
            if error.outcome in _SERVICE_FAILED:
                self._breaker.failed(time.monotonic())
            else:
                self._breaker.succeeded()
            raise
        self._breaker.succeeded()
        return by_model(dossier, answer)

    async def _ask(
        self, settings: ExplainerSettings, dossier: Dossier, context: Context, bill: _Bill
    ) -> Answer:
        if isinstance(settings.provider, TaskSettings):
            found = await self._ask_entity(settings.provider, dossier)
        else:
            assert self._claude is not None
            found = await self._ask_claude(self._claude, dossier, context, bill)
        kept: Mapping[str, Any] = {}
        try:
            answer = read_answer(found, dossier)
            assert isinstance(found, Mapping)
            kept = found
        except AnswerRefused as error:
            raise _NoAnswer(Outcome.REFUSED, str(error)) from error
        finally:
            # Also that none passed is remembered: the same question would be answered alike, and cost again.
            self._recall.keep(dossier, dt_util.now(), kept, settings.asked)
            self._store.async_delay_save(self._stored, SAVE_AFTER_S)
        return answer

    async def _ask_entity(self, provider: TaskSettings, dossier: Dossier) -> object:
        try:
            reservation = self.ledger.reserve(dt_util.now(), 0.0)
        except BudgetSpent as error:
            raise _NoAnswer(Outcome.BUDGET, str(error)) from error
        await self._store.async_save(self._stored())
        try:
            return await async_generate(self._hass, provider.entity_id, dossier)
        except Exception as error:  # whatever others' entities raise: a fault is explained in any case
            _LOGGER.debug("%s failed", provider.entity_id, exc_info=True)
            raise _NoAnswer(Outcome.FAILED, f"{provider.entity_id} failed") from error
        finally:
            self.ledger.settle(reservation, 0.0, NO_TOKENS)

    async def _ask_claude(self, claude: Claude, dossier: Dossier, context: Context, bill: _Bill) -> object:
        """Talk until there is an answer; the model may look things up in between."""
        lookup = Lookup(dossier, context.case, context.earlier)
        tools = lookup.offered()
        schema = dossier.schema(tools=MAX_CALLS if tools else 0)
        messages: list[dict[str, Any]] = [{"role": "user", "content": dossier.evidence()}]
        while True:
            request = claude.request(
                dossier.rules(), messages, schema, tools=tools, more_calls=bill.lookups < MAX_CALLS
            )
            message = await self._buy(claude, request, bill)
            stop, content = message.get("stop_reason"), message["content"]
            if stop == "tool_use" and bill.lookups < MAX_CALLS:
                results = self._look_up(lookup, content, bill)
                messages += [{"role": "assistant", "content": content}, {"role": "user", "content": results}]
            elif stop == "refusal":
                raise _NoAnswer(Outcome.DECLINED, "the model declined to answer")
            elif stop in ("end_turn", "stop_sequence"):
                return _json_of(content)
            else:
                raise _NoAnswer(Outcome.TRUNCATED, "the model did not come to an end")

    @staticmethod
    def _look_up(lookup: Lookup, content: list[Any], bill: _Bill) -> list[dict[str, Any]]:
        results = []
        for block in content:
            if not isinstance(block, dict) or block.get("type") != "tool_use":
                continue
            if bill.lookups < MAX_CALLS:
                bill.lookups += 1
                result = lookup.call(str(block.get("name")), block.get("input"))
            else:
                result = '{"error":"no_more_calls"}'
            results.append({"type": "tool_result", "tool_use_id": block.get("id"), "content": result})
        if not results:
            raise _NoAnswer(Outcome.FAILED, "the service sent a turn without a question")
        return results

    async def _buy(self, claude: Claude, request: dict[str, Any], bill: _Bill) -> dict[str, Any]:
        """Send a request that the budget allows; what it can cost is on disk before."""
        prices = claude.settings.prices
        try:
            reservation = self.ledger.reserve(
                dt_util.now(), bound_cents(prices, bytes_of(request), request["max_tokens"])
            )
        except BudgetSpent as error:
            raise _NoAnswer(Outcome.BUDGET, str(error)) from error
        await self._store.async_save(self._stored())
        try:
            message = await claude.send(request)
        except ClaudeError as error:
            if error.unbilled:
                self.ledger.settle(reservation, 0.0, NO_TOKENS)
            if error.outcome is Outcome.UNAUTHORISED:
                self._unauthorised()
            if isinstance(error, PackageBroken):
                self._restart_needed()
            raise _NoAnswer(error.outcome, str(error)) from error
        usage = Usage.of(message.get("usage"))
        cents = cost_cents(prices, usage)
        self.ledger.settle(reservation, cents, usage)
        bill.usage, bill.cents = bill.usage + usage, bill.cents + cents
        self._store.async_delay_save(self._stored, SAVE_AFTER_S)
        self._tell_listeners()
        return message

    def _note(self, explanation: Explanation) -> Explanation:
        self.outcomes[explanation.outcome] += 1
        trouble = explanation.reason if explanation.outcome in _SERVICE_FAILED else None
        if trouble is not None and self.trouble is None:
            _LOGGER.warning("faults are told in the engine's own words: %s", trouble)
        elif self.trouble is not None and explanation.outcome is Outcome.EXPLAINED:
            _LOGGER.info("faults are explained again")
        if trouble is not None or explanation.outcome is Outcome.EXPLAINED:
            self.trouble = trouble
        return explanation

    @callback
    def _tell_listeners(self) -> None:
        for listener in list(self._listeners):
            listener()

    def _stored(self) -> dict[str, Any]:
        return {"ledger": self.ledger.to_dict(), "recall": self._recall.to_dict()}


def _json_of(content: list[Any]) -> object:
    """Return the JSON of the text blocks, an empty object when it is none; other blocks say nothing to us."""
    texts = [
        block.get("text") for block in content if isinstance(block, dict) and block.get("type") == "text"
    ]
    try:
        return read_json("".join(text for text in texts if isinstance(text, str)))
    except AnswerRefused:
        return {}


def storage_key(entry_id: str) -> str:
    """Return where an entry's explainer keeps what it has spent and said."""
    return f"{DOMAIN}.{entry_id}.explainer"
