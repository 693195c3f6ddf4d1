"""The diagnosis: from a case to a report. The same case always gives the same report."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from time import perf_counter

import numpy as np

from . import answers
from .case import Case
from .cause_texts import checks
from .causes import UNDETERMINED
from .evidence import Evidence, to_evidence
from .experience import confirmed, moved
from .facts import Facts, Finding
from .fingerprint import PastFault, fingerprint, recurrences
from .measures import measure
from .predicates import MODELS, REQUIRED, RULED_OUT, CodeModel, posterior, scores
from .propagation import find_onset, find_origin, links, path_of
from .report import ENGINE_VERSION, Candidate, Report
from .view import View

__all__ = ["diagnose", "origin_of"]

_MOST_EVIDENCE = 12
_LEAST_WEIGHT = 0.02


def diagnose(case: Case, past: Sequence[PastFault] = ()) -> Report:
    """Find cause, origin and path of a fault; `past` are earlier faults, to tell whether it is known, and
    what operators found then.

    Never raises on what a case holds: what is missing or nonsense makes the verdict less certain.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        # that a slice is empty or all NaN is no news here: it makes a value unknown
        warnings.simplefilter("ignore", RuntimeWarning)
        return _diagnose(case, past)


def origin_of(case: Case, cause: str) -> str | None:
    """Return the node whose own defect it is where another cause counts than that of `diagnose`.

    None where that is not known.
    """
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        facts = Facts(View(case))
        origin = find_origin(facts, cause, {cause: 1.0}, measure(facts))
        return origin.node if origin.known else None


def _diagnose(case: Case, past: Sequence[PastFault]) -> Report:
    began = perf_counter()
    facts = Facts(View(case))
    findings = measure(facts)
    model = MODELS.get(case.code)
    values = {key: finding.value for key, finding in findings.items()}
    measured = posterior(scores(model, values) if model is not None else {})
    cause = next(iter(measured))
    evidence = _evidence(model, cause, measured, findings)
    # It is known again by its measurements alone, whatever was found of the others.
    mark = fingerprint(case.code, cause, evidence)
    before = recurrences(mark, case.node, case.event_id, past)
    found = tuple(one for one in confirmed(before) if one.cause in measured)
    likely = moved(measured, found) if found else measured
    if next(iter(likely)) != cause:
        cause = next(iter(likely))
        evidence = _evidence(model, cause, likely, findings)
    origin = find_origin(facts, cause, likely, findings)
    path = path_of(facts, origin.node)
    way = links(facts, path, findings)
    onset = find_onset(facts, cause, origin.node, findings)
    actions = checks(cause, "en")
    missing = tuple(node for node, record in case.nodes.items() if not record.channels)
    candidates = tuple(Candidate(each, probability) for each, probability in likely.items())
    said = answers.write(
        case, cause, candidates, origin, way, onset, evidence, before, found, measured, actions, missing
    )
    return Report(
        engine_version=ENGINE_VERSION,
        event_id=case.event_id,
        code=case.code,
        node=case.node,
        cause=cause,
        posterior=likely[cause],
        candidates=candidates,
        origin=origin,
        path=path,
        links=way,
        onset=onset,
        evidence=evidence,
        actions=actions,
        answers=said,
        fingerprint=mark,
        missing=missing,
        runtime_s=perf_counter() - began,
        confirmed=found,
    )


def _evidence(
    model: CodeModel | None, cause: str, likely: dict[str, float], findings: dict[str, Finding]
) -> tuple[Evidence, ...]:
    """What moved the odds between the verdict and the next cause, the strongest support first."""
    if model is None:
        return ()
    rows = {each.cause: dict(each.weights) for each in model.causes}
    rivals = [other for other in likely if other not in (cause, UNDETERMINED)]
    first = rows.get(cause, {})
    second = rows.get(rivals[0], {}) if rivals else {}
    weights: dict[str, float] = {}
    for index, predicate in enumerate(model.predicates):
        finding = findings.get(predicate.key)
        if finding is None:
            continue
        share = first.get(index, 0.0) - second.get(index, 0.0)
        weights[predicate.key] = weights.get(predicate.key, 0.0) + share * predicate.truth(finding.value)
    for required in REQUIRED.get(cause, ()):  # that it could be this at all
        finding = findings.get(required.key)
        if finding is not None and required.truth(finding.value) > 0.0:
            weights[required.key] = weights.get(required.key, 0.0) + RULED_OUT
    ordered = sorted(weights, key=lambda key: (-weights[key], key))
    chosen = [key for key in ordered if abs(weights[key]) >= _LEAST_WEIGHT]
    if len(chosen) > _MOST_EVIDENCE:  # what speaks against it most is not hidden
        chosen = chosen[: _MOST_EVIDENCE - 2] + chosen[-2:]
    return tuple(to_evidence(findings[key], round(weights[key], 4)) for key in chosen)
