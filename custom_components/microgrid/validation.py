"""Validators of what people and automations give."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, Final

import voluptuous as vol
from homeassistant.helpers import config_validation as cv

_YEARS: Final = range(1970, 2200)
"""Beyond the calendar's ends, arithmetic with time zones and ranges fails."""


def moment(value: Any) -> datetime:
    """Take a date with a time; vol.Invalid for one that no device has lived in."""
    return _possible(cv.datetime(value))


def day(value: Any) -> date:
    """Take a date; vol.Invalid for one that no device has lived in."""
    return _possible(cv.date(value))


def _possible[TimeT: date](time: TimeT) -> TimeT:
    if time.year not in _YEARS:
        raise vol.Invalid(f"the year {time.year} is not between {_YEARS[0]} and {_YEARS[-1]}")
    return time
