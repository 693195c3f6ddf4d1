"""Draws the charts of faults when somebody looks: from what is stored, so that a restart loses none."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from homeassistant.core import HomeAssistant
from homeassistant.util import dt as dt_util

from .core.archive.faults.records import best
from .core.contract.snapshot import SnapshotPart
from .core.diagnosis.report import from_dict
from .fault_analysis import StoredCase, case_of_stored, explanation_of

if TYPE_CHECKING:
    from .core.diagnosis.case import Case
    from .core.diagnosis.report import Report
    from .fault_desk import Details, FaultDesk
    from .fault_story import Story

_LOGGER = logging.getLogger(__name__)

_KEPT: Final = 16
"""Charts that are kept in memory, some 200 kB each."""

type Files = Mapping[tuple[str, SnapshotPart], Path]
"""One object of each node and part."""


class FaultCharts:
    """Tells and draws faults from what is stored of them."""

    def __init__(self, hass: HomeAssistant, faults: FaultDesk) -> None:
        """Nothing is drawn yet."""
        self._hass = hass
        self._faults = faults
        self._drawing = asyncio.Lock()
        self._drawn: dict[tuple[str, int, str], bytes] = {}

    async def story(self, event_id: str) -> Story | None:
        """Return all that is to be said of a fault, None when there is no such; raises ArchiveError."""
        if (found := await self._faults.details(event_id)) is None:
            return None
        return await self._hass.async_add_executor_job(
            _story, found, self._names(found), self.files(found), self._hass.config.language
        )

    async def chart(self, event_id: str) -> bytes | None:
        """Return the chart of a fault as PNG, None when there is no such fault; raises ArchiveError."""
        async with self._drawing:  # one at a time: a picture needs some 50 MB while it is made
            if (found := await self._faults.details(event_id)) is None:
                return None
            language = self._hass.config.language
            key = event_id, len(found.analyses), language
            if key not in self._drawn:
                png = await self._hass.async_add_executor_job(
                    _chart, found, self._names(found), self.files(found), language
                )
                self._drawn[key] = png
                while len(self._drawn) > _KEPT:
                    del self._drawn[next(iter(self._drawn))]
            return self._drawn[key]

    def files(self, found: Details) -> Files:
        """Return the files of a fault's recordings."""
        store = self._faults.store
        return {} if store is None else {key: store.path(part) for key, part in best(found.parts).items()}

    def _names(self, found: Details) -> Mapping[str, str]:
        nodes = {found.fault.node, *(member.node for member in found.members)}
        nodes |= {part.node for part in found.parts}
        return {node: self._faults.name(node) for node in nodes}


def _chart(found: Details, names: Mapping[str, str], files: Files, language: str) -> bytes:
    from .fault_chart import draw  # Pillow is large, and most starts see no fault
    from .fault_story import picture

    return draw(picture(_story(found, names, files, language)))


def _story(found: Details, names: Mapping[str, str], files: Files, language: str) -> Story:
    from .fault_story import Note, Recording, Story

    fault = found.fault
    analysis = found.analyses[-1] if found.analyses else None
    recorded = [
        Recording(part.node, part.part.value, part.state.value, part.bytes)
        for part in best(found.parts).values()
    ]
    nodes = {recording.node for recording in recorded}
    recorded += [
        Recording(member.node, SnapshotPart.MEASURED.value, "missing")
        for member in found.members
        if member.node not in nodes and member.kind in ("house", "gateway")
    ]
    return Story(
        event_id=fault.event_id,
        code=fault.code,
        severity=fault.severity,
        node=fault.node,
        time=None if fault.at_us is None else _local(fault.at_us),
        names=names,
        cause=None if analysis is None else analysis.cause,
        certainty=0.0 if analysis is None else analysis.confidence,
        origin=None if analysis is None else analysis.origin,
        case=_case(found, files),
        report=None if analysis is None else _report(fault.event_id, analysis.report),
        values=fault.values,
        recordings=sorted(recorded, key=lambda one: (one.node, one.part)),
        notes=[Note(_local(one.made_us), one.cause, one.note) for one in found.annotations],
        analyzed=None if analysis is None else _local(analysis.made_us),
        language=language,
        explanation=None if analysis is None else explanation_of(analysis),
    )


def _case(found: Details, files: Files) -> Case | None:
    try:
        return case_of_stored(StoredCase(found.fault, found.members, files, ()))
    except (OSError, ValueError) as error:
        _LOGGER.warning("the recordings of fault %s cannot be shown: %s", found.fault.event_id, error)
        return None


def _report(event_id: str, stored: str) -> Report | None:
    """Read a report; one of another version, that names what this one does not know, is left out."""
    try:
        return None if (plain := json.loads(stored)) is None else from_dict(plain)
    except ValueError as error:
        _LOGGER.info("the stored report of fault %s cannot be shown, analyze it again: %s", event_id, error)
        return None


def _local(utc_us: int) -> datetime:
    return dt_util.as_local(dt_util.utc_from_timestamp(utc_us / 1e6))
