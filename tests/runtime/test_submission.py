import threading

import numpy as np
import pytest

from encas.errors import SessionError
from encas.runtime.loading import load
from encas.runtime.submission import Submitter


class Slow:
    """A predictor that answers only when it is let, and counts who is inside."""

    def __init__(self):
        self.gate, self.begun = threading.Event(), threading.Semaphore(0)

    def __call__(self, x):
        self.begun.release()
        assert self.gate.wait(10)
        if x is None:
            raise SessionError("no samples")
        return x


def test_submitted_batches_are_answered_as_the_predictor_does(bundle, samples):
    runner = load(bundle, n_threads=1)
    with Submitter(runner, n_threads=2) as submitter:
        futures = [submitter.submit(samples[i : i + 7]) for i in range(0, 60, 7)]
        stages = np.concatenate([future.result().stage for future in futures])
    assert np.array_equal(stages, runner(samples).stage)


def test_map_keeps_the_order_and_reads_no_further_than_there_is_room():
    slow, read = Slow(), []

    def batches():
        for i in range(10):
            read.append(i)
            yield i

    with Submitter(slow, n_threads=1, max_pending=3) as submitter:
        answers = submitter.map(batches())
        threading.Timer(0.2, slow.gate.set).start()
        assert next(answers) == 0
        assert len(read) <= 3
        assert list(answers) == list(range(1, 10))


def test_submit_waits_while_too_many_are_under_way():
    slow = Slow()
    with Submitter(slow, n_threads=1, max_pending=2) as submitter:
        first = [submitter.submit(i) for i in range(2)]
        third = threading.Thread(target=lambda: first.append(submitter.submit(2)))
        third.start()
        third.join(0.1)
        assert third.is_alive()
        slow.gate.set()
        third.join(10)
        assert [future.result() for future in first] == [0, 1, 2]


def test_error_of_the_predictor_comes_out_of_the_future():
    slow = Slow()
    slow.gate.set()
    with Submitter(slow) as submitter, pytest.raises(SessionError, match="no samples"):
        submitter.submit(None).result()


def test_submit_after_the_end_is_refused():
    submitter = Submitter(Slow())
    submitter.close()
    with pytest.raises(SessionError, match="the submitter is closed"):
        submitter.submit(1)


def test_submitter_of_nothing_is_refused():
    with pytest.raises(SessionError, match="must be at least 1, got 0 and 4"):
        Submitter(Slow(), n_threads=0)
