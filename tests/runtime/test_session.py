from dataclasses import replace

import numpy as np
import pytest

from encas.data.samples import ArraySamples
from encas.errors import SessionError
from encas.latency import Setting
from encas.runtime.session import (
    NO_DEVICE,
    FakeSession,
    HostSamples,
    NullSession,
    RereadSession,
    SessionInfo,
    checked_batch,
    random_batch,
    samples_of,
)

SETTING = Setting(device="cpu", device_name="x", provider="p", n_threads=1, versions={})
OUTPUTS = np.array([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]], np.float32)


def info_of(shape=(2,), dtype="float32", **values):
    given = {"name": "m", "input_shape": shape, "input_dtype": dtype, "n_classes": 2}
    return SessionInfo(**{**given, "setting": SETTING, **values})


def test_held_samples_are_taken_by_rows_with_zeros_behind():
    x = np.arange(1, 7, dtype=np.int64).reshape(3, 2)
    held = HostSamples(x)
    assert held.take(np.array([2, 0]), 2).tolist() == [[5, 6], [1, 2]]
    padded = held.take(np.array([1]), 3)
    assert (padded.dtype, padded.tolist()) == (np.int64, [[3, 4], [0, 0], [0, 0]])
    assert held.take(np.array([], np.int64), 1).tolist() == [[0, 0]]
    assert held.take(np.arange(3), 4).tolist() == [[1, 2], [3, 4], [5, 6], [0, 0]]
    held.release()


def test_all_held_samples_are_not_copied():
    x = np.arange(6).reshape(3, 2)
    assert HostSamples(x).take(np.arange(3), 3) is x


def test_fake_session_answers_from_its_rows_and_remembers_how_many():
    session = FakeSession(OUTPUTS, name="a")
    assert (session.info.name, session.info.n_classes, session.info.setting) == ("a", 2, NO_DEVICE)
    assert (session.info.input_shape, session.info.input_dtype) == ((), "int64")
    assert session.run(np.array([2, 0])).tolist() == OUTPUTS[[2, 0]].tolist()
    assert session.run(np.array([], np.int64)).shape == (0, 2)
    held = session.hold(np.array([1, 2]))
    assert session.run(held.take(np.array([1]), 1)).tolist() == OUTPUTS[[2]].tolist()
    session.warm_up([1, 2])
    assert session.calls == [2, 0, 1]


def test_session_read_as_another_input_is_the_same_but_for_that():
    inner = FakeSession(OUTPUTS, name="a")
    session = RereadSession(inner, "input_2")
    assert session.info == replace(inner.info, reads="input_2")
    held = session.hold(np.array([1, 2]))
    assert session.run(held.take(np.array([1]), 1)).tolist() == OUTPUTS[[2]].tolist()
    session.warm_up([1])
    assert inner.calls == [1]
    again = RereadSession(session, "input")
    assert (again.info, again._session) == (inner.info, inner)


def test_null_session_gives_the_first_rows_whatever_it_is_asked():
    session = NullSession(OUTPUTS, info_of(reads="input_2"))
    assert (session.info.setting, session.info.reads) == (NO_DEVICE, "input_2")
    assert session.run(np.full((2, 2), 7.0)).tolist() == OUTPUTS[:2].tolist()
    assert session.run(session.hold(np.ones((3, 2))).take(np.array([1]), 1)).shape == (1, 2)
    session.warm_up([3])


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_random_batch_of_floats_is_between_0_and_1(dtype):
    x = random_batch(info_of((3, 5), dtype), 40, rng=np.random.default_rng(0))
    assert (x.shape, x.dtype) == ((40, 3, 5), dtype)
    assert (x.min() >= 0, x.max() <= 1, x.min() < 0.1, x.max() > 0.9) == (True,) * 4


def test_random_batch_of_bytes_has_all_of_them():
    x = random_batch(info_of((100,), "uint8"), 40, rng=np.random.default_rng(0))
    assert (x.dtype, x.min(), x.max()) == (np.uint8, 0, 255)
    again = random_batch(info_of((100,), "uint8"), 40, rng=np.random.default_rng(0))
    assert np.array_equal(x, again)
    assert random_batch(info_of(), 0, rng=np.random.default_rng(0)).shape == (0, 2)


@pytest.mark.parametrize(
    ("shape", "x"),
    [((2,), np.ones((3, 2), np.float32)), ((2,), np.ones((0, 2), np.float32)), ((), np.ones(0))],
)
def test_batch_that_fits_is_given_back_as_it_is(shape, x):
    assert checked_batch(x, info_of(shape, str(x.dtype))) is x


@pytest.mark.parametrize(
    ("shape", "x", "fault"),
    [
        ((2,), np.ones((3, 3), np.float32), r"m: expected samples \[n, 2\], got \[3, 3\]"),
        ((2,), np.ones(2, np.float32), r"expected samples \[n, 2\], got \[2\]"),
        ((2, 3), np.ones((2, 3), np.float32), r"expected samples \[n, 2, 3\], got \[2, 3\]"),
        ((), np.float32(1), r"expected samples \[n\], got \[\]"),
        ((), np.ones((2, 1), np.float32), r"expected samples \[n\], got \[2, 1\]"),
        (
            (2,),
            np.ones((3, 2)),
            r"expected float32 samples, got float64; convert them with x.astype\('float32'\)",
        ),
    ],
)
def test_batch_of_another_shape_or_type_is_refused(shape, x, fault):
    with pytest.raises(SessionError, match=fault):
        checked_batch(np.asarray(x), info_of(shape))


def test_samples_of_one_input_are_one_array_or_one_by_its_name():
    x = np.ones((3, 2), np.float32)
    for given in (x, {"input": x}):
        samples = samples_of(given, {"input": info_of()})
        assert len(samples) == 3
        assert samples.read("input", np.array([1])).tolist() == [[1.0, 1.0]]
    numbers = samples_of({"input": [[1.0, 2.0]]}, {"input": info_of(dtype="float64")})
    assert numbers.read("input", np.array([0])).tolist() == [[1.0, 2.0]]


def test_samples_that_are_read_later_are_given_back():
    later = ArraySamples(arrays={"input": np.ones((1, 7))})
    assert samples_of(later, {"input": info_of()}) is later


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        ({}, "expected samples for input, input_2, got none"),
        ({"input": [[1, 2]]}, "expected samples for input, input_2, got input;"),
        ({"input": [], "input_2": [], "x": []}, "got input, input_2, x;"),
    ],
)
def test_samples_for_other_inputs_are_refused(given, fault):
    inputs = {"input": info_of(), "input_2": info_of((3,))}
    with pytest.raises(SessionError, match=fault):
        samples_of(given, inputs)


def test_samples_of_different_numbers_or_shapes_are_refused():
    inputs = {"input": info_of(), "input_2": info_of((3,), name="second")}
    two, three = np.ones((4, 2), np.float32), np.ones((5, 3), np.float32)
    fault = r"different numbers of samples: \{'input': 4, 'input_2': 5\}"
    with pytest.raises(SessionError, match=fault):
        samples_of({"input": two, "input_2": three}, inputs)
    with pytest.raises(SessionError, match=r"second: expected samples \[n, 3\], got \[4, 2\]"):
        samples_of({"input": two, "input_2": two}, inputs)
    assert len(samples_of({"input": two, "input_2": three[:4]}, inputs)) == 4
