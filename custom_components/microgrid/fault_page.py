"""The report of a fault as one HTML file, fit to print: first for the owner of the house, then the engineer.

Every value is escaped on its way into the page: names come from devices, notes from users.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from html import escape
from string.templatelib import Template
from typing import Final

from .core.contract.faults import condition
from .core.diagnosis.cause_texts import checks, language_of, meaning
from .core.diagnosis.causes import CAUSES, UNDETERMINED
from .core.diagnosis.evidence import BY_ID
from .core.diagnosis.report import Report
from .fault_chart import SEVERITIES, plain
from .fault_story import (
    Story,
    cause_words,
    certainty,
    certainty_words,
    figure,
    origin_words,
    since,
    when_words,
)

__all__ = ["CONTENT_SECURITY_POLICY", "page"]

CONTENT_SECURITY_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
"""What the page needs, and nothing that a name could smuggle in."""


class _Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def _html(template: Template) -> _Markup:
    """Put values into a template, escaped unless they are markup."""
    parts = []
    for item in template:
        if isinstance(item, str):
            parts.append(item)
        elif isinstance(item.value, _Markup):
            parts.append(item.value)
        else:
            parts.append(escape(plain(format(item.value, item.format_spec))))
    return _Markup("".join(parts))


def _join(pieces: Iterable[_Markup]) -> _Markup:
    return _Markup("\n".join(piece for piece in pieces if piece))


_NOTHING: Final = _Markup()
_STYLE: Final = _Markup("""
:root { color-scheme: light; }
body { margin: 0 auto; padding: 1.2rem; max-width: 52rem; color: #1b2530; background: #fff;
  font: 16px/1.5 Roboto, "Segoe UI", "Noto Sans", Arial, sans-serif; overflow-wrap: break-word; }
