"""`encas report`; what a page says is tested in its room."""

import pytest


def test_report_of_fronts_pools_and_bundles_is_one_page(encas, loop, bundles, tmp_path):
    out = tmp_path / "report.html"
    call = ("report", loop.front, loop.front, "--out", out)
    ran = encas(*call, "--pool", loop.pool, "--bundle", bundles / "two", "--json")
    assert ran.code == 0, ran.err
    assert ran.json == {"path": str(out)}
    page = out.read_text("utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert "medium" in page
    assert encas(*call).out == f"{out}: a report of 2 fronts\n"


def test_report_by_its_ending_is_a_picture(encas, loop, tmp_path):
    assert encas("report", loop.front, "--out", tmp_path / "front.svg").code == 0
    assert "<svg" in (tmp_path / "front.svg").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "code", "fault"),
    [
        (("--out", "r.html"), 2, "Missing argument 'FRONT.json...'"),
        (("front.json",), 2, "Missing option '--out'"),
        (("none.json", "--out", "r.html"), 1, "none.json"),
        (("front.json", "--out", "r.html", "--profile", "none.json"), 1, "none.json"),
    ],
)
def test_bad_input_is_one_line_and_no_page(encas, loop, tmp_path, words, code, fault):
    ran = encas("report", *words)
    assert (ran.code, fault in ran.err) == (code, True), ran.err
    assert not (tmp_path / "r.html").exists()
