"""Options of health: what the user wants otherwise of a rule, everywhere or at one device; the end of life.

Mixed into the options flow. A rule is chosen by the kind of device that it watches, changed, and reset by one
switch. Nothing is stored that the engine would refuse, and nothing of it needs a reload.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import voluptuous as vol
from homeassistant.config_entries import ConfigFlowResult, OptionsFlow
from homeassistant.helpers import selector

from .const import OPT_END_OF_LIFE, OPT_HEALTH_RULES
from .core.contract.messages import Severity
from .core.health.rule import Rule, RuleError, overridden
from .core.health.rules import all_rules
from .core.health.texts import name_of
from .guardian import DEFAULT_END_OF_LIFE, read_override

if TYPE_CHECKING:
    from .runtime import MicrogridConfigEntry

KIND, RULE, WHERE, RESET = "kind", "rule", "where", "reset"
ENABLED, THRESHOLD, DURATION, SEVERITY = "enabled", "threshold", "duration_s", "severity"
EVERYWHERE: Final = "everywhere"
AS_IT_IS: Final = "default"
KINDS: Final = ("victron_gx", "house", "gateway", "heat_pump", "mpp_inverter", "battery", "trend")
"""Kinds of devices by whose rules people look, in the order of the menu."""
MAX_DURATION_S: Final = 604_800
_END_OF_LIFE: Final = (50, 95)


def kind_of(rule: Rule) -> str:
    """Return under which kind a rule is listed: the first that it watches."""
    scope = rule.scopes[0]
    family, colon, _ = scope.partition(":")
    return {"gx": "victron_gx"}.get(family, family) if colon else scope


class HealthOptions(OptionsFlow):
    """The pages of health."""

    _kind = KINDS[0]
    _rule: Rule
    _where = EVERYWHERE

    async def async_step_health_rules(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the kind of device."""
        if user_input is not None:
            self._kind = user_input[KIND]
            return await self.async_step_health_rule()
        kinds = selector.SelectSelectorConfig(options=list(KINDS), translation_key="health_kind")
        return self.async_show_form(
            step_id="health_rules",
            data_schema=vol.Schema({vol.Required(KIND): selector.SelectSelector(kinds)}),
            description_placeholders={"changed": str(len(self._stored))},
        )

    async def async_step_health_rule(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the rule, and where it is to be changed."""
        rules = {rule.id: rule for rule in all_rules() if kind_of(rule) == self._kind}
        if user_input is not None:
            self._rule, self._where = rules[user_input[RULE]], user_input[WHERE]
            return await self.async_step_health_change()
        changed = {name.partition("@")[0] for name in self._stored}
        return self.async_show_form(
            step_id="health_rule",
            data_schema=vol.Schema(
                {
                    vol.Required(RULE): _choice(
                        {
                            rule.id: f"{rule.id} · {name_of(rule, self.hass.config.language)}"
                            + (" *" if rule.id in changed else "")
                            for rule in rules.values()
                        }
                    ),
                    vol.Required(WHERE, default=EVERYWHERE): selector.SelectSelector(
                        selector.SelectSelectorConfig(
                            options=[EVERYWHERE, *self._subjects(rules.values())],
                            translation_key="health_where",
                            mode=selector.SelectSelectorMode.DROPDOWN,
                        )
                    ),
                }
            ),
        )

    async def async_step_health_change(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask what is wanted otherwise, and see whether it makes sense."""
        rule = self._rule
        key = rule.id if self._where == EVERYWHERE else f"{rule.id}@{self._where}"
        errors: dict[str, str] = {}
        reason = ""
        if user_input is not None:
            rules = {name: row for name, row in self._stored.items() if name != key}
            if user_input.pop(RESET, False):
                return self._keep({OPT_HEALTH_RULES: rules})
            row = _row(rule, user_input)
            try:
                overridden(rule, read_override(row))
            except RuleError as error:
                errors["base"], reason = "rule_refused", "; ".join(map(str, error.args))
            else:
                return self._keep({OPT_HEALTH_RULES: rules | {key: row} if row else rules})
        severities = selector.SelectSelectorConfig(
            options=[AS_IT_IS, *(severity.value for severity in Severity)], translation_key="health_severity"
        )
        now: Mapping[str, Any] = self._stored.get(key, {})
        shown = {
            ENABLED: rule.enabled,
            THRESHOLD: rule.threshold,
            DURATION: rule.duration_s,
            SEVERITY: AS_IT_IS,
            **now,
        }
        return self.async_show_form(
            step_id="health_change",
            data_schema=self.add_suggested_values_to_schema(
                vol.Schema(
                    {
                        vol.Required(ENABLED): selector.BooleanSelector(),
                        vol.Required(THRESHOLD): _number(unit=rule.quantity.unit or None),
                        vol.Required(DURATION): _number(0, MAX_DURATION_S, "s"),
                        vol.Required(SEVERITY): selector.SelectSelector(severities),
                        vol.Required(RESET, default=False): selector.BooleanSelector(),
                    }
                ),
                user_input or shown,
            ),
            errors=errors,
            description_placeholders={
                "rule": f"{rule.id} · {name_of(rule, self.hass.config.language)}",
                "quantity": rule.quantity.text,
                "condition": f"{rule.comparator} {rule.threshold:g} {rule.quantity.unit}".strip(),
                "duration": f"{rule.duration_s:g}",
                "where": self._where,
                "reason": reason,
            },
        )

    async def async_step_ageing(self, user_input: dict[str, Any] | None = None) -> ConfigFlowResult:
        """Ask for the state of health at which a battery is to be replaced."""
        if user_input is not None:
            return self._keep({OPT_END_OF_LIFE: float(user_input[OPT_END_OF_LIFE])})
        before = self.config_entry.options.get(OPT_END_OF_LIFE, DEFAULT_END_OF_LIFE)
        return self.async_show_form(
            step_id="ageing",
            data_schema=vol.Schema(
                {vol.Required(OPT_END_OF_LIFE, default=before): _number(*_END_OF_LIFE, unit="%")}
            ),
        )

    @property
    def _stored(self) -> dict[str, Any]:
        stored = self.config_entry.options.get(OPT_HEALTH_RULES)
        return dict(stored) if isinstance(stored, Mapping) else {}

    def _subjects(self, rules: Any) -> list[str]:
        """Return the devices at which these rules are judged now; none while the swarm is not loaded."""
        entry: MicrogridConfigEntry = self.config_entry
        if (runtime := getattr(entry, "runtime_data", None)) is None:
            return []
        wanted = {scope for rule in rules for scope in rule.scopes}
        found = {key for scope in wanted for key in runtime.guardian.subjects(scope)}
        return sorted(found)

    def _keep(self, changed: dict[str, Any]) -> ConfigFlowResult:
        return self.async_create_entry(data={**self.config_entry.options, **changed})


def _row(rule: Rule, chosen: Mapping[str, Any]) -> dict[str, Any]:
    """Return only what differs from the rule as it is, so that better defaults reach who changed nothing."""
    row: dict[str, Any] = {}
    if chosen[ENABLED] != rule.enabled:
        row[ENABLED] = chosen[ENABLED]
    if float(chosen[THRESHOLD]) != rule.threshold:
        row[THRESHOLD] = float(chosen[THRESHOLD])
    if float(chosen[DURATION]) != rule.duration_s:
        row[DURATION] = float(chosen[DURATION])
    if chosen[SEVERITY] != AS_IT_IS:
        row[SEVERITY] = chosen[SEVERITY]
    return row


def _choice(labels: Mapping[str, str]) -> selector.SelectSelector:
    return selector.SelectSelector(
        selector.SelectSelectorConfig(
            options=[selector.SelectOptionDict(value=value, label=label) for value, label in labels.items()],
            mode=selector.SelectSelectorMode.DROPDOWN,
        )
    )


def _number(
    least: float | None = None, most: float | None = None, unit: str | None = None
) -> selector.NumberSelector:
    config = selector.NumberSelectorConfig(step="any", mode=selector.NumberSelectorMode.BOX)
    if least is not None and most is not None:
        config["min"], config["max"] = least, most
    if unit:
        config["unit_of_measurement"] = unit
    return selector.NumberSelector(config)
