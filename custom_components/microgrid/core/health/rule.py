"""A rule as data: what is watched, when it is out of order and for how long, and what to do about it."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from ..contract.messages import Severity
from .subject import EACH, Given

TIERS_S = (10, 60, 300)
"""How often rules are judged."""


class Comparator(StrEnum):
    """On which side of the threshold the trouble lies."""

    ABOVE = ">"
    AT_LEAST = "≥"
    BELOW = "<"
    AT_MOST = "≤"

    def beyond(self, value: float, threshold: float) -> bool:
        """Whether a value is out of order."""
        return _BEYOND[self](value, threshold)

    @property
    def rising(self) -> bool:
        """Whether large values are bad."""
        return self in (Comparator.ABOVE, Comparator.AT_LEAST)


_BEYOND: Mapping[Comparator, Callable[[float, float], bool]] = {
    Comparator.ABOVE: lambda value, threshold: value > threshold,
    Comparator.AT_LEAST: lambda value, threshold: value >= threshold,
    Comparator.BELOW: lambda value, threshold: value < threshold,
    Comparator.AT_MOST: lambda value, threshold: value <= threshold,
}


class Memory:
    """What a quantity must remember between judgements. Times are steady seconds of the engine."""

    def feed(self, given: Given) -> float | None:
        """Take the newest readings and return the quantity; None while nothing can be said."""
        raise NotImplementedError

    def save(self) -> object:
        """Return what must survive a restart, fit for JSON."""
        raise NotImplementedError

    def load(self, saved: object) -> None:
        """Go on from what was saved; raises ValueError, TypeError or KeyError when it is not ours."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """One number, from one reading or from several."""

    text: str
    """What it is, as the table of rules shows it."""
    inputs: tuple[str, ...]
    """Names that it reads: metric keys, or paths; `service:/path` is one of another device of the station."""
    unit: str = ""
    compute: Callable[[Given], float | None] | None = None
    memory: Callable[[], Memory] | None = None
    """Makes the memory of a quantity that depends on the past; then there is no `compute`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """When a rule may judge. While that is unknown, nothing is judged."""

    text: str
    inputs: tuple[str, ...]
    permits: Callable[[Given], bool]
    ends: bool = False
    """Whether what was raised is over once the gate is closed, rather than left as it stands."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row of the table of rules."""

    id: str
    """Short name: C critical, W warning, D degradation, X added for GX; other letters are kinds of nodes."""
    name: str
    """Key of the texts."""
    scopes: tuple[str, ...]
    """Kinds of subjects: a node kind, `gx:<service>` or `gx:*` for all services, or `trend:<kind>`."""
    quantity: Quantity
    comparator: Comparator
    threshold: float
    clear: float
    """Value from which it is over; the distance to the threshold is the hysteresis."""
    critical: float | None = None
    """Threshold beyond which it is critical; then it stays so until it is over."""
    duration_s: float = 0.0
    """How long the quantity must have been beyond the threshold."""
    severity: Severity
    tier_s: int
    advice: str
    """Key of the advice."""
    gate: Gate | None = None
    each: str | None = None
    """Regular expression of names: the rule watches each of them apart, its quantity reads it as `EACH`."""
    covered_by: tuple[str, ...] = ()
    """Rules that say it better: not raised while one of them is pending or raised at the same subject."""
    enabled: bool = True

    def watches(self, scope: str) -> bool:
        """Whether the rule is for subjects of this scope."""
        family, colon, _ = scope.partition(":")
        return scope in self.scopes or (bool(colon) and f"{family}:*" in self.scopes)


@dataclass(frozen=True, slots=True)
class Override:
    """What somebody wants otherwise; None leaves it as it is."""

    enabled: bool | None = None
    threshold: float | None = None
    """Clear and critical move along, so that the distances stay."""
    duration_s: float | None = None
    severity: Severity | None = None
    """One severity for all: a second threshold counts no more."""


class RuleError(ValueError):
    """The table of rules, or an override, contradicts itself; each argument is one problem."""


_ID = re.compile(r"[A-Z][0-9]{1,2}[a-z]?\Z")
_NAME = re.compile(r"[a-z][a-z0-9_]*\Z")


