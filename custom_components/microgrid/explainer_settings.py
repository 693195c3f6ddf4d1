"""Who puts diagnoses into words and what that may cost: the data of a subentry, checked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from .core.diagnosis.explanation.spending import PRICES, Budget, Prices, prices_of

CONF_PROVIDER: Final = "provider"
CONF_API_KEY: Final = "api_key"
CONF_MODEL: Final = "model"
CONF_EFFORT: Final = "effort"
CONF_BASE_URL: Final = "base_url"
CONF_DAY_USD: Final = "budget_day"
CONF_MONTH_USD: Final = "budget_month"
CONF_INPUT_USD: Final = "price_input"
CONF_OUTPUT_USD: Final = "price_output"
CONF_ENTITY: Final = "entity_id"
CONF_REQUESTS: Final = "requests_a_day"

ANTHROPIC: Final = "anthropic"
AI_TASK: Final = "ai_task"

BASE_URL: Final = "https://api.anthropic.com"
DEFAULT_MODEL: Final = next(iter(PRICES))
DEFAULT_DAY_USD: Final = 0.25
DEFAULT_MONTH_USD: Final = 2.0
DEFAULT_REQUESTS: Final = 20

AUTO: Final = "auto"
MAX_TOKENS: Final = {AUTO: 4000, "low": 3000, "medium": 6000, "high": 12_000}
"""Room for an answer by effort; what the model thinks counts too."""

_MODEL: Final = re.compile(r"[A-Za-z0-9._:/@-]{1,100}", re.ASCII)
_URL: Final = re.compile(r"https?://[^\s/?#]+[^\s?#]*")


class SettingsError(ValueError):
    """The settings cannot be; `key` names the text for it."""

    def __init__(self, key: str, reason: str) -> None:
        """Remember both."""
        super().__init__(reason)
        self.key = key


@dataclass(frozen=True, slots=True)
class ClaudeSettings:
    """How the Messages API is reached, and what its tokens cost."""

    api_key: str = field(repr=False)
    model: str
    prices: Prices
    effort: str = AUTO
    base_url: str = BASE_URL

    @property
    def max_tokens(self) -> int:
        """Room for the answer."""
        return MAX_TOKENS[self.effort]


@dataclass(frozen=True, slots=True)
class TaskSettings:
    """Which entity of Home Assistant answers."""

    entity_id: str


@dataclass(frozen=True, slots=True)
class ExplainerSettings:
    """All of a subentry."""

    provider: ClaudeSettings | TaskSettings
    budget: Budget

    @property
    def asked(self) -> str:
        """Who gives the words: the model, or the entity."""
        return self.provider.model if isinstance(self.provider, ClaudeSettings) else self.provider.entity_id


def read_settings(data: Mapping[str, Any]) -> ExplainerSettings:
    """Read the data of a subentry; SettingsError says what cannot be."""
    if data[CONF_PROVIDER] == AI_TASK:
        requests = int(data.get(CONF_REQUESTS, DEFAULT_REQUESTS))
        # No cents: nobody tells what other services cost.
        return ExplainerSettings(TaskSettings(data[CONF_ENTITY]), Budget(0.0, 0.0, requests))
    model = data.get(CONF_MODEL, DEFAULT_MODEL)
    if not _MODEL.fullmatch(model):
        raise SettingsError("model_invalid", f"{model[:40]!r} is no name of a model")
    url = data.get(CONF_BASE_URL, BASE_URL)
    if not _URL.fullmatch(url):
        raise SettingsError("base_url_invalid", f"{url[:80]!r} is no address with http:// or https://")
    effort = data.get(CONF_EFFORT, AUTO)
    if effort not in MAX_TOKENS:
        raise SettingsError("effort_invalid", f"{effort!r} is none of {', '.join(MAX_TOKENS)}")
    prices = prices_of(model)
    if CONF_INPUT_USD in data and CONF_OUTPUT_USD in data:
        prices = Prices(float(data[CONF_INPUT_USD]), float(data[CONF_OUTPUT_USD]))
    if prices is None:
        raise SettingsError("price_unknown", f"the prices of {model} are not known: fill in both")
    key = data.get(CONF_API_KEY, "")
    if not key:
        raise SettingsError("key_missing", "there is no API key")
    day, month = (
        100 * float(data.get(name, default))
        for name, default in ((CONF_DAY_USD, DEFAULT_DAY_USD), (CONF_MONTH_USD, DEFAULT_MONTH_USD))
    )
    return ExplainerSettings(
        ClaudeSettings(key, model, prices, effort, url.rstrip("/")), Budget(min(day, month), month)
    )
