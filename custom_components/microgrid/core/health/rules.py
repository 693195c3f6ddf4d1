"""All rules, checked once when they are first asked for."""

from __future__ import annotations

from functools import cache

from ..model.kinds import KINDS
from .advice import ADVICE
from .rule import Rule, validate
from .rules_gx import GX_RULES
from .rules_swarm import SWARM_RULES
from .rules_trend import TREND_NAMES, TREND_RULES
from .subject import PRESENT


@cache
def all_rules() -> tuple[Rule, ...]:
    """Return the table; raises RuleError when it contradicts itself."""
    rules = (*GX_RULES, *SWARM_RULES, *TREND_RULES)
    validate(rules, advice=ADVICE, known=_known)
    return rules


def _known(scope: str, name: str) -> bool:
    """Whether a subject of this scope may have a reading; paths of a GX are the business of its own table."""
    if scope in TREND_NAMES:
        return name in TREND_NAMES[scope]
    kind = KINDS.get(scope)
    if kind is not None:
        return name == PRESENT or name in kind.by_key
    return scope.startswith("gx:") and (name.startswith(("/", "@")) or ":/" in name)
