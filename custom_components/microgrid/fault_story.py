"""What of a fault is shown to people: sentences, and the panels, curves and marks of its chart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .core.contract.faults import condition
from .core.diagnosis.bus import Bus
from .core.diagnosis.case import Case, NodeRecord
from .core.diagnosis.cause_texts import meaning, not_yet
from .core.diagnosis.causes import CAUSES, UNDETERMINED
from .core.diagnosis.evidence import BY_ID, Evidence
from .core.diagnosis.explanation.explanation import Explanation
from .core.diagnosis.origin import OUTSIDE
from .core.diagnosis.report import Report
from .core.diagnosis.view import CELLS
from .fault_chart import NO_BREAK, Curve, Key, Mark, Panel, Picture, plain

__all__ = [
    "Note",
    "Recording",
    "Story",
    "cause_words",
    "certainty",
    "certainty_words",
    "evidence_words",
    "figure",
    "origin_words",
    "picture",
    "since",
    "when_words",
]

Floats = NDArray[np.float64]

SPAN_S: Final = 10.0
_WHOLE: Final = (-SPAN_S, SPAN_S)
MOST_PANELS: Final = 4
MOST_MARKS: Final = 4
_NEAR_S: Final = 3.0
"""What began so shortly before the fault is shown larger in a panel of its own."""
_FAST_S: Final = 0.05
_BIN_S: Final = 0.25

_GATEWAY, _SWARM, _PALE = "#4b5563", "#7b4fb5", "#aab4be"
# Apart for all kinds of colour vision (after Okabe and Ito, darkened to be read on white).
_HOUSES: Final = ("#0072b2", "#d55e00", "#00875a", "#b0509c", "#8a6d00", "#3a9bd9", "#7a4a21", "#5b8c00")


@dataclass(frozen=True, slots=True)
class Recording:
    """What a node kept of the seconds around the fault."""

    node: str
    part: str
    state: str
    """By the contract; `missing` when nothing came."""
    bytes: int = 0


@dataclass(frozen=True, slots=True)
class Note:
    """What an operator found."""

    time: datetime
    cause: str | None
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class Story:
    """A fault, and all that is to be said of it."""

    event_id: str
    code: str
    severity: str
    node: str
    """Who told it."""
    time: datetime | None
    """When, on the user's clock; None when the node did not know."""
    names: Mapping[str, str]
    """What people call the nodes, by id."""
    cause: str | None = None
    """The verdict, by the catalogue; None while there is none."""
    certainty: float = 0.0
    """How likely it is, 0 … 1."""
    origin: str | None = None
    """Node whose own defect it is, where another cause than that of the report counts; None: not known."""
    case: Case | None = None
    """None when no recording can be read."""
    report: Report | None = None
    """None when there is none, or none that this version can read."""
    values: Mapping[str, object] = field(default_factory=dict)
    """Readings that came with the event."""
    recordings: Sequence[Recording] = ()
    notes: Sequence[Note] = ()
    analyzed: datetime | None = None
    language: str = "en"
    """Of the user, for the texts of the catalogues."""
    explanation: Explanation | None = None
    """What came of asking a language model; None when none was asked."""

    @property
    def began_at(self) -> str | None:
        """Where it began; None where that is not known."""
        if self.report is None or self.cause != self.report.cause:
            return self.origin
        return self.report.origin.node if self.report.origin.known else None

    def name(self, node_id: str) -> str:
        """Return what people call a node."""
        if node_id == OUTSIDE:
            return "the swarm beyond the gateway"
        return plain(self.names.get(node_id, node_id))


# ------------------------------------------------------------------------------------------------------ words


def figure(value: float) -> str:
    """Write a number with three digits that count."""
    if not math.isfinite(value):
        return "unknown"
    size = abs(value)
    digits = 0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 or size == 0 else 3
    text = f"{value:,.{digits}f}".replace(",", NO_BREAK)
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text == "-0" else text.replace("-", "\N{MINUS SIGN}")


