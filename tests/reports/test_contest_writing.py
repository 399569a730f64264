import json

import pytest

from encas.reports import contest_plots
from encas.reports.contest_page import CAPTIONS, compare_page
from encas.reports.contest_writing import write_contest


@pytest.fixture(autouse=True)
def coarse(monkeypatch):
    monkeypatch.setattr(contest_plots, "DPI", 30)


def test_written_contest_is_json_a_page_and_its_pictures(contest, tmp_path):
    (tmp_path / "comparison.json").write_text("an earlier one")
    write_contest(contest, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {*CAPTIONS, "comparison.html", "comparison.json"}
    plots = {name: (tmp_path / name).read_bytes() for name in CAPTIONS}
    page = (tmp_path / "comparison.html").read_text("utf-8")
    assert page == compare_page(contest, plots)
    content = json.loads((tmp_path / "comparison.json").read_text("utf-8"))
    assert content == json.loads(json.dumps(contest.to_json()))
