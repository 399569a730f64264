"""The page: complete, self-contained, escaped."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from encas.reports.content import report_of
from encas.reports.page import html_page

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Balance(HTMLParser):
    """Refuses tags that do not pair up, scripts, and whatever could load something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag, attrs):
        assert tag not in ("script", "img", "link", "iframe", "object")
        assert not {"src", "href", "onclick", "onload"} & {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        assert tag in ("line", "circle", "path", "rect")

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def _text(page: str) -> str:
    parser = Balance()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return " ".join(parser.text)


@pytest.fixture
def full(front, latency_front, tiny_pool, manifest, profile) -> str:
    return html_page(
        report_of([front, latency_front], pools=[tiny_pool], bundles=[manifest], profile=profile)
    )


def test_page_of_a_front_alone_is_well_formed(front):
    text = _text(html_page(report_of([front])))
    assert "Accuracy against expected MACs per sample" in text
    assert "Predicted against measured" not in text


def test_page_shows_what_was_chosen_and_what_was_measured(full):
    text = _text(full)
    assert "cascade c7, stage by stage" in text
    assert "answers above a confidence of 0.5" in text
    assert "answers all that is left" in text
    assert "run by 50 %, answers 50 %" in text
    assert "Predicted against measured latency" in text
    assert "+10.0 %" in text
    assert "Measured on A <fast> processor, CPUExecutionProvider, 2 threads per session" in text
    assert "seed 1" in text


def test_page_draws_one_chart_for_each_objective(full):
    assert full.count("<svg") == 2


def test_page_loads_nothing_from_elsewhere(full):
    assert "default-src 'none'" in full
    addresses = set(re.findall(r"https?://[^\"' ]+", full))
    assert addresses == {"http://www.w3.org/2000/svg"}


def test_page_escapes_every_name_from_a_file(front, tiny_pool, manifest):
    bad = "<img src=x onerror=alert(1)>"
    page = html_page(
        report_of(
            [replace(front, pool=replace(front.pool, name=bad), search={bad: bad})],
            pools=[replace(tiny_pool, name=bad)],
            bundles=[replace(manifest, name=bad)],
        )
    )
    assert "<img" not in page
    assert bad in _text(page)


def test_page_twice_is_the_same_page(front):
    assert html_page(report_of([front])) == html_page(report_of([front]))
