"""The order of jobs: group by group, samples made ahead and dropped in time."""

import threading

import pytest

from encas.data.pixels import SampleReference
from encas.pools.building.build_job import BuildJob
from encas.pools.building.build_queue import Group, JobQueue
from encas.pools.models.run_settings import RunSettings


def group(data, *names):
    samples = SampleReference(file=None, data=data, rows=None, plan=None)
    jobs = [
        BuildJob(
            name=name, spec="", base=None, preprocessing=None, n_classes=2, columns=None,
            settings=RunSettings(), samples=samples,
        )
        for name in names
    ]  # fmt: skip
    return Group(samples=samples, jobs=tuple(jobs))


def queue_of(*groups, prepare=lambda samples: samples):
    released = []
    queue = JobQueue(groups, prepare=prepare, release=lambda s: released.append(s.data))
    return queue, released


def test_jobs_come_in_order_and_samples_go_with_the_last_of_a_group():
    queue, released = queue_of(group("a", "1", "2"), group("b", "3"))
    names = []
    while not queue.is_empty:
        names.append(queue.take(20.0).name)
    assert names == ["1", "2", "3"]
    queue.done("2")
    assert released == []
    queue.done("3")
    assert released == ["b"]
    queue.done("1")
    assert released == ["b", "a"]
    assert queue.take(20.0) is None


def test_samples_of_the_next_group_are_made_while_jobs_run():
    gate = threading.Event()
    made = []

    def prepare(samples):
        made.append(samples.data)
        assert gate.wait(20) or samples.data == "a"
        return samples

    queue, _ = queue_of(group("a", "1"), group("b", "2"), group("c", "3"), prepare=prepare)
    gate.set()
    assert queue.take(20.0).name == "1"
    gate.clear()
    assert queue.take(0.0) is None or made == ["a", "b"]
    gate.set()
    assert queue.take(20.0).name == "2"
    queue.close()
    assert "c" not in made[:2]


def test_fault_while_samples_are_made_is_raised():
    def prepare(samples):
        raise ValueError(f"no {samples.data}")

    queue, _ = queue_of(group("a", "1"), prepare=prepare)
    with pytest.raises(ValueError, match="no a"):
        queue.take(20.0)


def test_closed_queue_makes_no_more_samples():
    made = []

    def prepare(samples):
        made.append(samples.data)
        return samples

    queue, _ = queue_of(group("a", "1"), group("b", "2"), prepare=prepare)
    queue.close()
    assert queue.is_empty
    assert "b" not in made
