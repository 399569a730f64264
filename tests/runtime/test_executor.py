from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encas.cascade import Cascade, decide
from encas.errors import SessionError
from encas.runtime.batching import Batching
from encas.runtime.executor import Prediction, Runner, StageWork
from encas.runtime.session import NO_DEVICE, FakeSession, SessionInfo


def random_outputs(rng: np.random.Generator, k: int, n: int, c: int) -> list[np.ndarray]:
    return [rng.dirichlet(np.full(c, 0.4), n).astype(np.float32) for _ in range(k)]


def by_the_loop(cascade: Cascade, outputs: list[np.ndarray]) -> tuple[list[int], list[int]]:
    """The definition, sample by sample."""
    labels, stages = [], []
    for i in range(len(outputs[0])):
        total = np.zeros(outputs[0].shape[1], np.float32)
        for j, output in enumerate(outputs, start=1):
            total = total + output[i]
            answer = total / np.float32(j)
            is_last = j == len(outputs)
            if is_last or answer.max() > np.float32(cascade.thresholds[j - 1]):
                labels.append(int(np.argmax(answer)))
                stages.append(j)
                break
    return labels, stages


def fake_runner(cascade: Cascade, outputs: list[np.ndarray], **values) -> Runner:
    sessions = [FakeSession(o, name=m) for o, m in zip(outputs, cascade.members, strict=True)]
    return Runner(cascade, sessions, **values)


class NotingSession(FakeSession):
    """Notes how many samples it was given to hold, and may read another input."""

    def __init__(self, outputs: np.ndarray, **values) -> None:
        super().__init__(outputs)
        self._values = values
        self.held: list[int] = []

    @property
    def info(self) -> SessionInfo:
        return replace(super().info, **self._values)

    def hold(self, x: np.ndarray):
        self.held.append(len(x))
        return super().hold(x)


@settings(deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(1, 4),
    n=st.integers(0, 60),
    largest=st.integers(1, 20),
    has_buckets=st.booleans(),
)
def test_runner_of_stored_outputs_decides_by_the_definition(seed, k, n, largest, has_buckets):
    rng = np.random.default_rng(seed)
    outputs = random_outputs(rng, k, max(n, 1), 3)
    thresholds = tuple(rng.integers(0, 51, k - 1) * 0.02)
    cascade = Cascade(members=tuple("abcd"[:k]), thresholds=thresholds)
    batching = Batching.powers_of_two(largest) if has_buckets else Batching(max_batch_size=largest)
    prediction = fake_runner(cascade, outputs, batching=batching)(np.arange(n))
    labels, stages = by_the_loop(cascade, [output[:n] for output in outputs])
    assert prediction.label.tolist() == labels
    assert prediction.stage.tolist() == stages


@pytest.mark.parametrize("combine", ["mean", "replace"])
@pytest.mark.parametrize("confidence", ["max_probability", "margin", "entropy", "logit_gap"])
def test_runner_of_stored_outputs_equals_the_evaluation(rng, confidence, combine):
    outputs = random_outputs(rng, 3, 200, 5)
    cascade = Cascade(
        members=("a", "b", "c"), thresholds=(0.5, 0.3), confidence=confidence, combine=combine
    )
    evaluated = decide(cascade, lambda j, rows: outputs[j][rows], n_samples=200)
    prediction = fake_runner(cascade, outputs, batching=Batching(max_batch_size=7))(np.arange(200))
    assert np.array_equal(prediction.label, evaluated.label)
    assert np.array_equal(prediction.stage, evaluated.stage)
    assert np.array_equal(prediction.probabilities, evaluated.probabilities)


def test_runner_on_real_stored_outputs_equals_the_evaluation(cifar_pool):
    order = np.argsort(cifar_pool.costs("macs"))[[0, 5, 15]]
    outputs = [cifar_pool.probabilities(int(index)) for index in order]
    names = tuple(cifar_pool.names[int(index)] for index in order)
    cascade = Cascade(members=names, thresholds=(0.62, 0.5))
    n = cifar_pool.n_samples
    evaluated = decide(cascade, lambda j, rows: outputs[j][rows], n_samples=n)
    prediction = fake_runner(cascade, outputs)(np.arange(n))
    assert np.array_equal(prediction.label, evaluated.label)
    assert np.array_equal(prediction.stage, evaluated.stage)
    assert set(prediction.stage.tolist()) == {1, 2, 3}


