"""A comparison as one HTML file: pictures inside, no script, nothing from elsewhere."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from html import escape

from ..fronts.contest import Contest, Duel, summary_of
from ..html_table import html_table
from ..version import __version__
from .axis import plain_number
from .style import style

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
SUMMARY_COLUMNS = (
    "algorithm",
    "runs",
    "hypervolume",
    "worst",
    "best",
    "on test",
    "IGD+",
    "evaluations",
    "seconds",
)
CAPTIONS = {
    "hypervolume-over-evaluations.png": (
        "Over evaluations: the line is the median of the seeds, the band reaches from the worst to "
        "the best."
    ),
    "hypervolume-over-time.png": "The same over wall time.",
    "hypervolume-by-algorithm.png": (
        "Each dot is a run. How far the hollow dots lie to the left of the filled ones is how far "
        "the search has fitted its split."
    ),
}


def compare_page(contest: Contest, plots: Mapping[str, bytes]) -> str:
    """The whole page.

    Args:
        contest: the result.
        plots: PNG files by name, see `compare_plots.plots_of`.
    """
    parts = [
        "<!DOCTYPE html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<title>encas comparison</title>",
        f"<style>{style('theme', 'page')} img {{ width: 100%; height: auto; }}</style>",
        "</head><body><main>",
        *_header(contest),
        *(part for name, png in plots.items() for part in _picture(name, png)),
        "<h2>Paired tests</h2>",
        *_duels(contest.duels, contest.pool),
        *_duels(contest.tested_duels, contest.test or ""),
        f"<footer><p>Made by encas {escape(__version__)}.</p></footer>",
        "</main></body></html>",
    ]
    return "\n".join(parts) + "\n"


def summary_rows(contest: Contest) -> list[tuple[str, ...]]:
    """One row for each algorithm, the best median first; the columns are `SUMMARY_COLUMNS`."""
    summaries = {name: summary_of(scores) for name, scores in contest.scores.items()}
    order = sorted(summaries, key=lambda name: -(summaries[name]["hypervolume_median"] or 0))
    return [
        (
            name,
            str(len(contest.scores[name])),
            *(_cell(summaries[name][key], text) for key, text in _FORMATS.items()),
        )
        for name in order
    ]


_FORMATS = {
    "hypervolume_median": "{:.5f}",
    "hypervolume_worst": "{:.5f}",
    "hypervolume_best": "{:.5f}",
    "tested_median": "{:.5f}",
    "igd_plus_median": "{:.5f}",
    "evaluations_median": "{:,.0f}",
    "seconds_median": "{:.2f}",
}


def _header(contest: Contest) -> Iterator[str]:
    error, cost = contest.reference
    yield "<header><h1>Search algorithms, compared</h1>"
    text = (
        f"On {contest.pool}. Hypervolume is the share of the box up to an error of "
        f"{plain_number(error)} and a cost of {plain_number(cost)} that a front dominates; medians "
        "over the seeds."
    )
    if contest.exact is not None:
        text += f" The exact front has {contest.exact:.5f}."
    if contest.test is not None:
        text += f" On test: the same cascades on {contest.test}, which no search has seen."
    yield f'<p class="soft">{escape(text)}</p></header>'
    yield from html_table(SUMMARY_COLUMNS, summary_rows(contest))


def _picture(name: str, png: bytes) -> Iterator[str]:
    data = b64encode(png).decode()
    caption = escape(CAPTIONS[name])
    yield f'<figure><img alt="{caption}" src="data:image/png;base64,{data}">'
    yield f"<figcaption>{caption}</figcaption></figure>"


def _duels(duels: Sequence[Duel], pool: str) -> Iterator[str]:
    if not duels:
        return
    yield (
        f'<p class="soft">{escape(pool)}: Wilcoxon signed-rank tests of the first against the '
        "second algorithm, paired by seed.</p>"
    )
    rows = [
        (
            f"{duel.first} against {duel.second}",
            str(duel.n_pairs),
            f"{duel.median_difference:+.5f}",
            f"{duel.p_greater:.2g}",
            f"{duel.p_two_sided:.2g}",
        )
        for duel in duels
    ]
    yield from html_table(("", "pairs", "median difference", "p (better)", "p (two-sided)"), rows)


def _cell(value: float | None, text: str) -> str:
    return "" if value is None else text.format(value)
