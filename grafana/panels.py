"""The kinds of panels that the boards are made of; all that they have in common is decided here."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from grafana_foundation_sdk.builders import (
    bargauge,
    common as parts,
    dashboard,
    gauge,
    stat,
    statetimeline,
    table,
    timeseries,
)
from grafana_foundation_sdk.models import common, dashboard as models

from . import influxql, normal, theme
from .influxql import SOURCE, Query
from .store import Field
from .units import COUNT, UNITS, Unit

Panel = Any
"""A builder of the SDK: each visualisation has a class of its own, without a common base."""

_BRIDGED_MS = 70 * 60 * 1000.0
"""Buckets without readings are bridged up to here, or the hourly tier would be dots; longer gaps are seen."""


def _begin(
    panel: Panel, title: str, what: str, unit: Unit, queries: Iterable[Query], size: tuple[int, int]
) -> Panel:
    panel.title(title).description(what).datasource(SOURCE).unit(unit.grafana).span(size[0]).height(size[1])
    if unit.decimals is not None:
        panel.decimals(unit.decimals)
    for query in influxql.lettered(queries):
        panel.with_target(query)
    return panel


def _thresholds(panel: Panel, steps: theme.Steps) -> Panel:
    found = [models.Threshold(value=value, color=color) for value, color in steps]
    panel.thresholds(dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(found))
    return panel


def _coloured(panel: Panel, queries: Iterable[Query], named: Sequence[str]) -> Panel:
    """Give series that have a meaning its colour."""
    texts = "".join(query.text for query in queries)
    for name, color in theme.SERIES.items():
        if name in named or f'AS "{name}"' in texts:
            fixed = {"mode": "fixed", "fixedColor": color}
            panel.override_by_name(name, [models.DynamicConfigValue(id_val="color", value=fixed)])
    return panel


def _by_thresholds(panel: Panel) -> Panel:
    return panel.color_scheme(dashboard.FieldColor().mode(models.FieldColorModeId.THRESHOLDS))


def chart(
    title: str,
    what: str,
    unit: Unit,
    *queries: Query,
    size: tuple[int, int] = (12, 8),
    limits: theme.Steps = (),
    soft: tuple[float, float] | None = None,
    stacked: bool = False,
    bars: bool = False,
    table_legend: bool = False,
    every: str | None = None,
    days: int = 0,
    named: Sequence[str] = (),
) -> Panel:
    """Lines over time; `limits` become dashed lines, `soft` is a scale that data may widen.

    `every` is the shortest interval, `days` a range of its own for what is of no use in hours,
    `named` series whose names stand in a variable and not in the query.
    """
    panel = _begin(timeseries.Panel(), title, what, unit, queries, size)
    panel.line_width(1).fill_opacity(0).show_points(common.VisibilityMode.NEVER)
    panel.span_nulls(_BRIDGED_MS)
    if limits:
        _thresholds(panel, _lines(limits))
        style = parts.GraphThresholdsStyleConfig().mode(common.GraphThresholdsStyleMode.DASHED)
        panel.thresholds_style(style)
    if soft is not None:
        panel.axis_soft_min(soft[0]).axis_soft_max(soft[1])
    if stacked:
        panel.fill_opacity(45).stacking(parts.StackingConfig().mode(common.StackingMode.NORMAL).group("A"))
    if bars:
        panel.draw_style(common.GraphDrawStyle.BARS).fill_opacity(80).line_width(0)
    if every is not None:
        panel.interval(every)
    if days:
        panel.time_from(f"{days}d")
    legend = parts.VizLegendOptions().show_legend(True)
    if table_legend:
        legend.display_mode(common.LegendDisplayMode.TABLE).placement(common.LegendPlacement.RIGHT)
        legend.calcs(["min", "max", "lastNotNull"])
    else:
        legend.display_mode(common.LegendDisplayMode.LIST).placement(common.LegendPlacement.BOTTOM)
    panel.legend(legend)
    panel.tooltip(
        parts.VizTooltipOptions().mode(common.TooltipDisplayMode.MULTI).sort(common.SortOrder.DESCENDING)
    )
    return _coloured(panel, queries, named)


def _lines(zones: theme.Steps) -> theme.Steps:
    """Draw each bound in the colour of the worse of the two zones that it divides."""
    bounds = [
        (bound, max(before, color, key=theme.SEVERITY.index))
        for (_, before), (bound, color) in pairwise(zones)
    ]
    return ((None, theme.CLEAR), *bounds)


def value(
    title: str,
    what: str,
    unit: Unit,
    *queries: Query,
    size: tuple[int, int] = (4, 4),
    zones: theme.Steps = ((None, theme.CALM),),
    nothing: str = "–",
) -> Panel:
    """Big numbers, the newest of each series; `nothing` is shown when there is none."""
    panel = _begin(stat.Panel(), title, what, unit, queries, size)
    panel.reduce_options(parts.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.color_mode(common.BigValueColorMode.VALUE)
    panel.graph_mode(common.BigValueGraphMode.NONE).no_value(nothing)
    return _thresholds(_by_thresholds(panel), zones)


def bars(
    title: str,
    what: str,
    unit: Unit,
    *queries: Query,
    size: tuple[int, int] = (12, 8),
    zones: theme.Steps,
    scale: tuple[float, float] | None = None,
    upright: bool = False,
) -> Panel:
    """One bar for each series, to compare nodes."""
    panel = _begin(bargauge.Panel(), title, what, unit, queries, size)
    panel.reduce_options(parts.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.display_mode(common.BarGaugeDisplayMode.BASIC)
    panel.orientation(common.VizOrientation.VERTICAL if upright else common.VizOrientation.HORIZONTAL)
    panel.show_unfilled(True).value_mode(common.BarGaugeValueMode.COLOR)
    if scale is not None:
        panel.min(scale[0]).max(scale[1])
    return _thresholds(_by_thresholds(panel), zones)


def dial(
    title: str,
    what: str,
    unit: Unit,
    *queries: Query,
    zones: theme.Steps,
    scale: tuple[float, float],
    size: tuple[int, int] = (6, 6),
) -> Panel:
    """A gauge with its safe zone marked on the rim."""
    panel = _begin(gauge.Panel(), title, what, unit, queries, size)
    panel.reduce_options(parts.ReduceDataOptions().calcs(["lastNotNull"]))
    panel.show_threshold_markers(True).show_threshold_labels(False).min(scale[0]).max(scale[1])
    return _thresholds(_by_thresholds(panel), zones)


def states(
    title: str, what: str, *queries: Query, size: tuple[int, int] = (24, 6), words: Sequence[tuple[str, str]]
) -> Panel:
    """Bands over time; `words` name and colour the values 0, 1, …."""
    panel = _begin(statetimeline.Panel(), title, what, COUNT, queries, size)
    panel.merge_values(True).show_value(common.VisibilityMode.AUTO).row_height(0.8).fill_opacity(
        70
    ).line_width(0)
    panel.span_nulls(_BRIDGED_MS)
    steps = [(None if place == 0 else place - 0.5, color) for place, (_, color) in enumerate(words)]
    # A minute in which a compressor ran for a part has a value between the words: the nearest one is shown.
    ranges = [
        models.RangeMap(
            options=models.DashboardRangeMapOptions(
                from_val=place - 0.5,
                to=place + 0.4999,
                result=models.ValueMappingResult(text=word, color=color),
            )
        )
        for place, (word, color) in enumerate(words)
    ]
    panel.mappings(ranges)
    return _thresholds(_by_thresholds(panel), tuple(steps))


def rows(
    title: str,
    what: str,
    query: Query,
    *,
    size: tuple[int, int] = (24, 8),
    unit: Unit = COUNT,
    link: tuple[str, str, str] | None = None,
    coloured: tuple[str, theme.Steps] | None = None,
) -> Panel:
    """A table; `link` is column, text and address, `coloured` a column with its zones."""
    panel = _begin(table.Panel(), title, what, unit, [query], size)
    panel.show_header(True).cell_height(common.TableCellHeight.SM).filterable(True)
    severity = [
        {"type": "value", "options": {word: {"text": word, "color": color}}}
        for word, color in (("critical", theme.BAD), ("warning", theme.WATCH), ("info", theme.CALM))
    ]
    panel.override_by_name(
        "severity",
        [
            models.DynamicConfigValue(id_val="mappings", value=severity),
            models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
        ],
    )
    if link is not None:
        column, words, address = link
        found = [{"title": words, "url": address, "targetBlank": False}]
        panel.override_by_name(column, [models.DynamicConfigValue(id_val="links", value=found)])
    if coloured is not None:
        column, zones = coloured
        steps = [{"value": bound, "color": color} for bound, color in zones]
        panel.override_by_name(
            column,
            [
                models.DynamicConfigValue(id_val="thresholds", value={"mode": "absolute", "steps": steps}),
                models.DynamicConfigValue(id_val="color", value={"mode": "thresholds"}),
                models.DynamicConfigValue(id_val="custom.cellOptions", value={"type": "color-text"}),
            ],
        )
    return panel


def within(name: str) -> str:
    """Return a name as it is written within a sentence: abbreviations stay as they are."""
    return name if name[:2].isupper() else f"{name[0].lower()}{name[1:]}"


def quantity(
    fields: Sequence[Field], *, where: str, of: str = "", by: tuple[str, ...] = (), width: int = 12
) -> Panel:
    """A chart of all fields of one quantity: a new row of a metric table appears in it by itself."""
    first, last = fields[0], fields[-1]
    unit = UNITS[first.unit]
    if first.number is not None:
        name = f"{first.label.replace(f' {first.number}', '')}s 1 … {last.number}"
    elif len(fields) == 2:
        name = f"{first.label} and {within(last.label)}"
    else:
        name = unit.quantity if len(fields) > 1 else first.label
    words, limits = normal.of([one.place.metric for one in fields])
    return chart(
        f"{of}: {within(name)}" if of else name,
        words,
        unit,
        influxql.over_time(*fields, where=where, by=by),
        size=(width, 8),
        limits=limits,
    )