def overridden(rule: Rule, override: Override) -> Rule:
    """Return the rule as somebody wants it; raises RuleError when that makes no sense."""
    changed = rule
    if override.enabled is not None:
        changed = replace(changed, enabled=override.enabled)
    if override.duration_s is not None:
        changed = replace(changed, duration_s=override.duration_s)
    if override.severity is not None:
        changed = replace(changed, severity=override.severity, critical=None)
    if override.threshold is not None:
        shift = override.threshold - rule.threshold
        changed = replace(
            changed,
            threshold=override.threshold,
            clear=rule.clear + shift,
            critical=None if changed.critical is None else changed.critical + shift,
        )
    if found := list(_problems_of(changed)):
        raise RuleError(*found)
    return changed


def validate(
    rules: Sequence[Rule], *, advice: Iterable[str], known: Callable[[str, str], bool] | None = None
) -> None:
    """Raise RuleError with everything that is wrong with a table.

    `advice` are the keys of advice that exist, `known` tells whether a scope has a name.
    """
    found: list[str] = []
    texts, seen, names = set(advice), dict[str, Rule](), set[str]()
    for rule in rules:
        found += _problems_of(rule)
        if rule.id in seen:
            found.append(f"rule {rule.id}: stands twice in the table")
        if rule.name in names:
            found.append(f"rule {rule.id}: name {rule.name} is another rule's")
        if rule.advice not in texts:
            found.append(f"rule {rule.id}: there is no advice {rule.advice}")
        for other in rule.covered_by:
            if other not in seen:
                found.append(f"rule {rule.id}: covered by {other}, which must stand before it")
            elif not set(seen[other].scopes) & set(rule.scopes):
                found.append(f"rule {rule.id}: covered by {other}, which never watches the same subject")
        seen[rule.id] = rule
        names.add(rule.name)
        if known is not None:
            inputs = (*rule.quantity.inputs, *(rule.gate.inputs if rule.gate else ()))
            found += [
                f"rule {rule.id}: {scope} has no {name}"
                for scope in rule.scopes
                for name in inputs
                if name != EACH and not known(scope, name)
            ]
    if found:
        raise RuleError(*found)


def _problems_of(rule: Rule) -> Iterable[str]:
    """Yield what is wrong with one rule, whatever the others are."""
    here = f"rule {rule.id}"
    if not _ID.match(rule.id):
        yield f"{here}: the id must be a letter, a number and perhaps a small letter"
    if not _NAME.match(rule.name):
        yield f"{here}: name {rule.name!r} must be small letters, digits and underscores"
    if not rule.scopes:
        yield f"{here}: it has no scope, so it would never be judged"
    if rule.tier_s not in TIERS_S:
        yield f"{here}: tier {rule.tier_s} s must be one of {', '.join(map(str, TIERS_S))}"
    bounds = {"threshold": rule.threshold, "clear": rule.clear, "duration": rule.duration_s}
    if rule.critical is not None:
        bounds["critical"] = rule.critical
    if bad := [f"{name} {value}" for name, value in bounds.items() if not math.isfinite(value)]:
        yield f"{here}: {', '.join(bad)} must be finite"
        return
    if rule.duration_s < 0.0:
        yield f"{here}: duration {rule.duration_s:g} s must not be negative"
    if rule.comparator.beyond(rule.clear, rule.threshold):
        yield (
            f"{here}: clear {rule.clear:g} is itself {rule.comparator} {rule.threshold:g}; "
            f"choose one on the other side"
        )
    if rule.critical is not None:
        if (rule.critical < rule.threshold) if rule.comparator.rising else (rule.critical > rule.threshold):
            yield f"{here}: critical {rule.critical:g} lies before the threshold {rule.threshold:g}"
        if rule.severity is Severity.CRITICAL:
            yield f"{here}: it is critical from the start, so it needs no critical threshold"
    if (rule.quantity.compute is None) == (rule.quantity.memory is None):
        yield f"{here}: its quantity needs either a formula or a memory"
    if (EACH in rule.quantity.inputs) != (rule.each is not None):
        yield f"{here}: `each` and the input {EACH} belong together"
    if rule.each is not None:
        try:
            re.compile(rule.each)
        except re.error as error:
            yield f"{here}: `each` is no regular expression: {error}"