def test_runner_gives_a_later_member_only_what_is_left_over():
    sure, unsure = [0.9, 0.1], [0.6, 0.4]
    outputs = [np.array([sure, unsure, sure, unsure, unsure], np.float32)] * 2
    cascade = Cascade(members=("a", "b"), thresholds=(0.8,))
    runner = fake_runner(cascade, outputs, batching=Batching.powers_of_two(4))
    prediction = runner(np.arange(5))
    first, second = runner.sessions
    assert (first.calls, second.calls) == ([4, 1], [4])
    assert prediction.work == (
        StageWork(calls=2, rows=5, padding=0),
        StageWork(calls=1, rows=3, padding=1),
    )
    assert prediction.padding_waste == pytest.approx(1 / 9)


def test_runner_never_runs_a_member_that_no_sample_reaches():
    outputs = [np.array([[0.9, 0.1]] * 3, np.float32)] * 2
    runner = fake_runner(Cascade(members=("a", "b"), thresholds=(0.5,)), outputs)
    prediction = runner(np.arange(3))
    assert runner.sessions[1].calls == []
    assert prediction.work[1] == StageWork()


def test_runner_without_buckets_runs_what_is_left_at_once_and_unpadded():
    outputs = [np.array([[0.9, 0.1], [0.6, 0.4], [0.6, 0.4]], np.float32)] * 2
    cascade = Cascade(members=("a", "b"), thresholds=(0.8,))
    for size, calls in ((3, 1), (2, 2)):
        prediction = fake_runner(cascade, outputs, batching=Batching(max_batch_size=size))(
            np.arange(3)
        )
        first, second = prediction.work
        assert (first.calls, first.rows, first.padding) == (calls, 3, 0)
        assert (second.calls, second.rows, second.padding) == (1, 2, 0)


def test_runner_of_more_samples_than_may_be_held_answers_as_of_all_at_once(rng):
    outputs = random_outputs(rng, 2, 11, 3)
    cascade = Cascade(members=("a", "b"), thresholds=(0.6,))
    batching = Batching(max_batch_size=4, buckets=(4,), max_held_rows=5)
    sessions = [NotingSession(output) for output in outputs]
    prediction = Runner(cascade, sessions, batching=batching)(np.arange(11))
    whole = fake_runner(cascade, outputs)(np.arange(11))
    assert np.array_equal(prediction.label, whole.label)
    assert np.array_equal(prediction.stage, whole.stage)
    assert np.array_equal(prediction.probabilities, whole.probabilities)
    assert sessions[0].held == [5, 5, 1]
    first, second = prediction.work
    assert (first.calls, first.rows, first.padding) == (5, 11, 9)
    assert second.calls == len(sessions[1].calls)
    assert second.rows == (whole.stage == 2).sum()
    assert second.padding == sum(sessions[1].calls) - second.rows


def test_runner_holds_the_samples_of_an_input_once_and_only_those_that_are_read():
    first = np.full((5, 5), 0.2, np.float32)
    first[[1, 3], 0] = 0.9
    second = np.full((5, 5), 0.2, np.float32)
    second[4, 4] = 0.9
    sessions = [
        NotingSession(first),
        NotingSession(second, reads="other"),
        NotingSession(first),
        NotingSession(np.eye(5, dtype=np.float32), reads="other"),
    ]
    cascade = Cascade(members=tuple("abcd"), thresholds=(0.8, 0.8, 1), combine="replace")
    runner = Runner(cascade, sessions)
    prediction = runner({"input": np.arange(5), "other": np.arange(5)[::-1].copy()})
    assert [session.held for session in sessions] == [[5], [3], [], []]
    assert prediction.stage.tolist() == [2, 1, 4, 1, 4]
    assert prediction.label.tolist() == [4, 0, 2, 0, 0]
    assert list(runner.inputs) == ["input", "other"]


def test_warm_up_runs_every_size_three_times_in_turn_and_the_largest_first():
    sessions = [NotingSession(np.full((8, 3), 1 / 3, np.float32)) for _ in "ab"]
    cascade = Cascade(members=("a", "b"), thresholds=(0.5,))
    Runner(cascade, sessions, batching=Batching.powers_of_two(4)).warm_up()
    assert [session.calls for session in sessions] == [[4, 4, 4, 2, 2, 2, 1, 1, 1]] * 2
    assert [session.held for session in sessions] == [[4, 2, 1], []]


