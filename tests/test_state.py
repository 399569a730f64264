from dataclasses import dataclass

import numpy as np
import pytest

from encas.errors import SearchError
from encas.state import arrays_of, fields_from, joined, part_of, restore_rng, rng_state


@dataclass
class Books:
    """An array and a scalar."""

    rows: np.ndarray
    count: int


def test_parts_of_a_joined_state_are_the_states():
    one, other = {"a": np.arange(2)}, {"b.c": np.array(1.5)}
    state = joined({"one": one, "other": other})
    assert sorted(state) == ["one.a", "other.b.c"]
    assert part_of(state, "one") == one
    assert part_of(state, "other") == other


def test_generator_goes_on_from_its_state(rng):
    state = rng_state(rng)
    expected = rng.random(5)
    again = np.random.default_rng(99)
    restore_rng(again, state)
    assert again.random(5).tolist() == expected.tolist()


def test_state_of_another_kind_of_generator_is_refused(rng):
    other = np.random.Generator(np.random.MT19937(1))
    with pytest.raises(SearchError, match="is of a PCG64 generator, expected MT19937"):
        restore_rng(other, rng_state(rng))


def test_fields_come_back_as_arrays_and_numbers():
    books = Books(rows=np.arange(3), count=4)
    again = Books(**fields_from(arrays_of(books)))
    assert again.rows.tolist() == [0, 1, 2]
    assert again.rows is not books.rows
    assert (again.count, type(again.count)) == (4, int)
