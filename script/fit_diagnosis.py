"""Fit the log-weights of the diagnosis on made faults, and write them as a table into the module.

`python -m script.fit_diagnosis --cases 60` makes that many cases of every scenario in the tuned ranges,
measures them once (`--cache FILE` keeps the values), chooses thresholds between the causes of each code, and
fits the weights by logistic regression with a prior that keeps them small. The ranges kept apart stay unseen.
"""

from __future__ import annotations

import argparse
import pickle
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from microgrid_core.diagnosis.causes import CAUSES_OF_CODE
from microgrid_core.diagnosis.facts import Facts
from microgrid_core.diagnosis.measures import measure
from microgrid_core.diagnosis.predicates import Predicate, ruled_out
from microgrid_core.diagnosis.relevance import RELEVANT
from microgrid_core.diagnosis.view import View
from simulator.scenarios import library

TABLE = Path(__file__).parents[1] / "custom_components/microgrid/core/diagnosis/_weights.py"
FIRST_SEED = 1_000_000
"""Scoring draws its own seeds below."""
_THRESHOLDS_PER_MEASURE = 4
_PRIOR = 0.012
"""Strength of the pull of all weights towards zero, for each case."""
_LEAST_WEIGHT = 0.03
_MOST_PREDICATES = 56
"""Of a code: enough that missing channels leave some, few enough to be read."""
_ROUNDS = 700

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Sample:
    """A measured case."""

    name: str
    cause: str
    values: dict[str, float]


def measured(job: tuple[str, int]) -> Sample | None:
    """Make and measure a case; None when its scenario cannot be drawn."""
    name, seed = job
    try:
        case, truth = library.make(name, seed)
    except RuntimeError as error:
        print(error, file=sys.stderr)
        return None
    found = measure(Facts(View(case)))
    return Sample(name, truth.cause, {key: finding.value for key, finding in found.items()})


def _bounds(values: Floats, classes: NDArray[np.int_], count: int) -> list[tuple[float, float]]:
    """Thresholds that tell two classes from each other best, some way apart from each other."""
    known = np.isfinite(values)
    x, y = values[known], classes[known]
    if x.size < 20 or np.ptp(x) <= 0.0:
        return []
    order = np.argsort(x, kind="stable")
    x, y = x[order], y[order]
    ones = np.zeros((y.size, count))
    ones[np.arange(y.size), y] = 1.0
    below = np.cumsum(ones, axis=0)[:-1]
    cut = np.flatnonzero(np.diff(x) > 1e-9)
    if not cut.size:
        return []
    chosen: list[tuple[float, float]] = []
    gains: list[tuple[float, int, int]] = []
    for first in range(count):
        for second in range(first + 1, count):
            a, b = ones[:, first].sum(), ones[:, second].sum()
            if a < 5 or b < 5:
                continue
            # how far the shares of both causes below the threshold differ
            differ = np.abs(below[cut, first] / a - below[cut, second] / b)
            best = float(differ.max())
            # the middle of all thresholds that are as good: the widest margin
            good = cut[differ >= best - 1e-9]
            place = int(good[np.argmax(x[good + 1] - x[good])])
            if best > 0.25:
                gains.append((best, place, first * count + second))
    spread = float(np.percentile(x, 95) - np.percentile(x, 5)) or float(np.ptp(x))
    for _, place, _ in sorted(gains, reverse=True):
        low, high = float(x[place]), float(x[place + 1])
        middle, half = (low + high) / 2.0, max((high - low) / 2.0, 0.04 * spread)
        if all(abs(middle - (a + b) / 2.0) > 0.06 * spread for a, b in chosen):
            chosen.append((middle - half, middle + half))
        if len(chosen) == _THRESHOLDS_PER_MEASURE:
            break
    return chosen


def _fit(truths: Floats, lost: Floats, classes: NDArray[np.int_], count: int) -> tuple[Floats, Floats]:
    """Weights (causes × predicates) and biases of a softmax with `undetermined` beside; Adam, full batch."""
    samples, predicates = truths.shape
    weights, bias = np.zeros((count, predicates)), np.zeros(count)
    target = np.zeros((samples, count))
    target[np.arange(samples), classes] = 1.0
    rare = samples / (count * np.maximum(np.bincount(classes, minlength=count), 1))
    importance = rare[classes][:, None] / samples
    parameters = [weights, bias]
    moments = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
    for step in range(1, _ROUNDS + 1):
        logits = truths @ weights.T + bias - lost
        odds = np.concatenate((logits, np.full((samples, 1), np.log(count))), axis=1)
        odds -= odds.max(axis=1, keepdims=True)
        shares = np.exp(odds)
        shares /= shares.sum(axis=1, keepdims=True)
        wrong = (shares[:, :count] - target) * importance
        gradients = [wrong.T @ truths + _PRIOR * weights / predicates**0.5, wrong.sum(axis=0) + 0.002 * bias]
        rate = 0.05 if step < _ROUNDS * 0.7 else 0.01
        for parameter, gradient, (mean, square) in zip(parameters, gradients, moments, strict=True):
            mean[...] = 0.9 * mean + 0.1 * gradient
            square[...] = 0.999 * square + 0.001 * gradient**2
            parameter[...] -= rate * (mean / (1 - 0.9**step)) / (np.sqrt(square / (1 - 0.999**step)) + 1e-9)
    return weights, bias


