"""The table of rules: its page is up to date, its paths exist, and subjects read what they should."""

from __future__ import annotations

from datetime import UTC, datetime

from microgrid_core.contract.messages import Severity
from microgrid_core.gx.table import table
from microgrid_core.gx.tree import Tree
from microgrid_core.gx.value import Address, Told
from microgrid_core.health.advice import ADVICE
from microgrid_core.health.rule import Override, overridden
from microgrid_core.health.rules import all_rules
from microgrid_core.health.subject import EACH, PRESENT, SILENT_S, DeviceSubject, NodeSubject, Reading
from microgrid_core.health.texts import ADVICES, NAMES, advice_of, name_of
from microgrid_core.model.swarm import Node, Swarm
from script.generators import rules as generator
from tests.unit.core.health import injected, test_anomalies_gx, test_anomalies_swarm

SPARE = {
    "/Settings/SystemSetup/AcInput1",  # of an inverter whose GX tells it there, seen in a recording
    "/Settings/SystemSetup/AcInput2",
    "/DeviceInstance",
}
NOT_IN_THE_TABLE = {("gx:multi", "/Alarms/GridLost"), ("gx:multi", "/Alarms/BmsConnectionLost")}
"""Alarms that only some models tell; without them nothing is judged."""


def test_the_page_of_rules_is_what_the_table_says() -> None:
    assert generator.TARGET.read_text(encoding="utf-8") == generator.render(), "run script/generate rules"
    assert generator.main(check=True) == 0


def test_the_page_of_injected_troubles_has_every_rule_and_nothing_that_is_no_more() -> None:
    troubles = len(test_anomalies_gx.ANOMALIES) + len(test_anomalies_swarm.ANOMALIES)
    assert len(injected.rows()) == troubles + len(test_anomalies_swarm.TRENDS), f"run {injected.COMMAND}"
    assert {row.split(" ")[1] for row in injected.rows()} == {rule.id for rule in all_rules()}


def test_every_documented_rule_is_there() -> None:
    ids = {rule.id.rstrip("abcd") for rule in all_rules()}
    documented = (
        {f"C{n}" for n in range(1, 7)} | {f"W{n}" for n in range(1, 8)} | {f"D{n}" for n in range(1, 6)}
    )
    assert documented | {f"X{n}" for n in range(1, 11)} <= ids


def test_paths_of_rules_are_paths_of_a_gx() -> None:
    paths = table()
    unknown = []
    for rule in all_rules():
        for scope in rule.scopes:
            if not scope.startswith("gx:") or scope == "gx:*":
                continue
            for name in (*rule.quantity.inputs, *(rule.gate.inputs if rule.gate else ())):
                service, colon, path = name.rpartition(":")
                if name == EACH or name.startswith("@") or (not colon and path in SPARE):
                    continue
                if (scope, path) in NOT_IN_THE_TABLE:
                    continue
                if paths.find(service or scope.removeprefix("gx:"), path) is None:
                    unknown.append(f"{rule.id}: {scope} {name}")
    assert not unknown, unknown


def test_a_device_of_a_station_is_read_by_path() -> None:
    now = [100.0]
    tree = Tree(monotonic=lambda: now[0], wall=lambda: now[0])
    tree.tell(Address("battery", 2, "/Soc"), Told(50))
    tree.tell(Address("battery", 1, "/Soc"), Told(None))
    tree.tell(Address("vebus", 9, "/Mode"), Told(3))
    subject = DeviceSubject("gx", tree, tree.devices["battery", 2])
    assert (subject.key, subject.scope) == ("gx/battery/2", "gx:battery")
    assert subject.read("/Soc") == Reading(50)
    assert subject.read("/Nothing") is None
    assert subject.read("vebus:/Mode") == Reading(3)
    assert subject.read("battery:/Soc") == Reading(50)  # the first that has a value
    assert subject.read("tank:/Level") is None
    assert list(subject.names()) == ["/Soc"]
    now[0] += 400.0
    assert subject.read(SILENT_S) == Reading(400.0)
    assert subject.read(PRESENT) == Reading(True, stale=True)
    assert subject.read("/Soc") == Reading(50, stale=True)
    tree.alive_at = None
    assert subject.read(PRESENT) is None


def test_a_node_that_is_away_has_stale_readings() -> None:
    now = [0.0]
    swarm = Swarm("home", "Home", monotonic=lambda: now[0], utc_now=lambda: datetime(2026, 1, 1, tzinfo=UTC))
    node = swarm.ensure("house-01", "house", "House")
    assert isinstance(node, Node)
    subject = NodeSubject(node)
    assert (subject.key, subject.scope) == ("house-01", "house")
    swarm.take(node, {"clock_error": 1.0}, datetime(2026, 1, 1, tzinfo=UTC))
    assert subject.read("clock_error") == Reading(1.0)
    assert subject.read("restarts") is None
    assert subject.read(PRESENT) == Reading(True)
    assert "clock_error" in list(subject.names())
    now[0] += 60.0
    swarm.tick()
    assert subject.read("clock_error") == Reading(1.0, stale=True)
    assert subject.read(PRESENT) == Reading(False)


def test_every_rule_has_a_name_and_advice_in_every_language() -> None:
    names, advice = {rule.name for rule in all_rules()}, {rule.advice for rule in all_rules()}
    for language in ("en", "de", "pl"):
        assert NAMES[language].keys() == names
        assert ADVICES[language].keys() == advice == ADVICE.keys()
        assert all(NAMES[language].values())
    assert name_of(all_rules()[0], "de-AT") == "Ladezustand kritisch"
    assert advice_of(all_rules()[0], "fr") == ADVICE["charge_soon"]


def test_a_severity_of_ones_own_holds_from_the_first_threshold_on() -> None:
    rule = next(rule for rule in all_rules() if rule.critical is not None and rule.comparator.rising)
    calm = overridden(rule, Override(severity=Severity.INFO, threshold=rule.threshold + 1.0))
    assert (calm.severity, calm.critical, calm.threshold) == (Severity.INFO, None, rule.threshold + 1.0)
    assert calm.clear == rule.clear + 1.0
