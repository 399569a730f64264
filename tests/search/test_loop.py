import math
import signal
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pytest

from encas.checkpoint import Checkpoint
from encas.errors import SearchError
from encas.progress import Progress
from encas.search.archive import ElitistArchive
from encas.search.loop import Budget, Milestone, has_settled, run
from encas.search.random_draw import RandomDraw
from encas.search.search import AskTellSearch


@dataclass
class Slope:
    """Two genes that pull apart; `event` is called with the number of evaluations so far."""

    event: object = None
    n_evaluations: int = 0
    n_objectives: int = 2
    n_values: np.ndarray = field(default_factory=lambda: np.array([1000, 1000]))

    def evaluate(self, genomes: np.ndarray) -> np.ndarray:
        self.n_evaluations += len(genomes)
        if self.event is not None:
            self.event(self.n_evaluations)
        return np.stack([genomes[:, 0], 1000.0 - genomes[:, 0] + genomes[:, 1]], axis=1)


class Countdown:
    """A search that is finished after ten steps, and may be stored at every third only."""

    def __init__(self) -> None:
        self.archive = ElitistArchive(1, 2)
        self.n_evaluations = 0

    @property
    def finished(self) -> bool:
        return self.n_evaluations == 10

    @property
    def resumable(self) -> bool:
        return self.n_evaluations % 3 == 0

    def step(self, limit: int) -> None:
        self.n_evaluations += 1
        n = self.n_evaluations
        self.archive.add(np.array([[n]]), np.array([[float(n), -float(n)]]))

    def state(self):
        assert self.resumable
        return {"n": np.array(self.n_evaluations)} | dict(self.archive.state())

    def restore(self, state) -> None:
        self.n_evaluations = int(state["n"])
        self.archive.restore(state)


def search_of(problem, seed: int = 0) -> AskTellSearch:
    return AskTellSearch(problem, RandomDraw(problem, rng=np.random.default_rng(seed)))


def volume(objectives: np.ndarray) -> float:
    return float((2000 - objectives.min(axis=0)).prod()) if len(objectives) else 0.0


def ran(search, budget: Budget, **options):
    return run(search, budget=budget, hypervolume=volume, **options)


def raise_at(n: int, error: type[BaseException]):
    def event(n_evaluations: int) -> None:
        if n_evaluations >= n:
            raise error

    return event


pytestmark = pytest.mark.usefixtures("ctrl_c")


def press_at(n: int, times: int):
    def event(n_evaluations: int) -> None:
        if n_evaluations >= n:
            for _ in range(times):
                signal.raise_signal(signal.SIGINT)

    return event


@pytest.mark.parametrize("n", [1, 100, 256, 257, 5000])
def test_run_evaluations_are_spent_exactly(n):
    problem = Slope()
    outcome = ran(search_of(problem), Budget(evaluations=n))
    assert (outcome.n_evaluations, problem.n_evaluations) == (n, n)
    assert outcome.ended == "evaluations"
    assert not outcome.interrupted
    assert not outcome.objectives.flags.writeable


def test_run_finished_search_ends_without_a_budget():
    outcome = ran(Countdown(), Budget())
    assert (outcome.ended, outcome.n_evaluations) == ("finished", 10)
    assert outcome.genomes[:, 0].tolist() == list(range(1, 11))


def test_run_seconds_are_kept():
    outcome = ran(search_of(Slope()), Budget(seconds=0.2))
    assert outcome.ended == "seconds"
    assert 0.2 <= outcome.seconds < 5


def test_run_stagnation_ends_after_as_many_evaluations_without_growth():
    problem = Slope(n_values=np.array([4, 4]))
    outcome = ran(search_of(problem), Budget(stagnation=3000))
    assert outcome.ended == "stagnation"
    grown_at = max(
        (b.evaluations for a, b in pairwise(outcome.history)
         if b.hypervolume > a.hypervolume),
        default=outcome.history[0].evaluations,
    )  # fmt: skip
    assert 3000 <= outcome.n_evaluations - grown_at <= 3000 + 300 + 256


def test_run_history_grows_geometrically_and_ends_at_the_end():
    outcome = ran(search_of(Slope()), Budget(evaluations=20_000))
    at = [m.evaluations for m in outcome.history]
    assert at == sorted(set(at))
    assert at[-1] == 20_000
    assert all(b <= math.ceil(1.1 * a) for a, b in pairwise(at))
    assert len(at) < 60
    volumes = [m.hypervolume for m in outcome.history]
    assert volumes == sorted(volumes)
    assert volumes[-1] == volume(outcome.objectives)


def test_run_progress_tells_the_evaluations_and_the_last_hypervolume():
    reports: list[Progress] = []
    outcome = ran(
        search_of(Slope()), Budget(evaluations=500), name="random", on_progress=reports.append
    )
    assert (reports[0].what, reports[0].done, reports[0].total) == ("random", 0, 500)
    assert (reports[-1].done, reports[-1].unit, reports[-1].is_over) == (500, "evaluations", True)
    volumes = [f"hypervolume {milestone.hypervolume:.4f}" for milestone in outcome.history]
    assert reports[-1].text in volumes


def test_run_progress_ends_where_the_search_does():
    reports: list[Progress] = []
    ran(Countdown(), Budget(seconds=1000), on_progress=reports.append)
    assert (reports[0].total, reports[0].unit) == (1000, "s")
    assert reports[-1].is_over
    ran(Countdown(), Budget(), n_expected=20, on_progress=reports.append)
    assert (reports[-1].done, reports[-1].total) == (10, 10)


