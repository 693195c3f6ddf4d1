"""The chart and the report of a fault: what is drawn and said, whatever nodes and users sent."""

from __future__ import annotations

import io
import json
import math
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any, override

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.typing import NDArray
from PIL import Image

from custom_components.microgrid import fault_chart, fault_story
from custom_components.microgrid.core.archive.faults.records import Analysis
from custom_components.microgrid.core.codec.can_dbc import MESSAGES
from custom_components.microgrid.core.contract.faults import FAULTS, condition
from custom_components.microgrid.core.diagnosis.case import CanTraffic, Case, NodeRecord, Series
from custom_components.microgrid.core.diagnosis.cause_texts import checks, meaning, not_yet
from custom_components.microgrid.core.diagnosis.causes import CAUSES, UNDETERMINED
from custom_components.microgrid.core.diagnosis.engine import diagnose
from custom_components.microgrid.core.diagnosis.evidence import KINDS, Evidence
from custom_components.microgrid.core.diagnosis.explanation.explanation import Outcome, by_engine
from custom_components.microgrid.core.diagnosis.origin import OUTSIDE
from custom_components.microgrid.core.diagnosis.report import OnsetTime, Origin
from custom_components.microgrid.fault_analysis import explanation_of
from custom_components.microgrid.fault_chart import Curve, Key, Mark, Panel, Picture, draw, plain
from custom_components.microgrid.fault_page import page
from custom_components.microgrid.fault_story import (
    _OF_CHANNEL,
    _OF_CODE,
    _QUANTITIES,
    Note,
    Recording,
    Story,
    cause_words,
    certainty,
    evidence_words,
    figure,
    origin_words,
    picture,
    since,
)

FAST_S = np.linspace(-10.0, 9.99, 2000)
SLOW_S = np.linspace(-10.0, 9.0, 20)
GREEN = "#00875a"
NAMES = {"gateway-1": "Gateway South", "house-1": "Müller", "house-2": "Łukasz & Ewa", "house-3": "No. 3"}


def record(node: str, place: int, **channels: float) -> NodeRecord:
    """A node whose power steps at the fault."""
    step = np.where(FAST_S < 0.0, 0.0, 1.0)
    return NodeRecord(
        node,
        "gateway" if place == 0 else "house",
        place,
        {key: Series(FAST_S, level * (1.0 + step)) for key, level in channels.items()},
    )


def case(code: str = "F001") -> Case:
    """Two houses and a gateway; a third house gave nothing."""
    houses = [
        record("house-1", 1, inverter_power=1000.0, inverter_voltage=230.0, inverter_frequency=49.9),
        record("house-2", 2, inverter_power=2000.0, inverter_voltage=231.0, inverter_frequency=49.9),
        NodeRecord("house-3", "house", 3),
    ]
    gateway = record("gateway-1", 0, cluster_voltage=230.0, swarm_voltage=232.0, power_flow=300.0)
    nodes = {one.node: one for one in (gateway, *houses)}
    return Case("north.1:1", code, "house-1", 1_795_000_000_000_000, 10.0, 10.0, nodes)


def evidence(key: str, node: str, channel: str, t_s: float = 0.0, value: float = 1830.0) -> Evidence:
    """Something that the engine found."""
    kind = KINDS[key]
    return Evidence(kind.id, node, channel, t_s, value, kind.unit, None, None, 2.0)


EVIDENCE = (
    evidence("current_rise", "house-1", "dc_bus_voltage"),  # was not measured
    evidence("own_voltage", "house-1", "inverter_voltage"),
    evidence("neighbour_trip", "house-2", "inverter_power", -0.4),
)


