"""The page of a comparison: every number, escaped, and nothing from elsewhere."""

from base64 import b64encode
from dataclasses import replace

import pytest

from encas.reports.contest_page import CAPTIONS, SUMMARY_COLUMNS, compare_page, summary_rows

PLOTS = {name: name.encode() for name in CAPTIONS}


def test_summary_has_a_row_for_each_algorithm_the_best_first(contest):
    assert summary_rows(contest) == [
        ("sweep", "1", "0.75000", "0.75000", "0.75000", "", "", "1,000", "2.50"),
        ("random", "3", "0.50000", "0.40000", "0.60000", "0.45000", "", "1,000", "2.50"),
    ]
    assert len(SUMMARY_COLUMNS) == 9


def test_page_says_what_was_compared(contest):
    page = compare_page(contest, PLOTS)
    assert page.startswith("<!DOCTYPE html>\n")
    assert page.endswith("</main></body></html>\n")
    for text in (
        "On a &lt;search&gt; pool. Hypervolume is the share of the box up to an error of 1 and",
        "The exact front has 0.80000.",
        "On test: the same cascades on held out, which no search has seen.",
        "a &lt;search&gt; pool: Wilcoxon signed-rank tests",
        "<td>+0.25000</td><td>0.12</td><td>0.25</td>",
    ):
        assert text in page
    assert "<search>" not in page


def test_page_without_a_test_split_and_an_exact_front_leaves_them_out(contest):
    page = compare_page(replace(contest, test=None, exact=None, duels=()), PLOTS)
    assert not any(text in page for text in ("The exact front", "On test:", "Wilcoxon"))


def test_page_of_tests_on_the_other_split_names_it(contest):
    page = compare_page(replace(contest, tested_duels=contest.duels), PLOTS)
    assert page.count("Wilcoxon signed-rank tests") == 2
    assert "held out: Wilcoxon" in page


def test_page_holds_its_pictures_itself(contest):
    page = compare_page(contest, PLOTS)
    for name, png in PLOTS.items():
        assert f'src="data:image/png;base64,{b64encode(png).decode()}"' in page
        assert f"<figcaption>{CAPTIONS[name]}</figcaption>" in page
    assert page.count("<img ") == page.count("src=") == 3
    assert "default-src 'none'" in page
    assert not any(word in page for word in ("<script", "http:", "https:"))


def test_page_of_a_picture_that_nobody_knows_is_refused(contest):
    with pytest.raises(KeyError, match="new.png"):
        compare_page(contest, {"new.png": b""})