def ends_of_steps_around(n: int) -> tuple[int, int]:
    ends: list[int] = []
    ran(search_of(Slope(event=ends.append)), Budget(evaluations=10_000))
    return max(end for end in ends if end < n), min(end for end in ends if end >= n)


@pytest.mark.parametrize("times", [1, 2])
def test_run_interrupted_returns_what_was_found(times):
    problem = Slope(event=press_at(1000, times))
    outcome = ran(search_of(problem), Budget(evaluations=10_000))
    assert outcome.interrupted
    # Pressed once, the step under way ends; twice, it is broken off.
    broken_off, ended = ends_of_steps_around(1000)
    assert outcome.n_evaluations == (ended if times == 1 else broken_off)
    assert len(outcome.objectives) > 0
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_run_keyboard_interrupt_in_a_step_returns_what_was_found():
    problem = Slope(event=raise_at(1000, KeyboardInterrupt))
    outcome = ran(search_of(problem), Budget(evaluations=10_000))
    broken_off, _ = ends_of_steps_around(1000)
    assert (outcome.ended, outcome.n_evaluations) == ("interrupted", broken_off)


def test_run_error_in_a_step_is_raised():
    with pytest.raises(ZeroDivisionError):
        ran(search_of(Slope(event=raise_at(1000, ZeroDivisionError))), Budget(evaluations=10_000))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"evaluations": 0}, "evaluations must be positive, got 0"),
        ({"seconds": -1.5}, "seconds must be positive, got -1.5"),
        ({"seconds": math.nan}, "seconds must be positive, got nan"),
        ({"stagnation": -2, "evaluations": -1}, "2 faults: evaluations .* stagnation must be"),
    ],
)
def test_budget_that_is_not_positive_is_refused(options, message):
    with pytest.raises(SearchError, match=message):
        Budget(**options)


def without_seconds(outcome) -> tuple:
    history = [(m.evaluations, m.hypervolume) for m in outcome.history]
    genomes, objectives = outcome.genomes.tobytes(), outcome.objectives.tobytes()
    return genomes, objectives, outcome.n_evaluations, history, outcome.ended


@pytest.mark.parametrize("budget", [Budget(evaluations=9000), Budget(stagnation=4000)])
def test_run_killed_often_and_resumed_equals_the_uninterrupted(tmp_path, budget, rng):
    whole = ran(search_of(Slope()), budget)
    path = tmp_path / "run.npz"
    outcome = None
    for _ in range(200):
        problem = Slope(event=raise_at(int(rng.integers(300, 3000)), ZeroDivisionError))
        checkpoint = Checkpoint(path=path, fingerprint="f", resume=True, every_s=0)
        try:
            outcome = ran(search_of(problem), budget, checkpoint=checkpoint)
            break
        except ZeroDivisionError:
            continue
    assert outcome is not None
    assert without_seconds(outcome) == without_seconds(whole)
    assert outcome.seconds > 0


def test_run_interrupted_and_resumed_equals_the_uninterrupted(tmp_path):
    whole = ran(search_of(Slope()), Budget(evaluations=5000))
    checkpoint = Checkpoint(path=tmp_path / "run.npz", fingerprint="f", resume=True)
    for n in (700, 800, 2500):
        problem = Slope(event=press_at(n, 1))
        assert ran(search_of(problem), Budget(evaluations=5000), checkpoint=checkpoint).interrupted
    outcome = ran(search_of(Slope()), Budget(evaluations=5000), checkpoint=checkpoint)
    assert without_seconds(outcome) == without_seconds(whole)


def test_run_longer_budget_continues_a_finished_run(tmp_path):
    whole = ran(search_of(Slope()), Budget(evaluations=3000))
    checkpoint = Checkpoint(path=tmp_path / "run.npz", fingerprint="f", resume=True)
    for n in (100, 1001, 3000):
        outcome = ran(search_of(Slope()), Budget(evaluations=n), checkpoint=checkpoint)
        assert outcome.n_evaluations == n
    assert outcome.genomes.tobytes() == whole.genomes.tobytes()


def test_run_stores_only_where_a_search_is_resumable(tmp_path):
    path = tmp_path / "run.npz"
    ran(Countdown(), Budget(), checkpoint=Checkpoint(path=path, fingerprint="f", every_s=0))
    resumed = Countdown()
    checkpoint = Checkpoint(path=path, fingerprint="f", resume=True)
    state = checkpoint.load()
    assert state is not None
    assert int(state["search.n"]) == 9
    outcome = ran(resumed, Budget(), checkpoint=checkpoint)
    assert outcome.genomes[:, 0].tolist() == list(range(1, 11))


def milestones(*points: tuple[int, float]) -> list[Milestone]:
    return [Milestone(evaluations=n, seconds=0.0, hypervolume=v) for n, v in points]


@pytest.mark.parametrize(
    ("points", "settled"),
    [
        ([], False),
        ([(4095, 0.5)], False),
        ([(2000, 0.5), (4096, 0.5)], True),
        ([(2000, 0.5), (2100, 0.6), (4096, 0.6)], False),  # 2,100 is later than half of 4,096
        ([(2048, 0.6), (4096, 0.60006)], True),
        ([(2048, 0.6), (4096, 0.60007)], False),
        ([(1000, 0.5), (2000, 0.6), (4096, 0.6)], True),
        ([(4096, 0.5)], False),
    ],
)
def test_front_has_settled_when_the_second_half_brought_nothing(points, settled):
    assert has_settled(milestones(*points)) is settled


def test_run_that_settles_ends_when_the_front_has_settled():
    outcome = ran(search_of(Slope(n_values=np.array([50, 50]))), Budget(settles=True))
    assert outcome.ended == "settled"
    assert has_settled(outcome.history)
    assert not has_settled(outcome.history[:-1])