def story(**changes: Any) -> Story:
    """A fault that came from the neighbour."""
    report = replace(
        diagnose(case()),
        cause="F001.neighbour_trip",
        posterior=0.87,
        origin=Origin("house-2", 0.9, ""),
        onset=OnsetTime(-0.42, -0.43, -0.41, "house-2", "inverter_power"),
        evidence=EVIDENCE,
    )
    usual: dict[str, Any] = {
        "event_id": "north.1:1",
        "code": "F001",
        "severity": "critical",
        "node": "house-1",
        "time": datetime(2026, 11, 21, 22, 4, 31, tzinfo=UTC),
        "names": NAMES,
        "cause": report.cause,
        "certainty": 0.87,
        "case": case(),
        "report": report,
        "values": {"inverter_current": 41.5, "fan": True, "label": "x", "unknown": None},
        "recordings": [Recording("house-1", "measured", "complete", 4711)],
        "notes": [Note(datetime(2026, 11, 22, 9, 0, tzinfo=UTC), "F001.neighbour_trip", "Fan replaced.")],
        "analyzed": datetime(2026, 11, 21, 22, 5, tzinfo=UTC),
    }
    return Story(**(usual | changes))


def pixels(png: bytes) -> NDArray[np.uint8]:
    """Decode a picture, shape (height, width, 3)."""
    image = Image.open(io.BytesIO(png))
    assert (image.format, image.mode, image.width) == ("PNG", "RGB", fault_chart.WIDTH_PX)
    return np.asarray(image)


def colour(code: str) -> NDArray[np.uint8]:
    """`#rrggbb` as numbers."""
    return np.frombuffer(bytes.fromhex(code[1:]), np.uint8)


def columns(picture: NDArray[np.uint8], code: str) -> NDArray[np.int64]:
    """Columns in which pixels have exactly a colour."""
    return np.flatnonzero((picture == colour(code)).all(axis=2).any(axis=0))


def one_curve(t_s: NDArray[np.float64], values: NDArray[np.float64], *marks: Mark, **more: Any) -> Picture:
    """A picture of a curve and nothing else."""
    panel = Panel("Power", "W", -10.0, 10.0, (Curve(GREEN, t_s, values),), marks)
    usual: dict[str, Any] = {"onset_s": None, "near": None, "notes": (), "keys": (), "facts": ()}
    return Picture(
        code="F001", severity="critical", name="n", headline="h", panels=(panel,), **(usual | more)
    )


# ------------------------------------------------------------------------------------------------ the drawing


def test_the_same_fault_gives_the_same_bytes() -> None:
    first = draw(picture(story()))
    fault_chart._font.cache_clear()
    assert draw(picture(story())) == first
    assert draw(picture(story(severity="warning"))) != first


def test_missing_samples_are_a_gap() -> None:
    values = 100.0 * np.sin(FAST_S)
    whole = columns(pixels(draw(one_curve(FAST_S, values))), GREEN)
    left, right = whole.min(), whole.max()
    assert len(whole) == right - left + 1, "a whole curve is drawn without a gap"
    gap = (FAST_S > 2.0) & (FAST_S < 6.0)
    without_value = np.where(gap, np.nan, values)
    for t_s, known in ((FAST_S, without_value), (FAST_S[~gap], values[~gap])):
        found = columns(pixels(draw(one_curve(t_s, known))), GREEN)
        begin, end = (left + (right - left) * (10.0 + at_s) / 20.0 for at_s in (2.0, 6.0))
        assert not np.any((found > begin + 6) & (found < end - 6))
        assert {found.min(), found.max()} == {left, right}
        assert len(found) < len(whole) - (end - begin) + 14


def test_samples_of_slow_channels_are_dots() -> None:
    steady = np.full(SLOW_S.size, 3.0)
    line = (pixels(draw(one_curve(FAST_S, np.full(FAST_S.size, 3.0)))) == colour(GREEN)).all(axis=2)
    dots = (pixels(draw(one_curve(SLOW_S, steady))) == colour(GREEN)).all(axis=2)
    assert dots.any(axis=1).sum() > line.any(axis=1).sum()
    alone = np.where(np.arange(SLOW_S.size) % 2, np.nan, 3.0)
    assert len(columns(pixels(draw(one_curve(SLOW_S, alone))), GREEN)) > 50, "single samples show"


def test_the_instants_are_marked_where_they_were() -> None:
    values = np.full(FAST_S.size, 5.0)
    left, right = (int(end) for end in columns(pixels(draw(one_curve(FAST_S, values))), GREEN)[[0, -1]])
    shown = pixels(draw(one_curve(FAST_S, np.full(FAST_S.size, np.nan), onset_s=-5.0)))
    below = shown[150:]  # the code's own box is red as well
    for code, at_s in ((fault_chart.FAULT, 0.0), (fault_chart.ONSET, -5.0)):
        found = (below == colour(code)).all(axis=2).sum(axis=0)
        assert abs(int(found.argmax()) - (left + (right - left) * (10.0 + at_s) / 20.0)) <= 4