def fit_code(
    code: str, samples: Sequence[Sample]
) -> tuple[list[Predicate], list[tuple[str, float, dict[int, float]]]]:
    """Choose the predicates of a code and fit what they mean for its causes."""
    causes = [cause.id for cause in CAUSES_OF_CODE[code]]
    present = [cause for cause in causes if any(sample.cause == cause for sample in samples)]
    classes = np.array([present.index(sample.cause) for sample in samples])
    keys = sorted({key for sample in samples for key in sample.values} & RELEVANT[code])
    table = {key: np.array([sample.values.get(key, np.nan) for sample in samples]) for key in keys}
    predicates = [
        Predicate(key, float(f"{low:.4g}"), float(f"{high:.4g}"))
        for key in keys
        for low, high in _bounds(table[key], classes, len(present))
    ]
    predicates = [each for each in predicates if each.high > each.low]
    truths = np.array(
        [[each.truth(sample.values.get(each.key)) for each in predicates] for sample in samples]
    )
    truths = truths.reshape(len(samples), len(predicates))
    lost = np.array([[ruled_out(cause, sample.values) for cause in present] for sample in samples])
    weights, _ = _fit(truths, lost, classes, len(present))
    strongest = np.sort(np.argsort(-np.abs(weights).max(axis=0))[:_MOST_PREDICATES])
    predicates, truths = [predicates[i] for i in strongest], truths[:, strongest]
    weights, bias = _fit(truths, lost, classes, len(present))
    used = np.flatnonzero((np.abs(weights) >= _LEAST_WEIGHT).any(axis=0))
    place = {int(old): new for new, old in enumerate(used)}
    rows = []
    for number, cause in enumerate(present):
        kept = {
            place[int(i)]: float(weights[number, i]) for i in used if abs(weights[number, i]) >= _LEAST_WEIGHT
        }
        rows.append((cause, float(bias[number]), kept))
    hits = float(np.mean(np.argmax(truths @ weights.T + bias - lost, axis=1) == classes))
    print(
        f"{code}: {len(samples)} cases, {len(present)} of {len(causes)} causes,"
        f" {len(used)} predicates, fits {hits:.1%}"
    )
    return [predicates[i] for i in used], rows


def write(models: Iterable[tuple[str, list[Predicate], list[tuple[str, float, dict[int, float]]]]]) -> None:
    """Write the table."""
    lines = [
        '"""Predicates and log-weights by code; generated by `python -m script.fit_diagnosis`."""',
        "",
        "# fmt: off",
        "from __future__ import annotations",
        "",
        "PredicateRow = tuple[str, float, float]",
        "CauseRow = tuple[str, float, tuple[tuple[int, float], ...]]",
        "",
        "MODEL_ROWS: tuple[tuple[str, tuple[PredicateRow, ...], tuple[CauseRow, ...]], ...] = (",
    ]
    for code, predicates, rows in models:
        lines += [f'    ("{code}", (']
        lines += [
            f'        ("{each.key}", {each.low!r}, {each.high!r}),  # {number}'
            for number, each in enumerate(predicates)
        ]
        lines += ["    ), ("]
        for cause, bias, weights in rows:
            lines += [f'        ("{cause}", {bias:.3f}, (']
            cells = [f"({index}, {weight:.3f})," for index, weight in sorted(weights.items())]
            lines += ["            " + " ".join(cells[at : at + 6]) for at in range(0, len(cells), 6)]
            lines += ["        )),"]
        lines += ["    )),"]
    lines += [")", ""]
    TABLE.write_text("\n".join(lines), encoding="utf-8")


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=60, help="of every scenario")
    parser.add_argument(
        "--cache", type=Path, help="file that keeps measured values; delete it after a change of measures"
    )
    parser.add_argument(
        "--codes",
        default="",
        help="measure these codes again, comma separated; default: what the cache lacks",
    )
    arguments = parser.parse_args()
    samples: list[Sample] = []
    if arguments.cache is not None and arguments.cache.exists():
        samples = pickle.loads(arguments.cache.read_bytes())
    again = tuple(filter(None, arguments.codes.split(",")))
    samples = [sample for sample in samples if not sample.name.startswith(again)] if again else samples
    have = {sample.name for sample in samples}
    names = [name for name in library.SCENARIOS if name not in have]
    jobs = [(name, FIRST_SEED + seed) for name in names for seed in range(arguments.cases)]
    if jobs:
        with ProcessPoolExecutor(2) as pool:
            samples += [one for one in pool.map(measured, jobs, chunksize=10) if one is not None]
    if arguments.cache is not None:
        arguments.cache.write_bytes(pickle.dumps(samples))
    write(
        (code, *fit_code(code, chosen))
        for code in CAUSES_OF_CODE
        if (chosen := [sample for sample in samples if sample.cause.startswith(code)])
    )


if __name__ == "__main__":
    main()
