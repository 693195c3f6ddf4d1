"""The daemon's log: one JSON object a line, which journald keeps and `jq` reads."""

from __future__ import annotations

import json
import logging
import sys
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from types import MappingProxyType

_FIELDS = ("node", "revision", "command", "schedule", "event")
"""What a line tells beside its text: which node, and the command, schedule or event it is about."""
_NOTHING: Mapping[str, object] = MappingProxyType({})
_ABOUT: ContextVar[Mapping[str, object]] = ContextVar("about", default=_NOTHING)


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Have every line that is written within, whoever writes it, tell these fields, such as `command`."""
    token = _ABOUT.set({**_ABOUT.get(), **fields})
    try:
        yield
    finally:
        _ABOUT.reset(token)


class JsonLines(logging.Formatter):
    """A record as an object."""

    def format(self, record: logging.LogRecord) -> str:
        """Write the line; whatever stands in the text stays within it."""
        line: dict[str, object] = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        around = _ABOUT.get()
        line |= {
            name: value for name in _FIELDS if (value := getattr(record, name, around.get(name))) is not None
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class Recent(logging.Handler):
    """Remembers the last warnings and errors, for whoever asks how the daemon is."""

    def __init__(self, most: int = 5) -> None:
        """Remember so many."""
        super().__init__(logging.WARNING)
        self.lines: deque[dict[str, str]] = deque(maxlen=most)

    def emit(self, record: logging.LogRecord) -> None:
        """Take a line."""
        line = {
            "time": _time_of(record),
            "level": record.levelname.lower(),
            "message": record.getMessage(),
        }
        if isinstance(node := getattr(record, "node", None), str):
            line["node"] = node
        self.lines.append(line)


def _time_of(record: logging.LogRecord) -> str:
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")


def set_up(level: int = logging.INFO) -> None:
    """Have everything written to the standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    logging.basicConfig(level=level, handlers=[handler], force=True)