def since(t_s: float) -> str:
    """Say when something was, counted from the fault."""
    size = abs(t_s)
    if size < 0.0005:
        return "with the fault"
    span = f"{size * 1000:.0f} ms" if size < 1 else f"{size:.2f} s" if size < 10 else f"{size:.1f} s"
    return f"{span} {'before' if t_s < 0 else 'after'} the fault"


def cause_words(story: Story) -> str:
    """Say why it happened."""
    if story.cause is None:
        return not_yet(story.language)
    return meaning(story.cause if story.cause in CAUSES else UNDETERMINED, story.language)


def certainty_words(story: Story) -> str:
    """Say how sure the verdict is; nothing when there is none."""
    return f"{certainty(story.certainty)} sure" if story.cause in CAUSES else ""


def certainty(share: float) -> str:
    """Write a probability; none is ever certain."""
    if share > 0.99:
        return "more than 99 %"
    return "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def origin_words(story: Story) -> str:
    """Say where and when it began."""
    report, origin = story.report, story.began_at
    if report is None or origin is None:
        return f"Reported by {story.name(story.node)}"
    # The onset that the engine looked for is that of its own verdict.
    of_engine = origin == report.origin.node
    when = f", {since(report.onset.t_s)}" if report.onset is not None and of_engine else ""
    if origin == story.node:
        return f"Began at {story.name(story.node)} itself{when}"
    place = "in" if origin == OUTSIDE else "at"
    return f"Began {place} {story.name(origin)}{when}; reported by {story.name(story.node)}"


def when_words(story: Story) -> str:
    """Say when it was."""
    return "time unknown" if story.time is None else f"{story.time:%Y-%m-%d %H:%M:%S}"


def evidence_words(story: Story, evidence: Evidence) -> str:
    """Say what was measured, and what is usual."""
    kind = BY_ID[evidence.id]
    unit = f" {kind.unit}" if kind.unit else ""
    meaning = kind.meaning[:1].upper() + kind.meaning[1:]
    if evidence.node != story.node:
        meaning = f"{story.name(evidence.node)}: {kind.meaning}"
    text = f"{meaning}: {figure(evidence.value)}{unit}"
    if evidence.baseline is not None:
        text += f" (usually {figure(evidence.baseline)}{unit})"
    return text


# ------------------------------------------------------------------------------------------------ the picture


@dataclass(frozen=True, slots=True)
class _Quantity:
    """Channels that belong into one panel."""

    title: str
    unit: str
    house: tuple[str, ...] = ()
    gateway: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    """Channels of evidence that are computed from these."""
    of_one: bool = False
    """Only the node that it is about is shown: of all it would be too much."""


def _numbered(channel: str, count: int) -> tuple[str, ...]:
    return tuple(f"{channel}_{number}" for number in range(1, count + 1))


