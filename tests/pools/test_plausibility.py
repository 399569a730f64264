import numpy as np
import pytest

from encas.pools.plausibility import chance_doubt, note_chance
from encas.pools.pool import Pool


@pytest.mark.parametrize(
    ("n_correct", "n", "n_classes", "is_doubted"),
    [
        (54, 597, 10, True),
        (94, 597, 10, False),  # better than guessing, though not by much
        (0, 676, 1000, True),
        (5, 1000, 1000, False),
        (55, 100, 2, True),
        (30, 100, 2, True),  # worse than guessing
        (12, 20, 2, False),  # too few to tell
        (6, 12, 3, False),
        (5, 5, 1, False),
    ],
)
def test_accuracy_is_doubted_where_it_may_be_that_of_guessing(n_correct, n, n_classes, is_doubted):
    assert (chance_doubt(n_correct, n, n_classes) is not None) == is_doubted


def test_doubt_says_n_interval_and_likely_causes():
    doubt = chance_doubt(54, 597, 10)
    assert doubt.startswith("its accuracy 0.0905 (0.0700 .. 0.1162, n = 597) is no better than")
    assert "among 10 classes (0.1000): classes in another order, another preprocessing" in doubt


def test_models_that_guess_are_told_by_name(rng):
    label = rng.integers(0, 10, 400)
    outputs = np.stack([np.eye(10)[label], np.eye(10)[(label + 3) % 10]])
    notes = []
    note_chance(Pool.of(outputs=outputs, label=label, names=["right", "moved"]), notes.append)
    assert len(notes) == 1
    assert notes[0].startswith("moved: its accuracy 0.0000")