def test_evidence_stands_at_its_point() -> None:
    values = np.where(FAST_S < 0.0, 0.0, 10.0)
    plainly = pixels(draw(one_curve(FAST_S, values)))
    marked = pixels(draw(one_curve(FAST_S, values, Mark("E12", 0, 5.0))))
    assert marked.shape == plainly.shape
    rows, across = np.nonzero((marked != plainly).any(axis=2))
    left, right = columns(plainly, GREEN)[[0, -1]]
    assert abs(across - (left + (right - left) * 0.75)).min() <= 1
    assert rows.max() - rows.min() < 160
    assert across.max() - across.min() < 160


def test_labels_do_not_cover_each_other() -> None:
    frame = fault_chart._Frame(128, 0, 1040, 210, -10.0, 10.0, 0.0, 1.0)
    taken: list[tuple[float, float, float]] = []
    for _ in range(4):
        place = fault_chart._free(584.0, 100.0, 40.0, frame, taken)
        assert place is not None
        taken.append((*place, 40.0))
    for number, (x, y, half) in enumerate(taken):
        assert frame.left <= x - half
        assert x + half <= frame.right
        assert frame.top <= y <= frame.bottom
        assert all(abs(x - a) >= 84 or abs(y - b) > 40 for a, b, _ in taken[:number])


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 10.0, ["0", "5", "10"]),
        (49.6, 49.72, ["49.60", "49.65", "49.70"]),
        (
            -11903.0,
            200.0,
            ["\N{MINUS SIGN}10\N{NO-BREAK SPACE}000", "\N{MINUS SIGN}5\N{NO-BREAK SPACE}000", "0"],
        ),
    ],
)
def test_axes_have_round_numbers(low: float, high: float, expected: list[str]) -> None:
    panel = Panel("", "", -1.0, 1.0, (Curve(GREEN, np.array([-0.5, 0.5]), np.array([low, high])),))
    bottom, top, ticks = fault_chart._range(panel)
    assert bottom < low < high < top
    assert [name for _, name in ticks] == expected


def test_counts_are_shown_from_zero() -> None:
    curve = Curve(GREEN, np.array([-0.5, 0.5]), np.array([116.0, 128.0]))
    low, _, ticks = fault_chart._range(Panel("", "", -1.0, 1.0, (curve,), from_zero=True))
    assert low < 0.0
    assert ticks[0][1] == "0"


@settings(max_examples=15, deadline=None)
@given(
    values=st.lists(st.floats(width=32) | st.sampled_from([1e300, -1e300, math.nan]), max_size=30),
    times=st.lists(st.floats(-1e6, 1e6) | st.just(math.nan), max_size=30),
    onset_s=st.none() | st.floats(-1e3, 1e3),
)
def test_whatever_nodes_measured_is_drawn(
    values: list[float], times: list[float], onset_s: float | None
) -> None:
    wild = Series(np.array(times, np.float64), np.array(values, np.float64))
    nodes = {"house-1": NodeRecord("house-1", "house", 1, {"inverter_power": wild, "dc_bus_voltage": wild})}
    told = story(case=replace(case(), nodes=nodes))
    assert told.report is not None
    onset = None if onset_s is None else OnsetTime(onset_s, onset_s, onset_s, "house-1", "inverter_power")
    pixels(draw(picture(replace(told, report=replace(told.report, onset=onset)))))


@settings(max_examples=20, deadline=None)
@given(name=st.text(max_size=200), code=st.text(max_size=60))
def test_whatever_nodes_are_called_is_drawn(name: str, code: str) -> None:
    shown = picture(story(code=code, names=dict.fromkeys(NAMES, name)))
    pixels(draw(replace(shown, panels=())))


