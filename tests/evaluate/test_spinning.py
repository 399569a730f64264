import threading

import numpy as np

from encas.evaluate.spinning import spin_while

FOR_EVER = 10**12


def test_spinning_ends_when_the_count_is_another():
    counts = np.array([3, 5], np.int64)
    spin_while(counts, 1, 4, FOR_EVER)
    spin_while(counts, 0, 5, FOR_EVER)


def test_spinning_ends_after_so_many_looks():
    spin_while(np.array([3], np.int64), 0, 3, 1000)


def test_spinning_sees_what_another_thread_writes():
    counts = np.array([0, 0], np.int64)
    thread = threading.Thread(target=lambda: spin_while(counts, 1, 0, FOR_EVER))
    thread.start()
    counts[1] = 1
    thread.join(timeout=60)
    assert not thread.is_alive()
