"""The action microgrid.query_pattern: one of the patterns of the archive, asked for by its name."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

import voluptuous as vol
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse, SupportsResponse, callback
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from .const import DOMAIN
from .core.archive.errors import ArchiveUnavailable
from .core.archive.patterns.catalogue import PATTERNS, Pattern, Request, window
from .core.archive.patterns.plain import plain
from .core.archive.patterns.source import DAY_S, Source
from .core.codec.umg1.records import SEVERITIES
from .services_swarm import ATTR_CONFIG_ENTRY, one_swarm
from .validation import moment

ACTION_QUERY_PATTERN: Final = "query_pattern"
ATTR_PATTERN: Final = "pattern"
ATTR_START: Final = "start"
ATTR_END: Final = "end"
MAX_DAYS: Final = 3660


def _texts(length: int) -> Any:
    return vol.All(
        cv.ensure_list, vol.Length(min=1, max=64), [vol.All(cv.string, vol.Length(min=1, max=length))]
    )


def _within(low: float, high: float) -> Any:
    return vol.All(vol.Coerce(float), vol.Range(min=low, max=high))


def _microseconds(time: datetime) -> int:
    """Take a time without zone for one of the user's clock."""
    return round(dt_util.as_utc(time).timestamp() * 1e6)


_SECONDS: Final = _within(0, 86_400)
_HERTZ: Final = _within(0, 100)

_OPTIONS: Final[dict[str, tuple[str, Any, Callable[[Any], Any] | None]]] = {
    "node": ("nodes", _texts(32), tuple),
    "code": ("codes", _texts(16), tuple),
    "severity": ("severities", vol.All(cv.ensure_list, [vol.In(SEVERITIES)]), tuple),
    "cluster": ("clusters", _texts(32), tuple),
    "event_id": ("event_id", vol.All(cv.string, vol.Length(min=1, max=64)), None),
    "at": ("at_us", moment, _microseconds),
    "before": ("before_s", _SECONDS, None),
    "after": ("after_s", _SECONDS, None),
    "lookback": ("lookback_days", vol.All(vol.Coerce(int), vol.Range(min=1, max=366)), None),
    "low": ("low_hz", _HERTZ, None),
    "high": ("high_hz", _HERTZ, None),
    "at_least": ("minimum_s", _SECONDS, None),
    "times": ("minimum", vol.All(vol.Coerce(int), vol.Range(min=2, max=10_000)), None),
    "window": ("window_s", _within(0.001, 366), lambda days: days * DAY_S),
}
"""Field of the action: field of the request, what is allowed, how it is converted."""

QUERY_PATTERN_SCHEMA: Final = vol.Schema(
    {
        vol.Optional(ATTR_CONFIG_ENTRY): cv.string,
        vol.Required(ATTR_PATTERN): vol.In(list(PATTERNS)),
        vol.Optional(ATTR_START): moment,
        vol.Optional(ATTR_END): moment,
        **{vol.Optional(name): allowed for name, (_, allowed, _) in _OPTIONS.items()},
    }
)


@callback
def async_register(hass: HomeAssistant) -> None:
    """Register the action."""
    hass.services.async_register(
        DOMAIN,
        ACTION_QUERY_PATTERN,
        _query_pattern,
        schema=QUERY_PATTERN_SCHEMA,
        supports_response=SupportsResponse.ONLY,
    )


async def _query_pattern(call: ServiceCall) -> ServiceResponse:
    historian = one_swarm(call).historian
    pattern = PATTERNS[call.data[ATTR_PATTERN]]
    request = _request(pattern, call)
    archive = historian.archive
    if archive is None:
        raise HomeAssistantError(
            translation_domain=DOMAIN,
            translation_key="archive_closed",
            translation_placeholders={"reason": historian.trouble or "–"},
        )
    if not historian.held:
        with contextlib.suppress(ArchiveUnavailable):  # what was computed last is still an answer
            await historian.write(archive.roll_up)
    return await call.hass.async_add_executor_job(_ask, pattern, archive.queries, request)


def _request(pattern: Pattern, call: ServiceCall) -> Request:
    """Return what is asked; an option that the pattern does not take is refused, not ignored."""
    given: dict[str, Any] = {}
    for name, (wanted, _, convert) in _OPTIONS.items():
        if name not in call.data:
            continue
        if wanted not in pattern.options:
            takes = [field for field, (option, _, _) in _OPTIONS.items() if option in pattern.options]
            raise _refused(
                "option_not_taken", option=name, pattern=pattern.name, options=", ".join(takes) or "–"
            )
        value = call.data[name]
        given[wanted] = value if convert is None else convert(value)
    if "timezone" in pattern.options:
        given["timezone"] = dt_util.get_default_time_zone()
    start, end = (
        _microseconds(call.data[name]) if name in call.data else None for name in (ATTR_START, ATTR_END)
    )
    start_us, end_us = window(pattern, start, end, _microseconds(dt_util.utcnow()))
    if end_us - start_us > MAX_DAYS * DAY_S * 1_000_000:
        raise _refused("pattern_refused", reason=f"the time range is longer than {MAX_DAYS} days")
    return Request(start_us=start_us, end_us=end_us, **given)


def _ask(pattern: Pattern, source: Source, request: Request) -> dict[str, Any]:
    try:
        answer: dict[str, Any] = plain(pattern.run(source, request))
    except (ValueError, LookupError) as error:
        raise _refused("pattern_refused", reason=str(error)) from error
    return {ATTR_PATTERN: pattern.name, **answer}


def _refused(key: str, **placeholders: str) -> ServiceValidationError:
    return ServiceValidationError(
        translation_domain=DOMAIN, translation_key=key, translation_placeholders=placeholders
    )
