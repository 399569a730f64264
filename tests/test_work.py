"""The driver: what it asks of work and keepers, and what Ctrl-C does."""

import signal

import pytest

from encas import work as driving
from encas.progress import Progress
from encas.work import deferred_interrupts, drive

pytestmark = pytest.mark.usefixtures("ctrl_c")


class Counting:
    """Five steps; `event` is called in each with its number."""

    def __init__(self, event=lambda _n: None, news=()):
        self.n, self.event, self.news = 0, event, news

    @property
    def finished(self):
        return self.n == 5

    @property
    def progress(self):
        news = f"news of {self.n}" if self.n in self.news else ""
        return Progress(what="counting", done=self.n, total=5, news=news)

    def step(self):
        self.event(self.n + 1)
        self.n += 1


class Notebook:
    """Keeps the count, as a file would."""

    advice = "open the notebook to go on"

    def __init__(self, work, *, kept=0, every_s=1000.0, odd_only=False):
        self.work, self.kept, self.every_s, self.odd_only = work, kept, every_s, odd_only
        self.written = []

    def resume(self):
        self.work.n = self.kept

    def keep(self):
        if self.odd_only and self.work.n % 2 == 0:
            return False
        self.kept = self.work.n
        self.written.append(self.kept)
        return True


def pressing(at, times=1):
    """Presses Ctrl-C in step `at`."""

    def event(n):
        if n == at:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return event


def test_all_steps_are_done_and_kept_at_the_end():
    work = Counting()
    notebook = Notebook(work)
    drive(work, keeper=notebook)
    assert (work.n, notebook.written) == (5, [5])


def test_work_goes_on_from_what_is_kept():
    steps = []
    work = Counting(steps.append)
    drive(work, keeper=Notebook(work, kept=3))
    assert steps == [4, 5]


def test_what_is_due_is_kept_wherever_it_can_be():
    work = Counting()
    notebook = Notebook(work, every_s=0.0)
    drive(work, keeper=notebook)
    assert notebook.written == [1, 2, 3, 4, 5, 5]
    work = Counting()
    notebook = Notebook(work, every_s=0.0, odd_only=True)
    drive(work, keeper=notebook)
    assert notebook.written == [1, 3, 5, 5]


def test_ctrl_c_lets_the_step_end_and_keeps_it():
    work = Counting(pressing(at=2))
    notebook = Notebook(work)
    with pytest.raises(KeyboardInterrupt, match="open the notebook to go on"):
        drive(work, keeper=notebook)
    assert (work.n, notebook.written) == (2, [2])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_ctrl_c_in_the_last_step_changes_nothing():
    work = Counting(pressing(at=5))
    drive(work)
    assert work.finished


def test_second_ctrl_c_breaks_the_step_off():
    work = Counting(pressing(at=2, times=2))
    notebook = Notebook(work)
    with pytest.raises(KeyboardInterrupt):
        drive(work, keeper=notebook)
    assert (work.n, notebook.written) == (1, [])
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_error_in_a_step_is_raised_and_the_signal_is_given_back():
    def event(_n):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        drive(Counting(event))
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("handler", [signal.SIG_IGN, lambda *_: None])
def test_ctrl_c_that_is_ignored_or_handled_elsewhere_is_left_alone(handler):
    signal.signal(signal.SIGINT, handler)
    with deferred_interrupts() as is_interrupted:
        assert signal.getsignal(signal.SIGINT) is handler
        signal.raise_signal(signal.SIGINT)
        assert not is_interrupted()
    work = Counting(pressing(at=1, times=2))
    drive(work)
    assert work.finished
    assert signal.getsignal(signal.SIGINT) is handler


def test_listener_hears_of_the_beginning_the_end_and_all_news(monkeypatch):
    monkeypatch.setattr(driving, "PROGRESS_EVERY_S", 1000.0)
    heard = []
    drive(Counting(news=(2, 4)), on_progress=heard.append)
    assert [each.done for each in heard] == [0, 2, 4, 5]
    assert [each.news for each in heard] == ["", "news of 2", "news of 4", ""]


def test_listener_hears_of_every_step_where_steps_are_slow(monkeypatch):
    monkeypatch.setattr(driving, "PROGRESS_EVERY_S", 0.0)
    heard = []
    drive(Counting(), on_progress=heard.append)
    assert [each.done for each in heard] == [0, 1, 2, 3, 4, 5]


def test_listener_hears_once_of_work_that_is_done_already():
    heard = []
    work = Counting()
    work.n = 5
    drive(work, on_progress=heard.append)
    assert [each.is_over for each in heard] == [True]