_QUANTITIES: Final = (
    _Quantity("Power of the inverters", "W", ("inverter_power",), also=("exchange_power",)),
    _Quantity("AC voltage", "V", ("inverter_voltage",), ("cluster_voltage", "swarm_voltage")),
    _Quantity(
        "Frequency",
        "Hz",
        ("inverter_frequency",),
        ("cluster_frequency", "swarm_frequency"),
        ("frequency_difference",),
    ),
    _Quantity("Current of the inverters", "A", ("inverter_current",)),
    _Quantity("Load of the houses", "W", ("load_power",)),
    _Quantity("DC bus", "V", ("dc_bus_voltage",)),
    _Quantity(
        "Battery current (discharge is positive)", "A", ("battery_current",), also=("battery_connected",)
    ),
    _Quantity(
        "Cells of the battery",
        "V",
        _numbered("cell_voltage", CELLS),
        also=("cell_voltage", "cell_voltage_minimum", "cell_voltage_maximum", "cell_voltage_spread"),
        of_one=True,
    ),
    _Quantity("Power stage", "°C", _numbered("mosfet_temperature", 2), also=("mosfet_temperature",)),
    _Quantity(
        "Temperature of the battery", "°C", _numbered("battery_temperature", 4), also=("battery_temperature",)
    ),
    _Quantity("Voltage of the solar modules", "V", ("mppt_input_voltage",)),
    _Quantity("Current of the solar modules", "A", ("mppt_input_current",), also=("mppt_input_power",)),
    _Quantity("Current of the solar charger", "A", ("mppt_output_current",), also=("mppt_efficiency",)),
    _Quantity("Voltage of the solar charger", "V", ("mppt_output_voltage",)),
    _Quantity("Flow to the swarm", "W", gateway=("power_flow",)),
    _Quantity("Phase between cluster and swarm", "°", gateway=("phase_difference",)),
    _Quantity("Contactor closed", "", gateway=("contactor_closed",), also=("contactor_commanded",)),
    _Quantity("State of charge", "%", ("state_of_charge",)),
    _Quantity("Load of the bus", "%", gateway=("can_bus_load",)),
    _Quantity("Errors on the bus", "", ("can_errors",), ("can_errors",)),
)
_FRAMES: Final = _Quantity("Messages heard on the bus", "1/s", also=("frames", "boot_id"))
_OF_CHANNEL: Final = {
    channel: quantity
    for quantity in (*_QUANTITIES, _FRAMES)
    for channel in (*quantity.house, *quantity.gateway, *quantity.also)
}
_CELLS_FIRST: Final = ("cell_voltage", "battery_current", "dc_bus_voltage")
_OF_CODE: Final = {
    "F001": ("inverter_current",),
    "F002": ("inverter_voltage",),
    "F003": ("inverter_voltage", "dc_bus_voltage"),
    "F004": ("mosfet_temperature", "inverter_current"),
    "F005": ("dc_bus_voltage", "battery_current", "mppt_output_current"),
    "F006": ("dc_bus_voltage", "battery_current"),
    "F010": _CELLS_FIRST,
    "F011": _CELLS_FIRST,
    "F012": ("battery_temperature", "battery_current"),
    "F013": ("battery_current", "mppt_output_current"),
    "F014": ("battery_current", "load_power"),
    "F015": _CELLS_FIRST,
    "F020": ("mppt_input_voltage", "mppt_input_current"),
    "F021": ("mppt_output_current", "mppt_output_voltage"),
    "F030": ("frames", "can_errors"),
    "F031": ("frames", "can_errors"),
    "F040": ("cluster_frequency", "phase_difference"),
    "F041": ("contactor_closed", "power_flow", "phase_difference"),
}
"""What each code is about, and what goes with it."""
_USUAL: Final = ("inverter_power", "inverter_voltage", "inverter_frequency")
"""What is worth a look whatever happened."""


@dataclass(frozen=True, slots=True, eq=False)
class _Drawn:
    """A curve, and whose it is."""

    node: str
    channel: str
    curve: Curve


def picture(story: Story) -> Picture:
    """Return what the chart of a fault shows."""
    report, case = story.report, story.case
    facts = [origin_words(story)]
    told = " · ".join(filter(None, (certainty_words(story), when_words(story))))
    evidence = () if report is None else report.evidence
    onset_s = None if report is None or report.onset is None else report.onset.t_s
    panels, near, shown = _panels(story, case, evidence, onset_s)
    return Picture(
        story.code,
        story.severity,
        condition(story.code).text(story.language).name,
        cause_words(story),
        (*facts, told),
        _keys(story, case, panels),
        tuple(panels),
        onset_s,
        near,
        tuple((each.id, evidence_words(story, each)) for each in shown),
    )


