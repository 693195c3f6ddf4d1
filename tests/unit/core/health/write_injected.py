"""Writes docs/reference/rules-checked.md: injects every trouble of the tests and notes what came of it."""

from __future__ import annotations

from collections.abc import Iterator

from tests.unit.core.health import test_anomalies_gx as gx, test_anomalies_swarm as swarm
from tests.unit.core.health.injected import COMMAND, PAGE, Injected

HEAD = f"""# Rules, checked

Every trouble that the tests put into a healthy station or node, what it raised, and after how long. *Within*
is the most that is allowed: the duration of the rule and once the rhythm in which it is judged, or longer
where a count or a sum needs its time. No trouble raised another rule besides. What rules watch is told in the
[table of rules](rules.md).

The tests compare each row with what happens. Written by

    {COMMAND}

| Id | Rule | Of | Trouble | Severity | Raised after | Within |
|---|---|---|---|---|---:|---:|
"""


def everything() -> Iterator[Injected]:
    """Inject all troubles."""
    for of_station in gx.ANOMALIES:
        yield gx.inject(of_station)[1]
    for of_node in swarm.ANOMALIES:
        yield swarm.inject(of_node)
    for trend in swarm.TRENDS:
        yield swarm.inject_trend(*trend)


if __name__ == "__main__":
    PAGE.write_text(HEAD + "\n".join(injected.row() for injected in everything()) + "\n", encoding="utf-8")
