"""`encas demo` prints what the loop found; the loop itself is tested in tests/demo."""

from pathlib import Path

import pytest

pytest.importorskip("torch")
pytest.importorskip("sklearn")

from encas.commands import demo_command as command
from encas.demo.demo_flow import DemoResult

FOUND = DemoResult(
    path=Path("out/report.html"),
    table=(("", "best single model", "cascade"), ("MACs [per sample]", "10 k", "2 k (0.20 x)")),
    notes=("By macs: chosen.",),
    verdicts=("It is slower.",),
)


@pytest.fixture(autouse=True)
def found(monkeypatch):
    monkeypatch.setattr(command, "run_demo", lambda out, *, on_progress: FOUND)


def test_demo_prints_a_table_and_plain_sentences(encas, tmp_path):
    ran = encas("demo", "--out", tmp_path)
    assert ran.code == 0
    for text in ("best single model", "MACs [per sample]", "2 k (0.20 x)", "It is slower."):
        assert text in ran.out


def test_demo_as_json_has_the_same(encas, tmp_path):
    assert encas("demo", "--out", tmp_path, "--json").json == {
        "path": "out/report.html",
        "table": [list(row) for row in FOUND.table],
        "notes": ["By macs: chosen."],
        "verdicts": ["It is slower."],
    }


def test_demo_without_a_folder_is_wrong_usage(encas):
    assert encas("demo").code == 2
