"""How good the diagnosis is: it judges made faults whose causes are known, next to simple methods."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from statistics import median

from microgrid_core.diagnosis.causes import CAUSES, UNDETERMINED
from microgrid_core.diagnosis.engine import diagnose

from .baselines import BASELINES, Verdict, majority
from .library import SCENARIOS, make
from .truth import Split, Truth

_BINS = 10
_FRESH = 10_000
"""First seed when none is named: nothing was fitted on it (script/fit_diagnosis.py uses higher ones)."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A case, what the engine said, and what the baselines said."""

    scenario: str
    split: Split
    seed: int
    code: str
    truth: Truth
    cause: str
    posterior: float
    second: str
    origin: str
    path: tuple[str, ...]
    onset_s: float | None
    runtime_s: float
    baselines: dict[str, Verdict]

    @property
    def right(self) -> bool:
        """The first cause is the true one."""
        return self.cause == self.truth.cause

    @property
    def no_cause(self) -> bool:
        """Nothing was wrong."""
        return self.truth.kind == "none"


def judge(task: tuple[str, int, str]) -> Judged:
    """Make a case and let all methods judge it."""
    name, seed, split = task
    case, truth = make(name, seed, split)
    began = time.perf_counter()
    report = diagnose(case)
    runtime_s = time.perf_counter() - began
    others = [each.cause for each in report.candidates if each.cause != report.cause]
    return Judged(
        scenario=name,
        split=Split(split),
        seed=seed,
        code=case.code,
        truth=truth,
        cause=report.cause,
        posterior=report.posterior,
        second=others[0] if others else UNDETERMINED,
        origin=report.origin.node,
        path=tuple(report.path),
        onset_s=None if report.onset is None else report.onset.t_s,
        runtime_s=runtime_s,
        baselines={baseline: method(case) for baseline, method in BASELINES.items()},
    )


def judge_all(seeds: Iterable[int], splits: Sequence[Split], processes: int = 1) -> list[Judged]:
    """Judge every scenario with every seed."""
    tasks = [(name, seed, split.value) for split in splits for name in SCENARIOS for seed in seeds]
    if processes == 1:
        return [judge(task) for task in tasks]
    with ProcessPoolExecutor(processes) as pool:
        return list(pool.map(judge, tasks, chunksize=8))


# ---------------------------------------------------------------------------------------------------- numbers


def share(flags: Iterable[bool]) -> float:
    """Part of the flags that are set; not a number when there are none."""
    values = list(flags)
    return sum(values) / len(values) if values else float("nan")


def calibration_error(judged: Sequence[Judged]) -> float:
    """Expected calibration error of the first cause's posterior, in ten bins."""
    error = 0.0
    for number in range(_BINS):
        inside = [one for one in judged if min(int(one.posterior * _BINS), _BINS - 1) == number]
        if inside:
            gap = share(one.right for one in inside) - sum(one.posterior for one in inside) / len(inside)
            error += abs(gap) * len(inside) / len(judged)
    return error


def link_precision(judged: Sequence[Judged]) -> float:
    """Part of the links of all named paths that the true path has; a path of one node has none."""
    named = right = 0
    for one in judged:
        true = set(zip(one.truth.path, one.truth.path[1:], strict=False))
        said = set(zip(one.path, one.path[1:], strict=False))
        named += len(said)
        right += len(said & true)
    return right / named if named else float("nan")


def blames(one: Judged) -> bool:
    """A case without a cause for which the engine names one."""
    named = CAUSES.get(one.cause)
    return named is not None and named.kind.value != "none"


def onset_errors_ms(judged: Sequence[Judged]) -> list[float]:
    """How far the onset is off, where there is one in the window."""
    return [
        1000.0 * abs(one.onset_s - one.truth.onset_s)
        for one in judged
        if one.onset_s is not None and one.truth.onset_s is not None and not one.no_cause
    ]


# ----------------------------------------------------------------------------------------------------- report


def report(judged: Sequence[Judged]) -> str:
    """All numbers as text."""
    lines = list[str]()
    for split in dict.fromkeys(one.split for one in judged):
        part = [one for one in judged if one.split is split]
        lines += [
            f"ranges {split.value}: {len(part)} cases of {len({one.scenario for one in part})} scenarios",
            "",
        ]
        lines += [*_summary(part), ""]
    return "\n".join([*lines, *_confusions(judged), "", *_slips(judged)])


