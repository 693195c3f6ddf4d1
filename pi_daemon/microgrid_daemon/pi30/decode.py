"""Frames to values: the one interpreter of the table of queries. Nothing that a device sends raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from . import framing
from .forms import ByCount, Row, Values, Word
from .rejection import Reason, Rejection
from .table import PROTOCOLS, QUERIES, Layout, Query

_ACCEPTED, _REFUSED = "ACK", "NAK"


@dataclass(frozen=True, slots=True)
class Reply:
    """What a device answered."""

    command: str
    payload: str
    values: Values


def query_of(command: str) -> Query | None:
    """Find what a command asks for; None for setters and for what nobody knows."""
    if (query := QUERIES.get(command)) is not None and not query.parameter:
        return query
    for query in QUERIES.values():
        if query.parameter and re.fullmatch(query.name + query.parameter, command):
            return query
    return None


def units_of(command: str, layout: Layout = Layout.BASE) -> Mapping[str, str]:
    """Return the units of the numbers in a reply, by their names."""
    query = query_of(command)
    form = query.form_of(layout) if query is not None else None
    rows = (*form.forms.values(), form.other) if isinstance(form, ByCount) else (form,)
    units = {
        field.name: field.unit for row in rows if isinstance(row, Row) for field in row.fields if field.unit
    }
    return units | ({"energy_wh": "Wh"} if isinstance(form, Word) and form.name == "energy_wh" else {})


def decode(command: str, frame: bytes, layout: Layout = Layout.BASE) -> Reply | Rejection:
    """Read the frame that came for a command, in the layout of the device's family."""
    payload = framing.unpack(frame)
    return payload if isinstance(payload, Rejection) else decode_payload(command, payload, layout)


def decode_payload(command: str, payload: str, layout: Layout = Layout.BASE) -> Reply | Rejection:
    """Read the text between `(` and CRC."""
    query = query_of(command)
    if query is None:
        # A setter is answered by consent or refusal and nothing else.
        if payload in (_ACCEPTED, _REFUSED):
            return Reply(command, payload, {"ack": payload == _ACCEPTED})
        return _misfit(command, payload)
    if payload == _REFUSED:
        return Rejection(Reason.REFUSED, f"{command}: the device refused it or does not know it (NAK)")
    if payload == _ACCEPTED:
        # Some units consent to a question instead of answering it.
        return Reply(command, payload, {"ack": True}) if query.name == "QBMS" else _misfit(command, payload)
    values = query.form_of(layout)(payload)
    if values is None:
        return _misfit(command, payload)
    if query.name == "QPI" and values["protocol_id"] not in PROTOCOLS:
        return Rejection(
            Reason.FOREIGN_PROTOCOL,
            f"unsupported protocol {values['protocol_id']}: only {' and '.join(PROTOCOLS)} are spoken",
        )
    return Reply(command, payload, values)


def _misfit(command: str, payload: str) -> Rejection:
    return Rejection(Reason.WRONG_SHAPE, f"{command}: {payload[:40]!r} is no answer to it")
