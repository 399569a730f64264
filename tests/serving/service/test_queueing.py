from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from encas.errors import ServingError
from encas.serving.service.queueing import BatchQueue, QueueLimits


@dataclass
class Job:
    name: int
    n_rows: int = 1
    arrived_s: float = 0.0
    deadline_s: float | None = None


def queue_of(*jobs, max_batch_size=4, max_queue_rows=100, max_delay_s=0.0):
    limits = QueueLimits(
        max_batch_size=max_batch_size, max_queue_rows=max_queue_rows, max_delay_s=max_delay_s
    )
    queue = BatchQueue(limits)
    assert all(queue.offer(job) for job in jobs)
    return queue


def names(jobs):
    return [job.name for job in jobs]


def test_take_stops_before_the_request_that_does_not_fit():
    queue = queue_of(Job(0, 2), Job(1, 1), Job(2, 2), Job(3, 1))
    assert names(queue.take(0.0)[0]) == [0, 1]
    assert names(queue.take(0.0)[0]) == [2, 3]
    assert (queue.n_rows, len(queue), queue.take(0.0)) == (0, 0, ([], []))


def test_offer_to_a_full_queue_is_refused_and_room_comes_back():
    queue = queue_of(Job(0, 3), Job(1, 1), max_queue_rows=4)
    assert not queue.offer(Job(2))
    queue.take(0.0)
    assert queue.offer(Job(2))


def test_due_is_the_oldest_arrival_and_the_delay_unless_a_batch_is_full():
    queue = queue_of(Job(0, 2, arrived_s=5.0), max_delay_s=0.5)
    assert queue.due_s() == 5.5
    queue.offer(Job(1, 2, arrived_s=5.2))
    assert queue.due_s() == 5.0
    queue.take(5.2)
    assert queue.due_s() is None


def test_take_gives_back_late_requests():
    queue = queue_of(Job(0, deadline_s=1.0), Job(2), Job(3, deadline_s=2.0))
    batch, late = queue.take(1.5)
    assert (names(batch), names(late), queue.n_rows) == ([2, 3], [0], 0)


def test_discard_gives_the_place_back_once():
    gone = Job(1, 3)
    queue = queue_of(Job(0), gone, max_queue_rows=4)
    queue.discard(gone)
    queue.discard(gone)
    assert queue.offer(Job(2, 3))
    assert (names(queue.take(0.0)[0]), queue.n_rows) == ([0, 2], 0)


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"max_batch_size": 0}, "at least 1, got 0"),
        ({"max_queue_rows": 3}, "at least one batch of 4 rows, got 3"),
        ({"max_delay_s": -1.0}, "0 or more seconds, got -1"),
        ({"max_delay_s": float("nan")}, "got nan"),
    ],
)
def test_limits_that_no_queue_can_keep_are_refused(values, fault):
    with pytest.raises(ServingError, match=fault):
        QueueLimits(**{"max_batch_size": 4, "max_queue_rows": 4, **values})


@given(st.lists(st.integers(1, 8)), st.integers(8, 20))
def test_batches_hold_every_request_once_in_order_within_the_limit(rows, max_batch_size):
    jobs = [Job(name, n_rows) for name, n_rows in enumerate(rows)]
    queue = queue_of(*jobs, max_batch_size=max_batch_size, max_queue_rows=1000)
    taken = []
    while queue.due_s() is not None:
        batch, _ = queue.take(0.0)
        assert batch
        assert sum(job.n_rows for job in batch) <= max_batch_size
        following = jobs[len(taken) + len(batch) :][:1]
        assert sum(job.n_rows for job in [*batch, *following]) > max_batch_size or not following
        taken += batch
    assert taken == jobs
