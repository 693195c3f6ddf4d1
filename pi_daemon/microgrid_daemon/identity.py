"""Who an inverter is: asked once after it was found, before anything is read as values or written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from .pi30.decode import Reply
from .pi30.models import GENERAL_MODELS, Family, Profile, profile_named, profile_of
from .pi30.rejection import Reason, Rejection
from .transport.link import Link

TRIES: Final = 3
"""For who asks only once: so often it takes until a link knows of a query that it is never answered."""
_UNKNOWN: Final = (Reason.REFUSED, Reason.UNSUPPORTED, Reason.WRONG_SHAPE)
"""Why a query that was heard brings no serial number."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What an inverter says of itself."""

    serial_number: str
    protocol: str
    model: str
    """As it calls itself, or what its general model number stands for."""
    general_model: str | None
    firmware: str | None
    profile: Profile | None
    """None for a model that nobody described: it is read and never written to."""


async def identify(link: Link, family: Family | None = None, *, tries: int = 1) -> Identity | Rejection:
    """Ask for protocol, serial number, model and firmware; `family` is what somebody configured.

    Sets the layout of the link's replies. A serial number that is lost on the way is asked for `tries` times,
    then there is no identity: QID cuts it off, and what must go back is kept by the whole one.
    """
    protocol = await link.request("QPI")
    if isinstance(protocol, Rejection) and protocol.reason is not Reason.REFUSED:
        return protocol
    name = str(protocol.values["protocol_id"]) if isinstance(protocol, Reply) else "PI30"
    serial_number = await _serial_number(link)
    if isinstance(serial_number, Rejection):
        lost = serial_number.reason is not Reason.NOT_FOUND
        return await identify(link, family, tries=tries - 1) if lost and tries > 1 else serial_number
    general_model = await _word(link, "QGMN", "general_model")
    model = await _word(link, "QMN", "model")
    firmware = await _word(link, "QVFW", "version")
    profile = profile_of(general_model, model, name) if family is None else profile_named(family)
    if profile is not None:
        link.layout = profile.layout
    return Identity(
        serial_number=serial_number,
        protocol=name,
        model=model or GENERAL_MODELS.get(general_model or "", "unknown"),
        general_model=general_model,
        firmware=firmware,
        profile=profile,
    )


async def _serial_number(link: Link) -> str | Rejection:
    for query in ("QSID", "QID"):
        answer = await link.request(query)
        if isinstance(answer, Reply):
            return str(answer.values["serial_number"])
        if answer.reason not in _UNKNOWN:
            return answer
    return Rejection(Reason.NOT_FOUND, f"{link.place}: the device does not tell its serial number")


async def _word(link: Link, command: str, name: str) -> str | None:
    answer = await link.request(command)
    value = answer.values.get(name) if isinstance(answer, Reply) else None
    return value if isinstance(value, str) else None
