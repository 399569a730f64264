import asyncio
import random
import threading
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from encas.cascade import Cascade, decide
from encas.runtime.executor import Runner
from encas.runtime.session import FakeSession
from encas.serving.protocol.protocol import Refusal
from encas.serving.service.crowd import ENOUGH_ALONE
from encas.serving.service.lane import Lane
from encas.serving.service.pace import Pace
from encas.serving.service.queueing import QueueLimits
from encas.serving.service.request_batch import Variant

N_SAMPLES, N_CLASSES = 64, 5
CASCADE = Cascade(members=("first", "second", "third"), thresholds=(0.45, 0.4))


def outputs():
    rng = np.random.default_rng(3)
    draws = rng.random((3, N_SAMPLES, N_CLASSES)).astype(np.float32) ** 3
    return draws / draws.sum(axis=-1, keepdims=True)


def runner():
    sessions = [FakeSession(o, name=m) for o, m in zip(outputs(), CASCADE.members, strict=True)]
    return Runner(CASCADE, sessions)


def limits(max_batch_size=8, max_queue_rows=1000, max_delay_s=0.0):
    return QueueLimits(
        max_batch_size=max_batch_size, max_queue_rows=max_queue_rows, max_delay_s=max_delay_s
    )


def lane_of(predictor, queue_limits=None, **options):
    variant = Variant(name="it", predictor=predictor)
    return Lane("it", queue_limits or limits(), lambda _load: variant, **options)


class Gate:
    """A predictor that waits until it is opened."""

    def __init__(self, inner):
        self.inner, self.opened, self.calls = inner, threading.Event(), []

    def __call__(self, x):
        self.opened.wait(10)
        self.calls.append(len(x))
        return self.inner(x)


async def until(condition):
    while not condition():
        await asyncio.sleep(0.001)


@settings(deadline=None, max_examples=25)
@given(
    st.lists(st.lists(st.integers(0, N_SAMPLES - 1), min_size=1, max_size=8), max_size=60),
    st.integers(1, 3),
    st.booleans(),
    st.integers(0, 2**32 - 1),
)
def test_submit_under_concurrency_never_mixes_answers(requests, n_workers, is_quick, seed):
    stored = outputs()
    expected = decide(CASCADE, lambda j, rows: stored[j][rows], n_samples=N_SAMPLES)
    pauses = random.Random(seed)

    async def ask(lane, rows):
        await asyncio.sleep(pauses.random() / 500)
        return await lane.submit(np.array(rows))

    async def ask_all():
        lane = lane_of(runner(), n_workers=n_workers)
        for _ in range(20 * is_quick):
            lane._pace.note(1e-5)
        answers = await asyncio.gather(*(ask(lane, rows) for rows in requests))
        await lane.close()
        return answers

    for rows, answer in zip(requests, asyncio.run(ask_all()), strict=True):
        np.testing.assert_array_equal(answer.label, expected.label[rows])
        np.testing.assert_array_equal(answer.stage, expected.stage[rows])
        np.testing.assert_array_equal(answer.probabilities, expected.probabilities[rows])


def test_requests_that_come_while_a_batch_runs_go_together():
    async def ask():
        gate = Gate(runner())
        lane = lane_of(gate)
        first = asyncio.create_task(lane.submit(np.arange(1)))
        await until(lambda: lane.n_waiting_rows == 0 and not first.done())
        await asyncio.sleep(0.01)
        rest = [asyncio.create_task(lane.submit(np.arange(2))) for _ in range(5)]
        await until(lambda: lane.n_waiting_rows == 10)
        gate.opened.set()
        await asyncio.gather(first, *rest)
        await lane.close()
        return gate.calls

    assert asyncio.run(ask()) == [1, 8, 2]


def test_a_delay_lets_a_batch_fill_before_it_runs():
    async def ask():
        gate = Gate(runner())
        gate.opened.set()
        lane = lane_of(gate, limits(max_delay_s=5.0))
        await asyncio.gather(*(lane.submit(np.arange(4)) for _ in range(2)))
        late = asyncio.create_task(lane.submit(np.arange(4)))
        await asyncio.sleep(0.02)
        assert lane.n_waiting_rows == 4
        await lane.close()
        await late
        return gate.calls

    assert asyncio.run(ask()) == [8, 4]