def test_warm_up_of_a_plain_cpu_runs_one_small_batch_through_every_member_once():
    cpu = replace(NO_DEVICE, device="cpu")
    outputs = np.full((8, 3), 1 / 3, np.float32)
    sessions = [NotingSession(outputs, setting=cpu) for _ in "ab"]
    cascade = Cascade(members=("a", "b"), thresholds=(0.5,))
    Runner(cascade, sessions, batching=Batching(max_batch_size=256)).warm_up()
    assert [session.calls for session in sessions] == [[4], [4]]


def test_work_of_nothing_is_nothing():
    work = StageWork()
    assert (work.calls, work.rows, work.padding) == (0, 0, 0)
    none = np.empty(0, np.int64)
    assert Prediction(label=none, stage=none, probabilities=np.empty((0, 2))).padding_waste == 0


def test_runner_tells_what_its_first_member_takes():
    outputs = [np.ones((1, 2), np.float32)] * 2
    runner = fake_runner(Cascade(members=("a", "b"), thresholds=(0.5,)), outputs)
    assert runner.info.name == "a"


def test_runner_on_no_samples_gives_none_and_runs_nothing():
    outputs = [np.ones((1, 3), np.float32) / 3] * 2
    runner = fake_runner(Cascade(members=("a", "b"), thresholds=(0.5,)), outputs)
    prediction = runner(np.arange(0))
    assert prediction.probabilities.shape == (0, 3)
    assert prediction.label.shape == prediction.stage.shape == (0,)
    assert [session.calls for session in runner.sessions] == [[], []]
    assert prediction.padding_waste == 0


def test_runner_sends_a_confidence_that_is_no_number_on():
    broken = np.array([[np.nan, 0.5]], np.float32)
    fine = np.array([[0.2, 0.8]], np.float32)
    cascade = Cascade(members=("a", "b"), thresholds=(0.0,), combine="replace")
    prediction = fake_runner(cascade, [broken, fine])(np.arange(1))
    assert (prediction.stage.tolist(), prediction.label.tolist()) == ([2], [1])


def test_runner_called_by_many_threads_answers_each_its_own(rng):
    outputs = random_outputs(rng, 3, 500, 4)
    cascade = Cascade(members=("a", "b", "c"), thresholds=(0.6, 0.6))
    runner = fake_runner(cascade, outputs, batching=Batching.powers_of_two(16))
    whole = runner(np.arange(500))
    jobs = [rng.integers(0, 500, size) for size in rng.integers(1, 40, 64)]
    with ThreadPoolExecutor(8) as pool:
        predictions = list(pool.map(runner, jobs))
    for rows, prediction in zip(jobs, predictions, strict=True):
        assert np.array_equal(prediction.label, whole.label[rows])
        assert np.array_equal(prediction.stage, whole.stage[rows])


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3), np.int64), r"a: expected samples \[n\], got \[2, 3\]"),
        (np.int64(3), r"a: expected samples \[n\], got \[\]"),
        (np.zeros(3, np.float32), r"a: expected int64 samples, got float32; convert them with"),
    ],
)
def test_runner_on_samples_of_another_shape_or_type_is_refused(x, message):
    runner = fake_runner(Cascade(members=("a",), thresholds=()), [np.ones((3, 1), np.float32)])
    with pytest.raises(SessionError, match=message):
        runner(x)


def test_runner_of_sessions_that_do_not_fit_is_refused():
    cascade = Cascade(members=("a", "b"), thresholds=(0.5,))
    two, three = np.ones((4, 2), np.float32), np.ones((4, 3), np.float32)
    with pytest.raises(SessionError, match="2 members need as many sessions, got 1"):
        Runner(cascade, [FakeSession(two)])
    with pytest.raises(SessionError, match="b gives 3 classes, but a gives 2"):
        fake_runner(cascade, [two, three])
    with pytest.raises(
        SessionError, match=r"member reads input as int64 \[3\], but member as int64"
    ):
        Runner(cascade, [FakeSession(two), NotingSession(two, input_shape=(3,))])