def _panels(
    story: Story, case: Case | None, evidence: Sequence[Evidence], onset_s: float | None
) -> tuple[list[Panel], tuple[float, float] | None, Sequence[Evidence]]:
    """Return the panels, the window of the first one, and the evidence that is marked in them."""
    if case is None:
        return [], None, evidence[:MOST_MARKS]
    colours = _colours(case)
    chosen = _chosen(case, evidence)
    groups: list[tuple[_Quantity, list[_Drawn]]] = []
    for quantity, about in chosen.items():
        drawn = _curves(story, case, quantity, about, colours)
        if any(np.isfinite(one.curve.values).any() for one in drawn):
            groups.append((quantity, drawn))
    near = _near(groups, _begin(evidence) if onset_s is None else onset_s)
    groups = groups[: MOST_PANELS - (near is not None)]
    shown = evidence[:MOST_MARKS]
    panels = []
    if near is not None:
        quantity, drawn = groups[0]
        inside = [each for each in shown if near[0] <= each.t_s <= near[1]]
        panels.append(_panel(quantity, drawn, near, inside, tall=True))
        outside = [each for each in shown if each not in inside]
        panels.append(_panel(quantity, drawn, _WHOLE, outside))
    for quantity, drawn in groups if near is None else groups[1:]:
        panels.append(_panel(quantity, drawn, _WHOLE, shown))
    return panels, near, shown


def _chosen(case: Case, evidence: Iterable[Evidence]) -> dict[_Quantity, list[Evidence]]:
    """Return the quantities: what the evidence names first, what the code is about, then the rest."""
    named: dict[_Quantity, list[Evidence]] = {}
    for each in evidence:
        if (quantity := _OF_CHANNEL.get(each.channel)) is not None:
            named.setdefault(quantity, []).append(each)
    usual = (*_OF_CODE.get(case.code, ()), *_USUAL)
    order = [*list(named)[:1], *(_OF_CHANNEL[channel] for channel in usual[:1]), *named]
    order += [*(_OF_CHANNEL[channel] for channel in usual), *_QUANTITIES]
    return {quantity: named.get(quantity, []) for quantity in order}


def _colours(case: Case) -> dict[str, str]:
    """Give every house a colour by its place on the line, so that it has it in all charts."""
    houses = (record for record in case.nodes.values() if record.kind == "house")
    found = {house.node: _HOUSES[(max(house.place, 1) - 1) % len(_HOUSES)] for house in houses}
    found |= {record.node: _GATEWAY for record in case.nodes.values() if record.kind != "house"}
    found[OUTSIDE] = _SWARM
    return found


def _curves(
    story: Story, case: Case, quantity: _Quantity, about: Sequence[Evidence], colours: Mapping[str, str]
) -> list[_Drawn]:
    strong = {each.node for each in about} | {story.node}
    if story.began_at is not None:
        strong.add(story.began_at)
    if quantity is _FRAMES:
        return _heard(case, colours, strong)
    named = {each.channel for each in about}
    only = about[0].node if quantity.of_one and about else story.node if quantity.of_one else None
    drawn = []
    for record in sorted(case.nodes.values(), key=lambda record: (record.place, record.node)):
        if only is not None and record.node != only:
            continue
        for channel in quantity.house if record.kind == "house" else quantity.gateway:
            if (series := record.channels.get(channel)) is None:
                continue
            colour = colours[OUTSIDE if channel.startswith("swarm_") else record.node]
            bold = record.node in strong
            if quantity.of_one and named & set(quantity.house):
                bold = channel in named
                colour = colour if bold else _PALE
            curve = Curve(colour, *_clean(series.t_s, series.values), bold)
            drawn.append(_Drawn(record.node, channel, curve))
    return drawn


def _clean(t_s: Floats, values: Floats) -> tuple[Floats, Floats]:
    """Return times and values that can be drawn, whatever a node sent."""
    t, x = np.asarray(t_s, np.float64).reshape(-1), np.asarray(values, np.float64).reshape(-1)
    size = min(t.size, x.size)
    t, x = t[:size], np.where(np.abs(x[:size]) < 1e9, x[:size], np.nan)
    good = np.isfinite(t)
    order = np.argsort(t[good], kind="stable")
    return t[good][order], x[good][order]