def _summary(part: Sequence[Judged]) -> list[str]:
    defects = [one for one in part if not one.no_cause]
    calm = [one for one in part if one.no_cause]
    errors = onset_errors_ms(part)
    runtimes = [1000.0 * one.runtime_s for one in part]
    rows = [
        ("top-1 cause", share(one.right for one in part), "share"),
        ("top-1 cause, of real causes", share(one.right for one in defects), "share"),
        ("top-2 cause", share(one.right or one.second == one.truth.cause for one in part), "share"),
        ("origin, of real causes", share(one.origin == one.truth.origin for one in defects), "share"),
        ("path exact, of real causes", share(one.path == one.truth.path for one in defects), "share"),
        ("path precision (links)", link_precision(defects), "share"),
        ("onset error, median", median(errors) if errors else float("nan"), "ms"),
        ("no-cause cases recognised", share(one.right for one in calm), "share"),
        ("no-cause cases undetermined", share(one.cause == UNDETERMINED for one in calm), "share"),
        ("wrong culprit on no-cause cases", share(blames(one) for one in calm), "share"),
        ("undetermined, of real causes", share(one.cause == UNDETERMINED for one in defects), "share"),
        ("calibration error (ECE)", calibration_error(part), "share"),
        ("runtime, median", median(runtimes), "ms"),
        ("runtime, largest", max(runtimes), "ms"),
    ]
    width = max(len(name) for name, _, _ in rows)
    lines = [
        f"  {name:<{width}}  {value:8.3f}" if unit == "share" else f"  {name:<{width}}  {value:8.1f} {unit}"
        for name, value, unit in rows
    ]
    lines += ["", f"  {'baseline':<{width}}   top-1    origin of real causes"]
    guess = majority([one.truth.cause for one in part])
    guessed = share(guess[one.code] == one.truth.cause for one in part)
    at_teller = share(one.truth.path[-1] == one.truth.origin for one in defects)
    lines.append(f"  {'majority per code':<{width}}  {guessed:6.3f}   {at_teller:6.3f}")
    for baseline in BASELINES:
        right = share(one.baselines[baseline].cause == one.truth.cause for one in part)
        origin = share(one.baselines[baseline].origin == one.truth.origin for one in defects)
        lines.append(f"  {baseline:<{width}}  {right:6.3f}   {origin:6.3f}")
    return lines


def _confusions(judged: Sequence[Judged]) -> list[str]:
    lines = ["by code: cases, top-1, origin, and what was taken for what"]
    for code in sorted({one.code for one in judged}):
        part = [one for one in judged if one.code == code]
        defects = [one for one in part if not one.no_cause]
        wrong = Counter((one.truth.cause, one.cause) for one in part if not one.right)
        told = ", ".join(
            f"{true.partition('.')[2]} → {said.partition('.')[2] or said} {count}×"
            for (true, said), count in wrong.most_common(5)
        )
        lines.append(
            f"  {code} {len(part):5d}  {share(one.right for one in part):5.3f}  "
            f"{share(one.origin == one.truth.origin for one in defects):5.3f}  {told}"
        )
    return lines


def _slips(judged: Sequence[Judged], most: int = 12) -> list[str]:
    """Some wrong ones by name and seed, to look at."""
    wrong = [one for one in judged if not one.right]
    lines = [f"wrong: {len(wrong)}; to look at:"] if wrong else ["wrong: none"]
    for one in wrong[:: max(1, len(wrong) // most)][:most]:
        lines.append(
            f"  {one.scenario} seed {one.seed} {one.split.value}: said {one.cause} ({one.posterior:.2f}), "
            f"then {one.second}"
        )
    return lines


def main(arguments: Sequence[str]) -> int:
    """Run `python -m simulator score`."""
    parser = argparse.ArgumentParser(
        prog="python -m simulator score",
        description="Judge made faults with the diagnosis engine and print how often it is right.",
    )
    parser.add_argument(
        "--seeds", type=int, default=5, metavar="N", help="cases of each scenario and split, default 5"
    )
    parser.add_argument(
        "--first", type=int, default=_FRESH, metavar="SEED", help=f"first seed, default {_FRESH}"
    )
    parser.add_argument(
        "--split", choices=("tuned", "apart", "both"), default="both", help="ranges, default both"
    )
    parser.add_argument("--processes", type=int, default=1, metavar="N", help="default 1")
    chosen = parser.parse_args(arguments)
    if chosen.seeds < 1 or chosen.processes < 1 or chosen.first < 0:
        parser.error("--seeds and --processes must be at least 1, --first at least 0")
    splits = list(Split) if chosen.split == "both" else [Split(chosen.split)]
    began = time.perf_counter()
    judged = judge_all(range(chosen.first, chosen.first + chosen.seeds), splits, chosen.processes)
    elapsed_s = time.perf_counter() - began
    print(report(judged))
    print(
        f"\n{len(judged)} cases made and judged in {elapsed_s:.0f} s, "
        f"{1000 * elapsed_s / len(judged):.0f} ms each"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
