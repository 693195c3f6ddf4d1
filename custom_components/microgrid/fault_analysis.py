"""From what is stored of a fault to the verdict of the engine."""

from __future__ import annotations

import contextlib
import json
import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from .core.archive.faults.records import Analysis, Member, Past, RecordedFault
from .core.codec.umg1.log import open_log
from .core.contract.snapshot import SnapshotPart
from .core.diagnosis.answers import summary
from .core.diagnosis.case import Case, NodeRecord
from .core.diagnosis.causes import UNDETERMINED
from .core.diagnosis.engine import diagnose, origin_of
from .core.diagnosis.explanation.explanation import (
    Explanation,
    from_dict as explanation_from,
    to_dict as to_plain,
)
from .core.diagnosis.explanation.tools import Earlier
from .core.diagnosis.fingerprint import PastFault
from .core.diagnosis.read import CaseError, case_of
from .core.diagnosis.report import ENGINE_VERSION, Report, from_dict, to_dict

_LOGGER = logging.getLogger(__name__)

_KINDS: Final = ("house", "gateway")
_MOST_EARLIER: Final = 20
_WINDOW_S: Final = 10.0
"""Before and after a fault, when no snapshot says it."""


@dataclass(frozen=True, slots=True)
class StoredCase:
    """What a fault is analysed with."""

    fault: RecordedFault
    members: tuple[Member, ...]
    files: Mapping[tuple[str, SnapshotPart], Path]
    """One object of each node and part."""
    past: tuple[Past, ...]
    """Earlier faults of the node with the same code, the newest first."""


def find_cause(stored: StoredCase) -> Analysis:
    """Analyse a fault; for the executor. An engine that fails on what nodes sent leaves it undetermined."""
    made_us = time.time_ns() // 1000
    try:
        report = _diagnose(stored)
    except Exception:  # whatever nodes send: the operator is told of the fault in any case
        _LOGGER.exception("the analysis of fault %s failed", stored.fault.event_id)
        return Analysis(ENGINE_VERSION, UNDETERMINED, None, 0.0, "The analysis failed.", "", "null", made_us)
    return Analysis(
        report.engine_version,
        report.cause,
        report.origin.node if report.origin.known else None,
        report.posterior,
        report.answers.why,
        report.fingerprint,
        json.dumps(to_dict(report), allow_nan=False),
        made_us,
    )


def report_of(analysis: Analysis) -> Report | None:
    """Return the engine's report; None when there is none that can be read."""
    try:
        stored = json.loads(analysis.report)
        return None if stored is None else from_dict(stored)
    except ValueError:
        return None


def earlier_faults(stored: StoredCase) -> tuple[Earlier, ...]:
    """Return the earlier faults of the code at the node, as a model may look them up: ids and numbers."""
    now_us = stored.fault.time_us
    return tuple(
        Earlier(
            max(0.0, (now_us - one.time_us) / 86_400e6),
            one.node,
            stored.fault.code,
            one.cause,
            None if one.confirmed is None else one.confirmed == one.cause,
            one.confirmed,
        )
        for one in stored.past[:_MOST_EARLIER]
    )


def explanation_of(analysis: Analysis) -> Explanation | None:
    """Return what came of asking a language model; None when none was asked, or it cannot be read."""
    try:
        stored = json.loads(analysis.explanation)
        return None if stored is None else explanation_from(stored)
    except ValueError, TypeError, KeyError, AttributeError:  # of another version
        return None


def told_in(language: str, analysis: Analysis, name: Callable[[str], str]) -> Analysis:
    """Return the analysis with its summary for people, who have names for their nodes; the report stays."""
    report = report_of(analysis)
    return analysis if report is None else replace(analysis, summary=summary(report, language, name))


def explained(analysis: Analysis, report: Report, explanation: Explanation, case: Case) -> Analysis:
    """Return the analysis with the verdict and the words that count; the engine's own stay in the report.

    For the executor: where another cause counts, it may have begun at another node.
    """
    origin = analysis.origin
    if explanation.cause != report.cause:
        origin = _origin_of(case, explanation.cause)
    posterior = {one.cause: one.posterior for one in report.candidates}
    return replace(
        analysis,
        cause=explanation.cause,
        origin=origin,
        confidence=posterior.get(explanation.cause, analysis.confidence),
        summary=explanation.answers.why if explanation.in_models_words else analysis.summary,
        explanation=json.dumps(to_plain(explanation), allow_nan=False),
    )


def _origin_of(case: Case, cause: str) -> str | None:
    try:
        return origin_of(case, cause)
    except Exception:  # as in find_cause
        _LOGGER.exception("no origin of fault %s was found for %s", case.event_id, cause)
        return None


def _diagnose(stored: StoredCase) -> Report:
    past = [
        PastFault(one.event_id, one.node, one.fingerprint, one.time_us, one.confirmed) for one in stored.past
    ]
    return diagnose(case_of_stored(stored), past)


def case_of_stored(stored: StoredCase) -> Case:
    """Return what nodes measured; a file that cannot be read does not take the others with it."""
    fault = stored.fault
    kinds = {member.node: member.kind for member in stored.members if member.kind in _KINDS}
    files = {key: path for key, path in stored.files.items() if key[0] in kinds and _is_of(key[0], path)}
    read = partial(case_of, fault.event_id, fault.code, fault.node, kinds)
    try:
        if files:
            return read(files)
    except CaseError as error:
        _LOGGER.warning("fault %s: %s", fault.event_id, error)
        good = {}
        for key, path in files.items():
            with contextlib.suppress(CaseError):
                read({key: path})
                good[key] = path
        if good:
            return read(good)
    records = {
        node: NodeRecord(node, kind, place) for place, (node, kind) in enumerate(sorted(kinds.items()))
    }
    return Case(fault.event_id, fault.code, fault.node, fault.at_us, _WINDOW_S, _WINDOW_S, records)


def _is_of(node: str, path: Path) -> bool:
    """Whether a file holds measurements of the node that gave it."""
    try:
        schemas = open_log([path]).schemas.values()
    except OSError as error:  # a bad block of the medium, or gone
        _LOGGER.warning("%s: it cannot be read: %s", path.name, error)
        return False
    if any(schema.node == node for schema in schemas):
        return True
    _LOGGER.warning("%s: no measurements of %s in it", path.name, node)
    return False