.wide { overflow-x: auto; }
caption { text-align: left; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: .6rem 0; }
h2 { font-size: 1.2rem; margin: 2rem 0 .4rem; padding-bottom: .2rem; border-bottom: 2px solid #e3e8ec; }
.code { display: inline-block; color: #fff; font-weight: bold; padding: .1rem .7rem; border-radius: .4rem; }
.soft, caption, th { color: #5a6672; }
.soft { margin: .2rem 0; }
img { display: block; width: 100%; max-width: 34rem; margin: 1rem auto; border: 1px solid #e3e8ec; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem .3rem 0;
  border-bottom: 1px solid #e3e8ec; }
.n { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { height: .7rem; border-radius: .35rem; background: #0b7fb0; }
.bars td:last-child { width: 40%; }
.model { margin-top: 2rem; padding: 0 1rem; border-left: .4rem solid #b9a6d9; background: #f7f4fb; }
dt { font-weight: bold; margin-top: .7rem; } dd { margin: 0; }
@page { size: A4; margin: 16mm; }
@media print {
  body { padding: 0; max-width: none; font-size: 11pt;
    print-color-adjust: exact; -webkit-print-color-adjust: exact; }
  h2, caption { break-after: avoid; } tr, dd, li { break-inside: avoid; }
  img { max-height: 245mm; width: auto; max-width: 100%; break-inside: avoid; }
}
""")


def page(story: Story, chart: bytes) -> str:
    """Return the report; `chart` is a PNG."""
    known = condition(story.code).text(story.language)
    colour = SEVERITIES.get(story.severity, "#5a6672")
    report = story.report
    body = _join(
        (
            _html(t'<p><span class="code" style="background: {colour}">{story.code}</span> {known.name}</p>'),
            _html(t"<h1>{cause_words(story)}</h1>"),
            _html(t'<p class="soft">{origin_words(story)}.</p>'),
            _html(t'<p class="soft">{_line(certainty_words(story), when_words(story))}</p>'),
            _html(t"<h2>What happened</h2><p>{story.name(story.node)}: {known.description}</p>"),
            _to_do(story, known.advice),
            _picture(chart),
            _NOTHING if report is None else _answers(report),
            _in_models_words(story),
            _NOTHING if report is None else _evidence(story, report),
            _NOTHING if report is None else _candidates(story, report),
            _NOTHING if report is None else _way(story, report),
            _readings(story),
            _recordings(story),
            _notes(story),
            _made(story),
        )
    )
    title = f"{story.code} {known.name}: {story.name(story.node)}"
    return _html(t"""<!DOCTYPE html>
<html lang="{language_of(story.language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{CONTENT_SECURITY_POLICY}">
<title>{title}</title>
<style>{_STYLE}</style>
</head>
<body>
{body}
</body>
</html>
""")


def _line(*parts: str) -> str:
    return " · ".join(part for part in parts if part)


def _to_do(story: Story, advice: str) -> _Markup:
    actions = checks(story.cause or UNDETERMINED, story.language) if story.report is not None else ()
    actions = actions or (advice,)
    items = _join(_html(t"<li>{action}</li>") for action in actions)
    return _html(t"<h2>What to do</h2><ol>{items}</ol>")


def _picture(chart: bytes) -> _Markup:
    image = _Markup(b64encode(chart).decode("ascii"))
    return _html(
        t"<h2>The seconds around it</h2>"
        t'<img alt="Curves of the measurements around the fault" src="data:image/png;base64,{image}">'
    )


def _answers(report: Report) -> _Markup:
    said = report.answers
    rows = (
        ("Where did it begin?", said.where_did_it_begin),
        ("Why?", said.why),
        ("How did it spread?", said.how_did_it_spread),
        ("Has it happened before?", said.has_it_happened_before),
    )
    items = _join(_html(t"<dt>{question}</dt><dd>{answer}</dd>") for question, answer in rows)
    return _html(t"<h2>In detail</h2><dl>{items}</dl>")


def _evidence(story: Story, report: Report) -> _Markup:
    if not report.evidence:
        return _NOTHING
    rows = []
    for each in report.evidence:
        kind = BY_ID[each.id]
        usual = "" if each.baseline is None else _amount(each.baseline, kind.unit)
        when = since(each.t_s) if each.t_s else ""
        rows.append(
            _html(
                t"<tr><td>{each.id}</td><td>{kind.meaning}</td><td>{story.name(each.node)}</td>"
                t'<td class="n">{_amount(each.value, kind.unit)}</td><td class="n">{usual}</td>'
                t'<td>{when}</td><td class="n">{_signed(each.weight)}</td></tr>'
            )
        )
    return _table(
        "Evidence",
        "The last column is the natural logarithm of the odds for the verdict against the next cause.",
        ("", "Measured", "At", "Value", "Usual", "When", "Weight"),
        rows,
    )


def _in_models_words(story: Story) -> _Markup:
    """Return what a language model made of the finding, marked as such, beside the verdict of the engine."""
    said = story.explanation
    if said is None or not said.in_models_words or said.model_cause is None:
        return _NOTHING
    words = said.answers
    rows = (
        ("What happened?", words.what_happened),
        ("Where did it begin?", words.where_did_it_begin),
        ("Why?", words.why),
        ("How did it spread?", words.how_did_it_spread),
    )
    items = _join(_html(t"<dt>{question}</dt><dd>{answer}</dd>") for question, answer in rows)
    engine, model = (_meaning(story, cause) for cause in (said.engine_cause, said.model_cause))
    verdicts = (
        _html(t"<p>It agrees with the engine: {engine} ({said.engine_cause}).</p>")
        if said.engine_cause == said.model_cause
        else _html(
            t"<p>The measurements leave more than one cause open. The engine's verdict: {engine} "
            t"({said.engine_cause}). The model's: {model} ({said.model_cause}); this one is shown above.</p>"
        )
    )
    cited = ", ".join(said.cited)
    return _html(
        t'<section class="model"><h2>In the words of a language model</h2>'
        t'<p class="soft">Written by {said.model} from the evidence of the engine. Its numbers were checked '
        t"against the measurements, its other words were not: the evidence is the finding.</p>"
        t'{verdicts}<dl>{items}</dl><p class="soft">It relied on {cited}.</p></section>'
    )


def _candidates(story: Story, report: Report) -> _Markup:
    rows = [
        _html(
            t"<tr><td>{each.cause}</td><td>{_meaning(story, each.cause)}</td><td class="
            t'"n">{certainty(each.posterior)}</td>'
            t'<td><div class="bar" style="width: {max(100 * each.posterior, 0.5):.1f}%"></div></td></tr>'
        )
        for each in report.candidates
        if each.posterior >= 0.005
    ]
    return _table("How likely each cause is", "", ("Cause", "Meaning", "", ""), rows, "bars")


def _way(story: Story, report: Report) -> _Markup:
    rows = [
        _html(
            t"<tr><td>{story.name(link.source)}</td><td>{story.name(link.target)}</td>"
            t"<td>{_yes(link.structural)}</td><td>{_yes(link.statistical)}</td><td>{_yes(link.temporal)}</td></tr>"
        )
        for link in report.links
    ]
    return _table("How it spread", "", ("From", "To", "Joined", "Both deviate", "Order fits"), rows)


def _readings(story: Story) -> _Markup:
    rows = [
        _html(t'<tr><td>{key}</td><td class="n">{_value(value)}</td></tr>')
        for key, value in story.values.items()
    ]
    return _table("What the node measured when it told the fault", "", ("Reading", "Value"), rows)


def _recordings(story: Story) -> _Markup:
    rows = [
        _html(
            t"<tr><td>{story.name(one.node)}</td><td>{one.node}</td><td>{one.part}</td><td>{one.state}</td>"
            t'<td class="n">{one.bytes or ""}</td></tr>'
        )
        for one in story.recordings
    ]
    return _table("Recordings", "", ("Node", "ID", "Part", "State", "Bytes"), rows)


def _notes(story: Story) -> _Markup:
    rows = [
        _html(
            t"<tr><td>{one.time:%Y-%m-%d %H:%M}</td>"
            t"<td>{_meaning(story, one.cause or '')}</td><td>{one.text}</td></tr>"
        )
        for one in story.notes
    ]
    return _table("What operators found", "", ("Time", "True cause", "Note"), rows)


def _made(story: Story) -> _Markup:
    engine = "" if story.report is None else f"engine {story.report.engine_version}"
    mark = "" if story.report is None else f"signs {story.report.fingerprint}"
    when = "" if story.analyzed is None else f"analyzed {story.analyzed:%Y-%m-%d %H:%M:%S}"
    return _html(t'<p class="soft">{_line(f"Event {story.event_id}", when, engine, mark)}</p>')


def _table(title: str, caption: str, heads: Iterable[str], rows: list[_Markup], kind: str = "") -> _Markup:
    if not rows:
        return _NOTHING
    head = _join(_html(t"<th>{each}</th>") for each in heads)
    said = _html(t"<caption>{caption}</caption>") if caption else _NOTHING
    return _html(
        t'<h2>{title}</h2><div class="wide"><table class="{kind}">{said}<thead><tr>{head}</tr></thead>'
        t"<tbody>{_join(rows)}</tbody></table></div>"
    )


def _meaning(story: Story, cause: str) -> str:
    return meaning(cause, story.language) if cause in CAUSES else cause


def _amount(value: float, unit: str) -> str:
    return f"{figure(value)} {unit}".rstrip()


def _signed(value: float) -> str:
    return f"{'+' if value > 0 else ''}{figure(value)}"


def _value(value: object) -> str:
    if value is None:
        return "unknown"
    return figure(value) if isinstance(value, float) else str(value)


def _yes(flag: bool) -> str:
    return "yes" if flag else "no"