def _heard(case: Case, colours: Mapping[str, str], strong: set[str]) -> list[_Drawn]:
    """Return how many messages of each node came over the bus in a second."""
    bus = Bus(case, _WHOLE)
    if not bus.known:
        return []
    edges = np.linspace(-SPAN_S, SPAN_S, round(2 * SPAN_S / _BIN_S) + 1)
    middle = edges[:-1] + _BIN_S / 2
    recorded = (edges[:-1] >= bus.since_s - _BIN_S) & (edges[1:] <= bus.until_s + _BIN_S)
    drawn = []
    for record in sorted(case.nodes.values(), key=lambda record: (record.place, record.node)):
        counts = np.histogram(bus.alive(record.place), edges)[0] / _BIN_S
        curve = Curve(colours[record.node], middle, np.where(recorded, counts, np.nan), record.node in strong)
        drawn.append(_Drawn(record.node, "frames", curve))
    return drawn


def _begin(evidence: Iterable[Evidence]) -> float | None:
    """Return the time of the earliest of the strongest evidence shortly before the fault."""
    return min((each.t_s for each in list(evidence)[:MOST_MARKS] if -_NEAR_S <= each.t_s < 0.0), default=None)


type _Groups = Sequence[tuple[_Quantity, list[_Drawn]]]


def _near(groups: _Groups, onset_s: float | None) -> tuple[float, float] | None:
    """Return the window that shows how it began; None when seconds show it well enough."""
    if onset_s is None or not -_NEAR_S <= onset_s <= 1.0 or not groups:
        return None
    steps = [float(np.median(np.diff(one.curve.t_s))) for one in groups[0][1] if one.curve.t_s.size > 1]
    if not steps or min(steps) > _FAST_S:
        return None
    span = max(abs(onset_s), 0.2)
    return min(onset_s, 0.0) - 0.5 * span, max(onset_s, 0.0) + 0.5 * span


def _panel(
    quantity: _Quantity,
    drawn: Sequence[_Drawn],
    window: tuple[float, float],
    marked: Iterable[Evidence],
    tall: bool = False,
) -> Panel:
    marks = [
        Mark(each.id, _place(drawn, each), each.t_s)
        for each in marked
        if _OF_CHANNEL.get(each.channel) is quantity
    ]
    return Panel(
        f"{quantity.title}: how it began" if tall else quantity.title,
        quantity.unit,
        *window,
        tuple(one.curve for one in drawn),
        tuple(marks),
        tall,
        from_zero=quantity is _FRAMES,
    )


def _place(drawn: Sequence[_Drawn], evidence: Evidence) -> int | None:
    """Return which curve a piece of evidence is about."""
    of_node = [place for place, one in enumerate(drawn) if one.node == evidence.node]
    exact = [place for place in of_node if drawn[place].channel == evidence.channel]
    return next(iter(exact or of_node), None)


def _keys(story: Story, case: Case | None, panels: Sequence[Panel]) -> tuple[Key, ...]:
    """Explain the colours: who told the fault first, where it began next."""
    if case is None:
        return ()
    colours = _colours(case)
    used = {curve.colour for panel in panels for curve in panel.curves}
    origin = story.began_at

    def note(record: NodeRecord) -> str:
        said = [
            text
            for text, holds in (
                ("reported it", record.node == story.node),
                ("began here", record.node == origin),
                ("no recording", not record.channels),
            )
            if holds
        ]
        return ", ".join(said)

    keys = [
        Key(colours[record.node], story.name(record.node), note(record))
        for record in sorted(
            case.nodes.values(),
            key=lambda record: (record.node != story.node, record.node != origin, record.place, record.node),
        )
        if colours[record.node] in used or note(record)
    ]
    if _SWARM in used or origin == OUTSIDE:
        keys.append(Key(_SWARM, "Swarm", "began here" if origin == OUTSIDE else ""))
    return tuple(keys)