def test_submit_to_a_full_queue_is_refused_and_the_others_are_answered():
    async def ask():
        gate = Gate(runner())
        lane = lane_of(gate, limits(max_batch_size=4, max_queue_rows=4))
        running = asyncio.create_task(lane.submit(np.arange(4)))
        await asyncio.sleep(0)
        await until(lambda: lane.n_waiting_rows == 0)
        waiting = asyncio.create_task(lane.submit(np.arange(4)))
        await until(lambda: lane.n_waiting_rows == 4)
        with pytest.raises(Refusal, match="queue of model 'it' is full") as refused:
            await lane.submit(np.arange(1))
        gate.opened.set()
        await asyncio.gather(running, waiting)
        await lane.close()
        return refused.value.kind

    assert asyncio.run(ask()) == "exhausted"


def test_submit_whose_time_is_up_in_the_queue_is_refused():
    async def ask():
        gate = Gate(runner())
        lane = lane_of(gate)
        running = asyncio.create_task(lane.submit(np.arange(8)))
        await asyncio.sleep(0)
        await until(lambda: lane.n_waiting_rows == 0)
        late = asyncio.create_task(lane.submit(np.arange(1), timeout_s=0.001))
        await asyncio.sleep(0.01)
        gate.opened.set()
        with pytest.raises(Refusal, match="waited too long"):
            await late
        await running
        await lane.close()
        return gate.calls

    assert asyncio.run(ask()) == [8]


def test_cancelled_request_gives_its_place_back_and_is_not_run():
    async def ask():
        gate = Gate(runner())
        lane = lane_of(gate, limits(max_queue_rows=8))
        running = asyncio.create_task(lane.submit(np.arange(8)))
        await asyncio.sleep(0)
        await until(lambda: lane.n_waiting_rows == 0)
        gone = asyncio.create_task(lane.submit(np.arange(7)))
        await until(lambda: lane.n_waiting_rows == 7)
        gone.cancel()
        await until(lambda: lane.n_waiting_rows == 0)
        following = asyncio.create_task(lane.submit(np.arange(5)))
        await until(lambda: lane.n_waiting_rows == 5)
        gate.opened.set()
        await asyncio.gather(running, following)
        await lane.close()
        return gate.calls

    assert asyncio.run(ask()) == [8, 5]


class Threads:
    """A predictor that remembers which threads called it, and can be slow."""

    def __init__(self):
        self.inner, self.names, self.pause_s = runner(), [], 0.0

    def __call__(self, x):
        self.names.append(threading.current_thread().name)
        time.sleep(self.pause_s)
        return self.inner(x)


def test_quick_batches_move_to_the_event_loop_and_slow_ones_back():
    async def ask():
        predictor = Threads()
        lane = lane_of(predictor)
        lane._pace = pace = Pace()
        for run_s in [1e-5] * 20:
            pace.note(run_s)
        await asyncio.gather(*(lane.submit(np.arange(3)) for _ in range(5)))
        predictor.pause_s = 0.02
        await lane.submit(np.arange(1))
        await lane.submit(np.arange(1))
        await lane.close()
        return predictor.names

    here = threading.main_thread().name
    assert asyncio.run(ask()) == [here, here, here, here, "it/0"]


def test_short_batches_of_one_client_alone_run_on_the_event_loop_and_of_two_on_a_worker():
    async def ask_alone(lane, n):
        for _ in range(n):
            await lane.submit(np.arange(1))
            await asyncio.sleep(0.001)

    async def ask():
        predictor = Threads()
        predictor.pause_s = 0.001
        lane = lane_of(predictor)
        await ask_alone(lane, 2 * ENOUGH_ALONE)
        alone = predictor.names[:]
        await asyncio.gather(*(lane.submit(np.arange(8)) for _ in range(4)))
        await lane.close()
        return alone, predictor.names[len(alone) :]

    here = threading.main_thread().name
    alone, together = asyncio.run(ask())
    assert set(alone[: ENOUGH_ALONE - 1]) == {"it/0"}
    assert alone[-1] == here
    assert together[-1] == "it/0"


