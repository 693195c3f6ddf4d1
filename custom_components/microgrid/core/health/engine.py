"""Judges subjects by rules, tier by tier, and remembers what is pending or raised, also over restarts.

Durations are counted on a steady clock: it follows the monotonic one while the engine runs, and while it does
not, the time since the state was saved, so that neither a step of the clock nor a restart raises or forgets
anything. Only time between two judgements that follow each other counts: a gap counts nothing.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..contract.messages import EventState, Severity
from .rule import Memory, Override, Rule, RuleError, overridden
from .subject import Given, Subject, Unusable

VERSION = 1
_MISSED_TIERS = 3.0  # a longer gap between judgements counts towards no duration
_JITTER_S = 0.5  # timers are a little early or late: a duration of one tier must not become two
_PENDING_FOR_S = (
    600.0  # what was pending and then unknown for longer (or longer than its duration) begins anew
)
_LONGEST_OUTAGE_S = (
    30 * 86_400.0
)  # more than this between saving and loading is rather a clock that was wrong


@dataclass(frozen=True, slots=True)
class Finding:
    """A rule was raised, got critical, or is over."""

    rule: Rule
    """As it was judged, overrides included."""
    subject: str
    element: str
    """Name that a rule with `each` is about; else empty."""
    state: EventState
    severity: Severity
    value: float | None
    """None when it ended without a value: by its gate, its override or because the subject left."""
    since_s: float
    """When the trouble began, seconds since 1970."""
    time_s: float
    """When this was found."""


@dataclass(slots=True)
class Watch:
    """One rule at one subject."""

    severity: Severity | None = None
    """None while nothing is raised."""
    held_s: list[float | None] = field(default_factory=lambda: [None, None])
    """For how long the value has been beyond threshold and critical; None while it is not."""
    since_s: float = 0.0
    judged_s: float | None = None
    """Steady time of the newest judgement."""
    value: float | None = None
    memory: Memory | None = None

    @property
    def pending(self) -> bool:
        """Whether the value is beyond the threshold, and not yet for long enough."""
        return self.severity is None and self.held_s[0] is not None


@dataclass(frozen=True, slots=True)
class Active:
    """What is raised now."""

    rule: Rule
    subject: str
    element: str
    severity: Severity
    value: float | None
    """The newest value that could be judged."""
    since_s: float
    confirmed_s: float | None
    """Seconds since it was judged last; None when it was not since the restart."""


_Key = tuple[str, str, str]


class Engine:
    """The rules at work."""

    def __init__(self, rules: Sequence[Rule], overrides: Mapping[str, Override] | None = None) -> None:
        """Begin with nothing raised; raises RuleError for an override that makes no sense.

        `overrides` are by the id of a rule, or by `id@subject`.
        """
        self._rules = {rule.id: rule for rule in rules}
        self._patterns = {rule.id: re.compile(rule.each) for rule in rules if rule.each is not None}
        self._matches: dict[tuple[str, str], bool] = {}
        self._by_scope: dict[tuple[str, int], tuple[Rule, ...]] = {}
        self._chosen: dict[tuple[str, str], Rule] = {}
        self._overrides: dict[str, Override] = {}
        self._watches: dict[_Key, Watch] = {}
        self._open: dict[tuple[str, str], int] = {}
        self._steady_s = 0.0
        self._monotonic_s: float | None = None
        self._saved_utc_s: float | None = None
        self._utc_s = 0.0
        self.configure(overrides or {})

    def configure(self, overrides: Mapping[str, Override]) -> None:
        """Take other overrides; what they turn off is cleared when it is judged next."""
        found = []
        for name, override in overrides.items():
            rule = self._rules.get(name.partition("@")[0])
            if rule is None:
                found.append(f"override {name}: there is no such rule")
                continue
            try:
                overridden(rule, override)
            except RuleError as error:
                found += [f"override {name}: {problem}" for problem in error.args]
        if found:
            raise RuleError(*found)
        self._overrides = dict(overrides)
        self._chosen.clear()

    # ---- judging ---------------------------------------------------------------------------------------

    def judge(
        self, subjects: Iterable[Subject], tier_s: int, *, monotonic_s: float, utc_s: float
    ) -> list[Finding]:
        """Judge the rules of a tier; call it once in so many seconds."""
        self._advance(monotonic_s, utc_s)
        found: list[Finding] = []
        for subject in subjects:
            names: tuple[str, ...] | None = None
            for plain in self._rules_of(subject.scope, tier_s):
                rule = self._choose(plain, subject.key)
                if plain.each is None:
                    self._judge(rule, subject, "", found)
                    continue
                if names is None:
                    names = tuple(subject.names())
                for name in names:
                    if self._matching(plain.id, name):
                        self._judge(rule, subject, name, found)
        return found

    def forget(self, subject: str) -> list[Finding]:
        """A subject left for good: what it raised is over."""
        found = []
        for key in [key for key in self._watches if key[1] == subject]:
            watch = self._watches[key]
            if watch.severity is not None:
                found.append(self._end(self._choose(self._rules[key[0]], subject), key, watch, None))
            self._open.pop(key[:2], None)
            del self._watches[key]
        return found

    @property
    def active(self) -> list[Active]:
        """What is raised now, the oldest first."""
        found = [
            Active(
                self._choose(self._rules[rule], subject),
                subject,
                element,
                watch.severity,
                watch.value,
                watch.since_s,
                None if watch.judged_s is None else self._steady_s - watch.judged_s,
            )
            for (rule, subject, element), watch in self._watches.items()
            if watch.severity is not None
        ]
        return sorted(found, key=lambda active: active.since_s)

    @property
    def subjects(self) -> set[str]:
        """The subjects of which something is remembered."""
        return {key[1] for key in self._watches}

    def rule(self, rule: str, subject: str) -> Rule:
        """Return a rule as it is judged at a subject; raises KeyError for an unknown id."""
        return self._choose(self._rules[rule], subject)

    # ---- over restarts ---------------------------------------------------------------------------------

    def save(self) -> dict[str, Any]:
        """Return the state, fit for JSON."""
        return {
            "version": VERSION,
            "steady_s": self._steady_s,
            "utc_s": self._utc_s,
            "watches": [
                [
                    *key,
                    None if watch.severity is None else watch.severity.value,
                    watch.held_s,
                    watch.since_s,
                    watch.judged_s,
                    watch.value,
                    None if watch.memory is None else watch.memory.save(),
                ]
                for key, watch in self._watches.items()
                if watch.severity is not None or watch.held_s[0] is not None or watch.memory is not None
            ],
        }

    def load(self, saved: object) -> int:
        """Go on from a saved state, before anything is judged; returns how many entries were not understood.

        Rules that are no more are left out without being counted.
        """
        if not isinstance(saved, dict) or saved.get("version") != VERSION:
            return 1
        steady_s, utc_s = _finite(saved.get("steady_s")), _finite(saved.get("utc_s"))
        rows = saved.get("watches")
        if steady_s is None or utc_s is None or steady_s < 0.0 or not isinstance(rows, list):
            return 1
        self._steady_s, self._saved_utc_s = steady_s, utc_s
        refused = 0
        for row in rows:
            try:
                rule_id, subject, element, *rest = row
                if (rule := self._rules.get(rule_id)) is None:
                    continue
                watch = _watch(rule, rest, steady_s)
            except (TypeError, ValueError, KeyError, IndexError, OverflowError):
                refused += 1
                continue
            key = (rule_id, str(subject), str(element))
            self._count(key, self._watches.pop(key, Watch()), -1)
            self._watches[key] = watch
            self._count(key, watch, 1)
        return refused

    # ---- inside ----------------------------------------------------------------------------------------

    def _advance(self, monotonic_s: float, utc_s: float) -> None:
        if self._monotonic_s is not None:
            self._steady_s += max(0.0, monotonic_s - self._monotonic_s)
        elif self._saved_utc_s is not None:
            self._steady_s += min(max(0.0, utc_s - self._saved_utc_s), _LONGEST_OUTAGE_S)
        self._monotonic_s, self._utc_s = monotonic_s, utc_s

    def _rules_of(self, scope: str, tier_s: int) -> tuple[Rule, ...]:
        key = (scope, tier_s)
        if (rules := self._by_scope.get(key)) is None:
            rules = self._by_scope[key] = tuple(
                rule for rule in self._rules.values() if rule.tier_s == tier_s and rule.watches(scope)
            )
        return rules

    def _choose(self, rule: Rule, subject: str) -> Rule:
        key = (rule.id, subject)
        if (chosen := self._chosen.get(key)) is None:
            override = self._overrides.get(f"{rule.id}@{subject}") or self._overrides.get(rule.id)
            chosen = self._chosen[key] = rule if override is None else overridden(rule, override)
        return chosen

    def _matching(self, rule: str, name: str) -> bool:
        key = (rule, name)
        if (found := self._matches.get(key)) is None:
            found = self._matches[key] = self._patterns[rule].search(name) is not None
        return found

    def _judge(self, rule: Rule, subject: Subject, element: str, found: list[Finding]) -> None:
        key = (rule.id, subject.key, element)
        if not rule.enabled:
            if (old := self._watches.pop(key, None)) is not None:
                self._count(key, old, -1)
                if old.severity is not None:
                    found.append(self._end(rule, key, old, None))
            return
        watch = self._watches.get(key) or Watch()
        try:
            gate_open = self._permitted(rule, subject, element)
            value = self._value(rule, subject, element, watch) if gate_open else None
        except Unusable:
            self._keep(key, watch)
            return
        if gate_open and value is None:
            self._keep(key, watch)
            return
        before_s, watch.judged_s = watch.judged_s, self._steady_s
        self._count(key, watch, -1)
        if not gate_open:
            watch.held_s = [None, None]
            if rule.gate is not None and rule.gate.ends and watch.severity is not None:
                found.append(self._end(rule, key, watch, None))
        elif value is not None:
            watch.value = value
            found += self._weigh(rule, key, watch, value, before_s)
        self._count(key, watch, 1)
        self._keep(key, watch)

    def _weigh(
        self, rule: Rule, key: _Key, watch: Watch, value: float, before_s: float | None
    ) -> Iterator[Finding]:
        """Compare a value with the thresholds."""
        gap_s = 0.0 if before_s is None else self._steady_s - before_s
        counted_s = gap_s if gap_s <= _MISSED_TIERS * rule.tier_s else 0.0
        anew = gap_s > max(_PENDING_FOR_S, rule.duration_s) and watch.severity is None
        for level, bound in enumerate((rule.threshold, rule.critical)):
            if bound is None or not rule.comparator.beyond(value, bound):
                watch.held_s[level] = None
            elif (held_s := watch.held_s[level]) is None or anew:
                watch.held_s[level] = 0.0
                if level == 0 and watch.severity is None:
                    watch.since_s = self._utc_s
            else:
                watch.held_s[level] = held_s + counted_s
        if watch.severity is not None and not rule.comparator.beyond(value, rule.threshold):
            over = value <= rule.clear if rule.comparator.rising else value >= rule.clear
            if over:
                yield self._end(rule, key, watch, value)
            return
        severity = self._due(rule, watch)
        if severity is None or severity is watch.severity or watch.severity is Severity.CRITICAL:
            return
        if watch.severity is None and self._covered(rule, key[1]):
            return
        watch.severity = severity
        yield Finding(rule, key[1], key[2], EventState.RAISED, severity, value, watch.since_s, self._utc_s)

    @staticmethod
    def _due(rule: Rule, watch: Watch) -> Severity | None:
        """Return how bad it is by now, None while it has not lasted."""
        base, critical = watch.held_s
        if critical is not None and critical >= rule.duration_s - _JITTER_S:
            return Severity.CRITICAL
        return rule.severity if base is not None and base >= rule.duration_s - _JITTER_S else None

    def _covered(self, rule: Rule, subject: str) -> bool:
        return any(self._open.get((other, subject), 0) > 0 for other in rule.covered_by)

    def _end(self, rule: Rule, key: _Key, watch: Watch, value: float | None) -> Finding:
        assert watch.severity is not None
        severity, watch.severity = watch.severity, None
        watch.held_s = [None, None]
        return Finding(rule, key[1], key[2], EventState.CLEARED, severity, value, watch.since_s, self._utc_s)

    def _permitted(self, rule: Rule, subject: Subject, element: str) -> bool:
        if rule.gate is None:
            return True
        return rule.gate.permits(Given(subject, rule.gate.inputs, element, self._steady_s, self._utc_s))

    def _value(self, rule: Rule, subject: Subject, element: str, watch: Watch) -> float | None:
        given = Given(subject, rule.quantity.inputs, element, self._steady_s, self._utc_s)
        if rule.quantity.compute is not None:
            value = rule.quantity.compute(given)
        else:
            assert rule.quantity.memory is not None
            if watch.memory is None:
                watch.memory = rule.quantity.memory()
            value = watch.memory.feed(given)
        return value if value is not None and math.isfinite(value) else None

    def _keep(self, key: _Key, watch: Watch) -> None:
        """Keep what has something to remember."""
        if watch.severity is not None or watch.held_s[0] is not None or watch.memory is not None:
            self._watches[key] = watch
        else:
            self._watches.pop(key, None)

    def _count(self, key: _Key, watch: Watch, step: int) -> None:
        """Count the watches of a rule at a subject that are pending or raised: they cover other rules."""
        if watch.severity is not None or watch.held_s[0] is not None:
            self._open[key[:2]] = self._open.get(key[:2], 0) + step


def _watch(rule: Rule, row: list[Any], steady_s: float) -> Watch:
    """Make a watch from its saved row; raises when the row is not what `save` writes."""
    severity, held, since, judged, value, memory = row
    watch = Watch(
        None if severity is None else Severity(severity),
        [None if entry is None else _required(entry) for entry in held],
        _required(since),
        None if judged is None else min(_required(judged), steady_s),
        None if value is None else _required(value),
    )
    if len(watch.held_s) != 2:
        raise ValueError("two durations are kept")
    if rule.quantity.memory is not None and memory is not None:
        watch.memory = rule.quantity.memory()
        watch.memory.load(memory)
    return watch


def _finite(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        return None
    return float(value)


def _required(value: object) -> float:
    if (number := _finite(value)) is None:
        raise ValueError(f"{value!r} is no number")
    return number
