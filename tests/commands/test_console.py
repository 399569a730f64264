"""The renderer of progress: bars on a terminal, plain lines elsewhere."""

import io
import threading

import pytest
from rich.console import Console

from encas.commands.console import (
    LINE_EVERY_S,
    SILENT_S,
    Notes,
    ProgressBars,
    ProgressLines,
    amount_of,
    shown_progress,
)
from encas.progress import Progress


class Lines:
    """A log, and the seconds that a test says."""

    def __init__(self, what=""):
        self.said, self.now = [], 0.0
        self.hear = ProgressLines(self.said.append, clock=lambda: self.now, what=what)


def bars_on(file):
    return ProgressBars(Console(file=file, force_terminal=True, width=120, highlight=False))


def shown(bars):
    """What each bar says: its text, how much of how much is done."""
    return [(task.description, task.completed, task.total) for task in bars.display.tasks]


@pytest.mark.parametrize(
    ("progress", "text"),
    [
        (Progress(what="a"), ""),
        (Progress(what="a", done=1200), "1,200"),
        (Progress(what="a", done=3, total=1200, unit="images"), "3 of 1,200 images"),
        (Progress(what="a", total=4), "0 of 4"),
    ],
)
def test_amount_says_how_much_of_how_much(progress, text):
    assert amount_of(progress) == text


def test_notes_are_on_stderr_once_and_in_the_json(capsys):
    notes = Notes()
    assert notes.to_json() == {}
    for text in ("a", "b", "a"):
        notes(text)
    assert notes.to_json() == {"notes": ["a", "b"]}
    assert capsys.readouterr().err == "a\nb\n"


def test_lines_are_said_where_a_task_begins_and_every_few_seconds():
    log = Lines()
    for done in range(4):
        log.hear(Progress(what="measuring", done=done, total=9, unit="times"))
    assert log.said == ["measuring: 0 of 9 times"]
    log.now += LINE_EVERY_S
    log.hear(Progress(what="measuring", done=7, total=9, unit="times", text="resnet18"))
    log.hear(Progress(what="measuring", done=9, total=9, unit="times"))
    assert log.said[1:] == ["measuring: 7 of 9 times: resnet18"]


def test_lines_tell_a_task_that_begins_again_and_one_that_is_done_at_once():
    log = Lines()
    for done in (0, 2, 2, 1):
        log.hear(Progress(what="searching", done=done, total=2))
    log.hear(Progress(what="kept", done=5, total=5))
    log.hear(Progress(what="kept", done=5, total=5))
    assert log.said == ["searching: 0 of 2", "searching: 1 of 2", "kept: 5 of 5"]


def test_lines_give_all_news():
    log = Lines()
    for done in range(3):
        log.hear(Progress(what="building", done=done, news=f"model {done} is stored"))
    assert log.said == ["model 0 is stored", "building", "model 1 is stored", "model 2 is stored"]


def test_bars_of_tasks_within_a_task_come_and_go():
    bars = bars_on(io.StringIO())
    bars(Progress(what="models", total=20, text="0 of 2"))
    bars(Progress(what="a", done=3, total=10))
    assert shown(bars) == [("models: 0 of 2", 0, 20), ("a", 3, 10)]
    bars(Progress(what="a", done=10, total=10))
    assert shown(bars) == [("models: 0 of 2", 0, 20)]
    bars(Progress(what="models", done=20, total=20, text="2 of 2"))
    assert shown(bars) == [("models: 2 of 2", 20, 20)]


def test_bars_of_steps_one_after_the_other_stay():
    bars = bars_on(io.StringIO())
    bars(Progress(what="searching", done=5, total=5))
    bars(Progress(what="measuring", done=1, total=2))
    bars(Progress(what="measuring", done=2, total=2))
    assert shown(bars) == [("searching", 5, 5), ("measuring", 2, 2)]
    bars(Progress(what="searching", total=5))
    assert shown(bars) == [("measuring", 2, 2), ("searching", 0, 5)]


def test_bars_show_names_and_news_as_they_are():
    file = io.StringIO()
    bars = bars_on(file)
    with bars.display:
        bars(Progress(what="onnx[1]", news="failed x[red]: no such file"))
    assert "failed x[red]: no such file" in file.getvalue()
    assert "onnx[1]" in file.getvalue()


def test_progress_without_a_terminal_is_plain_lines_on_stderr(capsys):
    with shown_progress() as show:
        show(Progress(what="measuring", total=2, unit="times"))
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", "measuring: 0 of 2 times\n")


def test_lines_come_every_few_seconds_while_nothing_is_heard():
    log = Lines("merging pools")
    for log.now in (0.0, SILENT_S - 0.1, SILENT_S, SILENT_S + 0.5, SILENT_S + LINE_EVERY_S):
        log.hear.beat()
    assert log.said == ["merging pools (2 s)", "merging pools (7 s)"]


def test_lines_of_what_is_done_soon_are_none():
    log = Lines("merging pools")
    log.now = SILENT_S - 0.1
    log.hear.beat()
    assert log.said == []


def test_lines_repeat_what_was_heard_last_and_not_before_it_is_time():
    log = Lines()
    log.now = 60.0
    log.hear.beat()
    assert log.said == []
    log.hear(Progress(what="proving", done=1, total=3, unit="members", text="a"))
    for log.now in (61.0, 60.0 + LINE_EVERY_S):
        log.hear.beat()
    assert log.said == ["proving: 1 of 3 members: a", "proving: 1 of 3 members: a (65 s)"]


def test_progress_beats_while_nothing_is_heard(monkeypatch):
    said = threading.Event()
    monkeypatch.setattr("encas.commands.console.BEAT_S", 0.001)
    monkeypatch.setattr("encas.commands.console.SILENT_S", 0.0)
    monkeypatch.setattr("encas.commands.console.note", lambda _line: said.set())
    with shown_progress("reading"):
        assert said.wait(20)


def test_bars_of_a_named_command_go_at_the_end():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120, highlight=False)
    assert ProgressBars(console, is_transient=True).display.live.transient
    assert not ProgressBars(console).display.live.transient