def test_nothing_is_written_beyond_the_edge() -> None:
    wide = "W" * 300
    shown = Picture(
        wide,
        "info",
        wide,
        f"{wide} {wide}",
        (wide,),
        (Key(GREEN, wide, wide),),
        (),
        None,
        None,
        (("E1", wide),),
    )
    long = replace(shown, headline="word " * 100)
    for each in (shown, long):
        drawn = pixels(draw(each))
        assert (drawn[:, -20:] == 255).all()
        assert len(drawn) < 1000, "a text has its number of lines"


# --------------------------------------------------------------------------------------------- what is chosen


def test_the_evidence_chooses_the_panels() -> None:
    shown = picture(story())
    titles = [panel.title for panel in shown.panels]
    assert titles == [
        "AC voltage: how it began",
        "AC voltage",
        "Power of the inverters",
        "Frequency",
    ], "what was not measured is left out, what is usual fills up"
    near, whole, power, _ = shown.panels
    assert (near.start_s, near.end_s) == shown.near == pytest.approx((-0.63, 0.21))
    assert (whole.start_s, whole.end_s) == (-10.0, 10.0)
    voltage, trip = EVIDENCE[1].id, EVIDENCE[2].id
    assert [mark.label for mark in near.marks] == [voltage]
    assert whole.marks == ()
    assert [(mark.label, mark.t_s) for mark in power.marks] == [(trip, -0.4)]
    assert power.marks[0].curve is not None
    assert power.curves[power.marks[0].curve].colour == fault_colour("house-2", shown)
    assert [label for label, _ in shown.notes] == [each.id for each in EVIDENCE]


def fault_colour(node: str, shown: Picture) -> str:
    """Colour of a node by the legend."""
    return next(key.colour for key in shown.keys if key.name == plain(NAMES[node]))


@pytest.mark.parametrize("code", FAULTS)
def test_what_a_code_is_about_is_shown(code: str) -> None:
    """Whatever the evidence names: the quantity that passed its limit is not left out."""
    channels = (channel for one in _QUANTITIES for channel in (*one.house, *one.gateway))
    node = record("house-1", 1, **dict.fromkeys(channels, 1.0))
    told = story(
        code=code,
        case=replace(
            case(code),
            nodes={"house-1": node, "gateway-1": replace(node, node="gateway-1", kind="gateway", place=0)},
        ),
    )
    assert told.report is not None
    load = evidence("own_load_step", "house-1", "load_power")
    titles = [
        panel.title for panel in picture(replace(told, report=replace(told.report, evidence=(load,)))).panels
    ]
    own = _OF_CHANNEL[_OF_CODE[code][0]].title
    assert own in titles or own == "Messages heard on the bus"


def test_the_legend_says_who_is_who() -> None:
    shown = picture(story())
    assert [(key.name, key.note) for key in shown.keys] == [
        ("Müller", "reported it"),
        ("Łukasz & Ewa", "began here"),
        ("Gateway South", ""),
        ("No. 3", "no recording"),
        ("Swarm", ""),
    ]
    assert len({key.colour for key in shown.keys}) == 5
    alone = replace(case(), nodes={"house-2": case().nodes["house-2"]})
    assert fault_colour("house-2", picture(story(case=alone))) == fault_colour("house-2", shown)


def test_the_cell_that_it_is_about_stands_out() -> None:
    cells = {f"cell_voltage_{n}": Series(SLOW_S, np.full(SLOW_S.size, 3.2 + n / 1e3)) for n in range(1, 17)}
    told = story(
        code="F015",
        case=replace(
            case("F015"), nodes={n: NodeRecord(n, "house", 1, cells) for n in ("house-1", "house-2")}
        ),
    )
    assert told.report is not None
    about = evidence("cell_apart", "house-1", "cell_voltage_7", value=-202.0)
    panel = picture(replace(told, report=replace(told.report, evidence=(about,)))).panels[0]
    assert panel.title == "Cells of the battery"
    assert [curve.strong for curve in panel.curves] == [number == 7 for number in range(1, 17)]
    assert panel.marks[0].curve == 6


