"""A report as one HTML file: no script, nothing from elsewhere, every text escaped."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from ..fronts.front import Front
from ..fronts.front_labels import cost_label
from ..fronts.selection import cost_text
from ..html_table import html_table
from ..version import __version__
from .axis import percent, plain_number
from .comparison import Contender
from .content import Report
from .figure import Figure, cascade_text
from .style import style
from .svg import draw

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
OPEN_ROWS = 12


def html_page(report: Report) -> str:
    """The whole page."""
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>encas report</title>",
        f"<style>{style('theme', 'chart', 'page')}</style></head><body><main>",
        *_header(report),
        *(part for figure in report.figures for part in _figure(figure)),
        *(part for chosen in report.chosen for part in _stages(chosen)),
        *_latency(report),
        *_fronts(report.fronts),
        *_footer(report),
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def _header(report: Report) -> Iterator[str]:
    yield "<header><h1>Cascades against single models</h1>"
    for front in report.fronts[:1]:
        yield (
            f'<p class="soft">Found on {escape(_searched_on(front))}: '
            f"{len(front.cascades)} cascades, {front.pool.n_classes} classes.</p>"
        )
    yield "</header>"
    for text in report.verdicts:
        yield f"<p>{escape(text)}</p>"
    if report.table:
        header, *rows = report.table
        yield from html_table(header, rows)


def _figure(figure: Figure) -> Iterator[str]:
    yield f"<h2>{escape(figure.heading)}</h2>"
    yield f"<figure>{draw(figure.chart)}<figcaption>{escape(figure.caption)}</figcaption></figure>"


def _stages(chosen: Contender) -> Iterator[str]:
    yield f"<h2>The {escape(chosen.name)}, stage by stage</h2>"
    if chosen.splits:
        split = chosen.splits[-1]
        yield (
            f'<p class="soft">Shares of the {split.n_samples} samples of {escape(split.name)}: '
            "the bar shows who reaches a stage, its coloured part who is answered there.</p>"
        )
    yield '<ol class="stages">'
    rules = [f"answers above a confidence of {t:g}" for t in chosen.cascade.thresholds]
    for j, rule in enumerate([*rules, "answers all that is left"]):
        name = escape(chosen.cascade.members[j])
        yield f'<li><div><div class="stage-name">{j + 1}. {name}</div>'
        yield f'<div class="stage-rule">{rule}</div></div>'
        if chosen.splits:
            yield _shares(chosen.splits[-1].reach[j], chosen.splits[-1].exit_shares[j])
        yield "</li>"
    yield "</ol>"


def _shares(reach: float, leaves: float) -> str:
    return (
        f'<div><div class="stage-rule">run by {percent(reach)}, answers {percent(leaves)}</div>'
        f'<div class="shares"><i style="width:{100 * reach:.2f}%"></i>'
        f'<i class="leaves" style="width:{100 * leaves:.2f}%"></i></div></div>'
    )


def _latency(report: Report) -> Iterator[str]:
    rows = [
        (
            chosen.name,
            str(one.batch_size),
            f"{one.predicted_ms:.4f} ms",
            f"{one.mean_ms:.4f} ms",
            f"{100 * (one.predicted_ms / one.mean_ms - 1):+.1f} %",
            f"{one.p50_ms:.4f} ms",
        )
        for chosen in report.chosen
        for one in chosen.latencies
        if one.predicted_ms is not None
    ]
    if not rows:
        return
    yield "<h2>Predicted against measured latency</h2>"
    yield (
        '<p class="soft">Predicted from the times of the members alone and the shares that run '
        "them; measured is the whole cascade, one batch after the other.</p>"
    )
    columns = ("cascade", "batch size", "predicted", "measured (mean)", "error", "median batch")
    yield from html_table(columns, rows)


def _fronts(fronts: Sequence[Front]) -> Iterator[str]:
    if not fronts:
        return
    yield "<h2>The fronts</h2>"
    for front in fronts:
        is_open = " open" if len(front.cascades) <= OPEN_ROWS else ""
        title = f"{front.pool.name}: {len(front.cascades)} cascades by {cost_label(front)}"
        yield f"<details{is_open}><summary>{escape(title)}</summary>"
        rows = [
            (
                str(index),
                percent(scored.accuracy),
                cost_text(scored.cost, front.objectives[1]),
                cascade_text(scored.cascade.members, scored.cascade.thresholds),
                ", ".join(percent(share) for share in scored.reach),
            )
            for index, scored in enumerate(front.cascades)
        ]
        columns = ("index", "accuracy", "cost", "members (threshold)", "run by")
        yield from html_table(columns, rows, text_columns=(3, 4))
        yield "</details>"


def _footer(report: Report) -> Iterator[str]:
    yield "<footer>"
    for front in report.fronts:
        facts = [
            f"{key} {plain_number(value) if isinstance(value, float) else value}"
            for key, value in front.search.items()
            if isinstance(value, (str, int, float))
        ]
        text = f"Front on {front.pool.name}: {', '.join(facts)}."
        yield f"<p>{escape(text)}</p>"
    if report.setting:
        setting = report.setting
        versions = ", ".join(f"{name} {number}" for name, number in setting.versions.items())
        where = f"{setting.device_name or setting.device}, {setting.provider}"
        text = f"Measured on {where}, {setting.n_threads} threads per session, {versions}."
        yield f"<p>{escape(text)}</p>"
    yield f"<p>Made by encas {escape(__version__)}.</p></footer>"


def _searched_on(front: Front) -> str:
    return str(front.search.get("searched_on", front.pool.name))
