import asyncio
import random
import threading

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


def run(work):
    """What `work` gives; it fails where something never comes."""
    return asyncio.run(asyncio.wait_for(work(), 10))


class Gate:
    """A predictor that tells the event loop when it is called, and waits until it is opened."""

    def __init__(self, inner):
        self.inner, self.opened, self.calls = inner, threading.Event(), []
        self.entered, self.loop = asyncio.Event(), asyncio.get_running_loop()

    def __call__(self, x):
        self.loop.call_soon_threadsafe(self.entered.set)
        self.opened.wait(10)
        self.calls.append(len(x))
        return self.inner(x)


class Clock:
    """Stands still but for those who move it."""

    def __init__(self):
        self.now_s = 0.0

    def __call__(self):
        return self.now_s


class WatchedClock(Clock):
    """Tells the event loop how many rows wait whenever a worker looks at it."""

    def __init__(self):
        super().__init__()
        self.lane, self.seen, self.loop = None, asyncio.Queue(), asyncio.get_running_loop()

    def __call__(self):
        now_s = self.now_s
        # The worker begins before anybody knows its lane.
        if self.lane and threading.current_thread() is not threading.main_thread():
            self.loop.call_soon_threadsafe(self.seen.put_nowait, self.lane.n_waiting_rows)
        return now_s

    async def shows(self, n_rows):
        """Returns when a worker has looked at it while so many rows wait."""
        while await self.seen.get() != n_rows:
            pass


async def asked(lane, *requests, **values):
    """Tasks that have all put a request into the queue."""
    tasks = [asyncio.create_task(lane.submit(np.arange(n), **values)) for n in requests]
    await asyncio.sleep(0)
    return tasks


async def idle(lane):
    """Lets the worker finish what comes after its answers."""
    while lane._n_busy:
        await asyncio.sleep(0)


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
        for _ in range(pauses.randrange(20)):
            await asyncio.sleep(0)
        return await lane.submit(np.array(rows))

    async def ask_all():
        lane = lane_of(runner(), n_workers=n_workers)
        for _ in range(20 * is_quick):
            lane._pace.note(1e-5)
        answers = await asyncio.gather(*(ask(lane, rows) for rows in requests))
        await lane.close()
        return answers

    for rows, answer in zip(requests, run(ask_all), strict=True):
        np.testing.assert_array_equal(answer.label, expected.label[rows])
        np.testing.assert_array_equal(answer.stage, expected.stage[rows])
        np.testing.assert_array_equal(answer.probabilities, expected.probabilities[rows])


def test_requests_that_come_while_a_batch_runs_go_together():
    async def ask():
        gate = Gate(runner())
        lane = lane_of(gate)
        tasks = await asked(lane, 1)
        await gate.entered.wait()
        tasks += await asked(lane, *[2] * 5)
        assert lane.n_waiting_rows == 10
        gate.opened.set()
        await asyncio.gather(*tasks)
        await lane.close()
        return gate.calls

    assert run(ask) == [1, 8, 2]


def test_a_delay_lets_a_batch_fill_before_it_runs():
    async def ask():
        gate, clock = Gate(runner()), WatchedClock()
        gate.opened.set()
        lane = clock.lane = lane_of(gate, limits(max_delay_s=7200.0), clock=clock)
        await asyncio.gather(*await asked(lane, 4, 4))
        tasks = []
        for n_rows, now_s in ((1, 0.0), (2, 3600.0), (3, 7200.0)):
            clock.now_s = now_s
            tasks += await asked(lane, 1)
            await clock.shows(n_rows)
        await asyncio.gather(*tasks)
        await lane.close()
        return gate.calls

    assert run(ask) == [8, 3]


def test_lane_that_closes_waits_for_no_delay():
    async def ask():
        gate = Gate(runner())
        gate.opened.set()
        lane = lane_of(gate, limits(max_delay_s=3600.0), clock=Clock())
        tasks = await asked(lane, 4)
        await lane.close()
        await asyncio.gather(*tasks)
        return gate.calls

    assert run(ask) == [4]


def test_submit_to_a_full_queue_is_refused_and_the_others_are_answered():
    async def ask():
        gate = Gate(runner())
        lane = lane_of(gate, limits(max_batch_size=4, max_queue_rows=4))
        tasks = await asked(lane, 4)
        await gate.entered.wait()
        tasks += await asked(lane, 3)
        with pytest.raises(Refusal, match="queue of model 'it' is full"):
            await lane.submit(np.arange(2))
        lane.check_room()
        tasks += await asked(lane, 1)
        with pytest.raises(Refusal, match="queue of model 'it' is full") as refused:
            lane.check_room()
        gate.opened.set()
        await asyncio.gather(*tasks)
        await lane.close()
        return refused.value.kind

    assert run(ask) == "exhausted"


def test_submit_whose_time_is_up_in_the_queue_is_refused():
    async def ask():
        gate, clock = Gate(runner()), Clock()
        lane = lane_of(gate, clock=clock)
        tasks = await asked(lane, 8)
        await gate.entered.wait()
        (late,) = await asked(lane, 1, timeout_s=1.0)
        tasks += await asked(lane, 2, timeout_s=1.5)
        clock.now_s = 1.5
        gate.opened.set()
        with pytest.raises(Refusal, match="waited too long") as refused:
            await late
        await asyncio.gather(*tasks)
        await lane.close()
        return refused.value.kind, gate.calls

    assert run(ask) == ("expired", [8, 2])