def test_silence_on_the_bus_is_shown() -> None:
    first = MESSAGES["Frequency"].identifier + 1
    t_s = FAST_S
    heard = np.concatenate([t_s, t_s[(t_s < -2.0) | (t_s > 3.0)]])
    identifier = np.concatenate([np.full(t_s.size, first), np.full(heard.size - t_s.size, first + 1)])
    order = np.argsort(heard, kind="stable")
    traffic = CanTraffic(
        heard[order],
        identifier[order].astype(np.uint16),
        np.zeros((heard.size, 8), np.uint8),
        np.full(heard.size, 8, np.uint8),
    )
    told = story(code="F030", case=replace(case("F030"), traffic=traffic), report=None, cause=None)
    panel = picture(told).panels[0]
    assert panel.title == "Messages heard on the bus"
    second = panel.curves[2]
    assert np.median(panel.curves[1].values) == pytest.approx(100.0, rel=0.05)
    silent = (second.t_s > -1.7) & (second.t_s < 2.7)
    assert second.values[silent].tolist() == [0.0] * int(silent.sum())


def test_without_recordings_or_verdict_it_says_so() -> None:
    shown = picture(story(case=None, report=None, cause=None))
    assert shown.panels == ()
    assert shown.headline == "The cause has not been looked for yet"
    assert draw(shown) != draw(replace(shown, headline="x"))
    assert cause_words(story(cause=UNDETERMINED)) == "The measurements do not decide what caused this"


def test_words() -> None:
    told = story()
    assert told.report is not None
    assert cause_words(told) == CAUSES["F001.neighbour_trip"].meaning
    assert origin_words(told) == "Began at Łukasz & Ewa, 420 ms before the fault; reported by Müller"
    own = replace(told.report, origin=Origin("house-1", 0.9, ""), onset=None)
    assert origin_words(replace(told, report=own)) == "Began at Müller itself"
    unknown = replace(told.report, origin=Origin("house-1", 0.4, ""))
    assert origin_words(replace(told, report=unknown)) == "Reported by Müller"
    outside = replace(told.report, origin=Origin(OUTSIDE, 0.9, ""), onset=None)
    assert origin_words(replace(told, report=outside)).startswith("Began in the swarm beyond the gateway;")
    assert evidence_words(told, EVIDENCE[2]).startswith("Łukasz & Ewa: power that a neighbour's inverter")
    assert evidence_words(told, EVIDENCE[2]).endswith("1\N{NO-BREAK SPACE}830 W")
    assert [figure(x) for x in (0.0, -0.0001, 0.4567, 41.55, -1830.4, math.nan)] == [
        "0", "0", "0.457", "41.5", "\N{MINUS SIGN}1\N{NO-BREAK SPACE}830", "unknown"
    ]  # fmt: skip
    assert [certainty(x) for x in (0.0, 0.5, 1.0)] == ["less than 1 %", "50 %", "more than 99 %"]
    assert [since(x) for x in (0.0, -0.02, 1.5, -12.34)] == [
        "with the fault", "20 ms before the fault", "1.50 s after the fault", "12.3 s before the fault"
    ]  # fmt: skip


# --------------------------------------------------------------------------------------------------- the page


class Tags(HTMLParser):
    """Takes a page apart."""

    def __init__(self, text: str) -> None:
        """Read it."""
        super().__init__()
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()

    @override
    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(name for name, _ in attrs)))

    @override
    def handle_data(self, data: str) -> None:
        self.texts.append(data)


PNG = b"\x89PNG\r\n\x1a\nnot looked into"


def words_of_a_model(told: Story, cause: str) -> Story:
    """The story with an explanation that passed the check."""
    assert told.report is not None
    answers = replace(told.report.answers, why="The model's <b>why</b>.", how_did_it_spread="By wire.")
    said = replace(
        by_engine(told.report, Outcome.EXPLAINED, ""),
        model_cause=cause,
        answers=answers,
        cited=("E3", "T1"),
        model="some-model",
    )
    return replace(told, cause=cause, explanation=said)