def test_quick_batch_waits_for_as_many_requests_as_came_last_but_not_for_long():
    async def ask():
        gate = Gate(runner())
        gate.opened.set()
        lane = lane_of(gate)
        for _ in range(20):
            lane._pace.note(1e-5)
        lane._crowd.note_batch(0.0, n_requests=4)
        early = [asyncio.create_task(lane.submit(np.arange(1))) for _ in range(2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not gate.calls
        late = [asyncio.create_task(lane.submit(np.arange(1))) for _ in range(2)]
        await asyncio.gather(*early, *late)
        await asyncio.wait_for(lane.submit(np.arange(1)), 5.0)
        await lane.close()
        return gate.calls

    assert asyncio.run(ask()) == [4, 1]


def test_full_quick_batches_run_one_after_the_other_before_more_requests_come_in():
    async def ask():
        passes, seen = 0, []

        def predict(samples):
            seen.append((passes, len(samples)))
            return inner(samples)

        inner, lane = runner(), lane_of(predict)
        for _ in range(20):
            lane._pace.note(1e-5)
        answers = asyncio.gather(*(lane.submit(np.arange(4)) for _ in range(41)))
        while not answers.done():
            await asyncio.sleep(0)
            passes += 1
        await lane.close()
        return seen

    seen = asyncio.run(ask())
    assert [rows for _, rows in seen] == [8] * 20 + [4]
    assert len({n_pass for n_pass, _ in seen[:20]}) == 1


def test_quick_lane_that_closes_answers_what_waits():
    async def ask():
        lane = lane_of(runner())
        for _ in range(20):
            lane._pace.note(1e-5)
        waiting = [asyncio.create_task(lane.submit(np.arange(5))) for _ in range(6)]
        await asyncio.sleep(0)
        await lane.close()
        return [len((await answer).label) for answer in waiting]

    assert asyncio.run(ask()) == [5] * 6


def test_choice_that_fails_is_the_answer_and_the_lane_goes_on(caplog):
    variant, reports = Variant(name="it", predictor=runner()), []

    def choose(load):
        if load.batch_rows == 3:
            raise KeyError("no gear")
        return variant

    async def ask():
        lane = Lane("it", limits(), choose, on_batch=reports.append)
        with pytest.raises(Refusal, match="no gear"):
            await lane.submit(np.arange(3))
        answer = await lane.submit(np.arange(2))
        await lane.close()
        return answer.cascade

    assert asyncio.run(ask()) == "it"
    assert [report.cascade for report in reports] == ["", "it"]
    (line,) = caplog.records
    assert (line.getMessage(), line.model, line.exc_info[0]) == ("batch failed", "it", KeyError)


def test_failing_cascade_is_the_answer_and_the_lane_goes_on():
    class Moody:
        def __init__(self):
            self.inner = runner()

        def __call__(self, x):
            if len(x) == 3:
                raise ValueError("three is too many")
            return self.inner(x)

    reports = []

    async def ask():
        lane = lane_of(Moody(), on_batch=reports.append)
        with pytest.raises(Refusal, match="three is too many") as refused:
            await lane.submit(np.arange(3))
        answer = await lane.submit(np.arange(2))
        await lane.close()
        return refused.value.kind, len(answer.label)

    assert asyncio.run(ask()) == ("internal", 2)
    assert [(r.rows, r.failure is None, len(r.stage)) for r in reports] == [
        ((3,), False, 0),
        ((2,), True, 2),
    ]


def test_closed_lane_answers_what_waits_and_refuses_what_comes():
    async def ask():
        gate = Gate(runner())
        lane = lane_of(gate)
        waiting = [asyncio.create_task(lane.submit(np.arange(5))) for _ in range(4)]
        await until(lambda: lane.n_waiting_rows >= 15)
        closing = asyncio.create_task(lane.close())
        await asyncio.sleep(0.01)
        with pytest.raises(Refusal, match="is being unloaded"):
            await lane.submit(np.arange(1))
        gate.opened.set()
        await closing
        return [len((await answer).label) for answer in waiting]

    assert asyncio.run(ask()) == [5, 5, 5, 5]


def test_choice_of_the_cascade_sees_what_waits():
    seen = []

    async def ask():
        gate = Gate(runner())
        variants = [Variant(name=name, predictor=gate) for name in ("idle", "busy")]

        def choose(load):
            seen.append(load.n_rows)
            return variants[load.n_rows > 8]

        lane = Lane("it", limits(), choose)
        first = asyncio.create_task(lane.submit(np.arange(1)))
        await asyncio.sleep(0)
        await until(lambda: lane.n_waiting_rows == 0)
        rest = [asyncio.create_task(lane.submit(np.arange(4))) for _ in range(3)]
        await until(lambda: lane.n_waiting_rows == 12)
        gate.opened.set()
        answers = await asyncio.gather(first, *rest)
        await lane.close()
        return [answer.cascade for answer in answers]

    assert asyncio.run(ask()) == ["idle", "busy", "busy", "idle"]
    assert seen == [1, 12, 4]
