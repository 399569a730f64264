import os
import threading

import numpy as np
import pytest

from encas.evaluate.lanes import on_lanes, threads_or_all


def filled(lane: int, n_lanes: int, out: np.ndarray) -> None:
    out[lane::n_lanes] += lane + 1


@pytest.mark.parametrize("n_lanes", [1, 2, 5])
def test_lanes_are_all_called_once_with_their_number(n_lanes):
    out = np.zeros(10, np.int64)
    on_lanes(filled, n_lanes, out)
    assert out.tolist() == [i % n_lanes + 1 for i in range(10)]


def test_single_lane_runs_on_the_thread_that_asks():
    seen = []
    on_lanes(lambda _lane, _n: seen.append(threading.current_thread()), 1)
    assert seen == [threading.current_thread()]


def test_lanes_run_at_the_same_time():
    meeting = threading.Barrier(3, timeout=30)
    on_lanes(lambda _lane, _n: meeting.wait(), 3)
    assert not meeting.broken


def test_error_of_any_lane_is_raised():
    def failing(lane: int, _n: int) -> None:
        if lane == 1:
            raise ValueError("lane 1")

    with pytest.raises(ValueError, match="lane 1"):
        on_lanes(failing, 2)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_lanes_work_in_a_forked_process():
    on_lanes(filled, 2, np.zeros(4, np.int64))
    process = os.fork()
    if process == 0:
        out = np.zeros(4, np.int64)
        on_lanes(filled, 2, out)
        os._exit(int(out.tolist() != [1, 2, 1, 2]))
    assert os.waitpid(process, 0)[1] == 0


def test_threads_are_those_given_or_all_processors(monkeypatch):
    monkeypatch.setattr("encas.evaluate.lanes.usable_processors", lambda: 7)
    assert (threads_or_all(3), threads_or_all(None)) == (3, 7)


def test_lanes_within_lanes_and_from_several_threads_are_all_called():
    seen: list[tuple[int, int]] = []

    def outer(lane: int, _n: int) -> None:
        on_lanes(lambda inner, _n: seen.append((lane, inner)), 2)

    threads = [threading.Thread(target=lambda: on_lanes(outer, 2)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(seen) == sorted([(0, 0), (0, 1), (1, 0), (1, 1)] * 3)


def test_lanes_go_on_after_an_error():
    def failing(lane: int, _n: int) -> None:
        raise ValueError(f"lane {lane}")

    for _ in range(2):
        with pytest.raises(ValueError, match="lane 0"):
            on_lanes(failing, 2)
    out = np.zeros(4, np.int64)
    on_lanes(filled, 2, out)
    assert out.tolist() == [1, 2, 1, 2]