def test_words_of_a_model_are_marked_and_stand_beside_the_engines() -> None:
    told = story()
    assert told.report is not None and told.cause is not None
    agreed = " ".join(Tags(page(words_of_a_model(told, told.cause), PNG)).texts)
    for said in (
        "In the words of a language model",
        "Written by some-model",
        "It agrees with the engine",
        "The model's <b>why</b>.",
        "It relied on E3, T1.",
        told.report.answers.why,  # the engine's own words stay
    ):
        assert said in agreed, said
    other = "F001.droop_mismatch"
    both = " ".join(Tags(page(words_of_a_model(told, other), PNG)).texts)
    assert f"{CAUSES[told.cause].meaning} ({told.cause})" in both
    assert f"The model's: {CAUSES[other].meaning} ({other})" in both
    assert all(check in both for check in CAUSES[other].checks)
    alone = replace(told, explanation=by_engine(told.report, Outcome.BUDGET, "the budget is spent"))
    for without in (told, alone):
        assert "language model" not in page(without, PNG)


@pytest.mark.parametrize("language", ["de", "pl-PL"])
def test_page_and_chart_speak_the_users_language(language: str) -> None:
    told = story(language=language)
    assert told.cause is not None
    text = " ".join(Tags(page(told, PNG)).texts)
    name = condition("F001").text(language)
    assert f'<html lang="{language[:2]}">' in page(told, PNG)
    for said in (meaning(told.cause, language), name.name, name.description, *checks(told.cause, language)):
        assert said in text, said
    drawn = fault_story.picture(told)
    assert (drawn.name, drawn.headline) == (name.name, meaning(told.cause, language))
    assert pixels(fault_chart.draw(drawn)).size
    unknown = replace(told, cause=None, report=None)
    assert fault_story.cause_words(unknown) == not_yet(language)
    assert name.advice in " ".join(Tags(page(unknown, PNG)).texts)


def test_the_page_has_all_that_is_known() -> None:
    told = story()
    assert told.report is not None
    found = Tags(page(told, PNG))
    text = " ".join(found.texts)
    for said in (
        CAUSES["F001.neighbour_trip"].meaning,
        "Łukasz & Ewa",
        "87 %",
        "2026-11-21 22:04:31",
        EVIDENCE[2].id,
        "1\N{NO-BREAK SPACE}830 W",
        "41.5",
        "Fan replaced.",
        "complete",
        "north.1:1",
        *checks("F001.neighbour_trip", "en"),
    ):
        assert said in text, said
    assert not {tag for tag, _ in found.tags} & {"script", "link", "iframe", "form", "a"}
    assert re.findall(r"(?:src|href)=\"(.{0,22})", page(story(), PNG)) == ["data:image/png;base64,"]


def test_the_page_does_without_a_report() -> None:
    text = page(story(report=None, case=None, cause=None, notes=(), recordings=(), values={}), PNG)
    assert "has not been looked for yet" in text
    assert "<table" not in text


HOSTILE = st.sampled_from(
    [
        '"><script>alert(1)</script>',
        "</style><img src=x onerror=alert(1)>",
        "' onload='x",
        "{0}{__class__}",
        "&lt;",
    ]
) | st.text(min_size=1, max_size=60)


@settings(max_examples=60, deadline=None)
@given(name=HOSTILE, note=HOSTILE, value=HOSTILE, identity=HOSTILE)
def test_no_text_becomes_markup(name: str, note: str, value: str, identity: str) -> None:
    """Whatever stands in names, notes and readings: the tags and attributes stay the same."""

    def told(name: str, note: str, value: str, identity: str) -> Tags:
        return Tags(
            page(
                story(
                    event_id=identity,
                    names=dict.fromkeys(NAMES, name),
                    notes=[Note(datetime(2026, 11, 22, tzinfo=UTC), identity, note)],
                    values={value: value},
                    recordings=[Recording(identity, value, value, 1)],
                ),
                PNG,
            )
        )

    found = told(name, note, value, identity)
    assert found.tags == told("a", "a", "a", "a").tags
    assert any(plain(note).strip() in text for text in found.texts)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
)
FIELDS = st.fixed_dictionaries(
    {}, optional=dict.fromkeys(("outcome", "reason", "answers", "usage", "actions", "cited", "model"), PLAIN)
)


@given((PLAIN | FIELDS).map(json.dumps) | st.text(max_size=20))
def test_a_stored_explanation_of_another_version_is_left_out(stored: str) -> None:
    analysis = Analysis("1.1", UNDETERMINED, None, 0.0, "", "", "null", 1, stored)
    assert explanation_of(analysis) is None