def test_cancelled_request_gives_its_place_back_and_is_not_run():
    async def ask():
        gate = Gate(runner())
        lane = lane_of(gate, limits(max_queue_rows=8))
        tasks = await asked(lane, 8)
        await gate.entered.wait()
        (gone,) = await asked(lane, 7)
        gone.cancel()
        with pytest.raises(asyncio.CancelledError):
            await gone
        assert lane.n_waiting_rows == 0
        tasks += await asked(lane, 5)
        gate.opened.set()
        await asyncio.gather(*tasks)
        await lane.close()
        return gate.calls

    assert run(ask) == [8, 5]


class Threads:
    """A predictor that remembers which threads called it, and how long each call took."""

    def __init__(self, clock):
        self.inner, self.clock, self.names, self.run_s = runner(), clock, [], 0.0

    def __call__(self, x):
        self.names.append(threading.current_thread().name)
        self.clock.now_s += self.run_s
        return self.inner(x)


def quick_lane(predictor, **options):
    """A lane that has seen batches of 10 microseconds; its clock stands still unless told."""
    lane = lane_of(predictor, **{"clock": Clock(), **options})
    for _ in range(20):
        lane._pace.note(1e-5)
    return lane


HERE = threading.main_thread().name


def test_quick_batches_move_to_the_event_loop_and_slow_ones_back():
    async def ask():
        clock = Clock()
        predictor = Threads(clock)
        lane = quick_lane(predictor, clock=clock)
        await asyncio.gather(*(lane.submit(np.arange(3)) for _ in range(5)))
        predictor.run_s = 0.02
        await lane.submit(np.arange(1))
        await lane.submit(np.arange(1))
        await lane.close()
        return predictor.names

    assert run(ask) == [HERE, HERE, HERE, HERE, "it/0"]


def test_short_batches_of_one_client_alone_run_on_the_event_loop_and_of_two_on_a_worker():
    async def ask():
        clock = Clock()
        predictor = Threads(clock)
        predictor.run_s = 0.001
        lane = lane_of(predictor, clock=clock)

        async def ask_alone():
            await idle(lane)
            clock.now_s += 0.001
            await lane.submit(np.arange(1))

        for _ in range(2 * ENOUGH_ALONE):
            await ask_alone()
        alone = predictor.names[:]
        await asyncio.gather(*await asked(lane, 1, 1))
        await ask_alone()
        await lane.close()
        return alone, predictor.names[-1]

    alone, after_two = run(ask)
    assert alone == ["it/0"] * (ENOUGH_ALONE - 1) + [HERE] * (ENOUGH_ALONE + 1)
    assert after_two == "it/0"


def test_quick_batch_waits_for_as_many_requests_as_came_last_but_not_for_ever(monkeypatch):
    async def ask():
        gate = Gate(runner())
        gate.opened.set()
        lane = quick_lane(gate)
        lane._crowd.note_batch(0.0, n_requests=4)
        monkeypatch.setattr("encas.serving.service.lane.PATIENCE_S", 3600.0)
        early = await asked(lane, 1, 1)
        await asyncio.sleep(0)
        assert not gate.calls
        await asyncio.gather(*early, *await asked(lane, 1, 1))
        monkeypatch.setattr("encas.serving.service.lane.PATIENCE_S", 0.0)
        await lane.submit(np.arange(1))
        await lane.close()
        return gate.calls

    assert run(ask) == [4, 1]


def test_full_quick_batches_run_one_after_the_other_before_more_requests_come_in():
    async def ask():
        passes, seen = 0, []

        def predict(samples):
            seen.append((passes, len(samples)))
            return inner(samples)

        inner, lane = runner(), quick_lane(predict)
        answers = asyncio.gather(*(lane.submit(np.arange(4)) for _ in range(41)))
        while not answers.done():
            await asyncio.sleep(0)
            passes += 1
        await lane.close()
        return seen

    seen = run(ask)
    assert [rows for _, rows in seen] == [8] * 20 + [4]
    assert len({n_pass for n_pass, _ in seen[:20]}) == 1


def test_quick_lane_that_closes_answers_what_waits():
    async def ask():
        lane = quick_lane(runner())
        waiting = await asked(lane, *[5] * 6)
        await lane.close()
        return [len((await answer).label) for answer in waiting]

    assert run(ask) == [5] * 6


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

    assert run(ask) == "it"
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

    assert run(ask) == ("internal", 2)
    assert [(r.rows, r.failure is None, len(r.stage)) for r in reports] == [
        ((3,), False, 0),
        ((2,), True, 2),
    ]


def test_closed_lane_answers_what_waits_and_refuses_what_comes():
    async def ask():
        gate = Gate(runner())
        lane = lane_of(gate)
        waiting = await asked(lane, *[5] * 4)
        await gate.entered.wait()
        assert lane.n_waiting_rows == 15
        closing = asyncio.create_task(lane.close())
        await asyncio.sleep(0)
        with pytest.raises(Refusal, match="is being unloaded"):
            await lane.submit(np.arange(1))
        gate.opened.set()
        await closing
        return [len((await answer).label) for answer in waiting]

    assert run(ask) == [5, 5, 5, 5]


def test_choice_of_the_cascade_sees_what_waits():
    seen = []

    async def ask():
        gate = Gate(runner())
        variants = [Variant(name=name, predictor=gate) for name in ("idle", "busy")]

        def choose(load):
            seen.append(load.n_rows)
            return variants[load.n_rows > 8]

        lane = Lane("it", limits(), choose)
        tasks = await asked(lane, 1)
        await gate.entered.wait()
        tasks += await asked(lane, 4, 4, 4)
        gate.opened.set()
        answers = await asyncio.gather(*tasks)
        await lane.close()
        return [answer.cascade for answer in answers]

    assert run(ask) == ["idle", "busy", "busy", "idle"]
    assert seen == [1, 12, 4]
