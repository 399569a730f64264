from dataclasses import replace

import numpy as np
import pytest

from encas.data.dataset import Dataset
from encas.export.proofs import MARGIN, TOLERANCE
from encas.jobs.tuning.deployed import CHECKED_SAMPLES, compared, recomputed
from encas.pools.model import Model
from encas.pools.pool import Pool
from encas.runtime.session import FakeSession


def dataset_of(pool: Pool) -> Dataset:
    """The rows' own numbers, which a `FakeSession` answers."""
    return Dataset(
        name="rows", label=pool.label, sample_shape=(), dtype="int64", read=lambda rows: rows
    )


def session_of(pool: Pool, index: int, *, moved: float = 0.0, row: int = 0) -> FakeSession:
    outputs = np.array(pool.probabilities(index))
    outputs[row, 0] += moved
    return FakeSession(outputs)


@pytest.mark.parametrize(("moved", "agrees"), [(0.0, True), (4e-5, True), (1e-3, False)])
def test_answers_are_held_against_the_stored_ones(tiny_pool, moved, agrees):
    session = session_of(tiny_pool, 1, moved=moved)
    found = compared(tiny_pool, "middle", session, dataset_of(tiny_pool))
    assert (found.name, found.n_samples, found.agrees) == ("middle", 8, agrees)
    assert found.max_difference == pytest.approx(moved, abs=1e-7)
    assert found.tolerance == pytest.approx(TOLERANCE + MARGIN)


def test_answers_that_are_no_numbers_do_not_agree(tiny_pool):
    session = session_of(tiny_pool, 0, moved=np.nan)
    found = compared(tiny_pool, "cheap", session, dataset_of(tiny_pool))
    assert (found.max_difference, found.agrees) == (1.0, False)


@pytest.mark.parametrize(("scale", "factor"), [(8.0, 8.0), (0.25, 1.0)])
def test_tolerance_of_logits_grows_with_their_size(scale, factor):
    logits = np.array([[scale, 0], [0, -scale]], np.float32)
    models = [Model(name="a", kind="logits", costs={})]
    pool = Pool.of(outputs=[logits], label=np.array([0, 1]), models=models, name="p")
    found = compared(pool, "a", session_of(pool, 0), dataset_of(pool))
    assert found.tolerance == pytest.approx(TOLERANCE * factor + MARGIN)
    half = Pool.of(outputs=[logits.astype(np.float16)], label=pool.label, models=models, name="p")
    rounded = compared(half, "a", session_of(half, 0), dataset_of(half))
    assert rounded.tolerance == pytest.approx(TOLERANCE * factor + MARGIN + 2**-7)


@pytest.mark.parametrize(("row", "is_seen"), [(0, True), (511, True), (1, False)])
def test_samples_that_are_compared_are_spread_over_the_data(row, is_seen):
    outputs = np.full((1, 512, 2), 0.5, np.float32)
    pool = Pool.of(outputs=outputs, label=np.zeros(512, int), names=["a"], name="p")
    session = session_of(pool, 0, moved=0.25, row=row)
    found = compared(pool, "a", session, dataset_of(pool))
    assert found.n_samples == CHECKED_SAMPLES == session.calls[0]
    assert found.max_difference == (0.25 if is_seen else 0.0)


def test_outputs_of_some_models_are_computed_again(tiny_pool, tmp_path):
    held = replace(
        tiny_pool, samples=np.zeros((8, 32), np.uint8), held_out=np.ones((2, 32), np.uint8)
    )
    answers = np.tile(np.array([0.25, 0.25, 0.5], np.float32), (8, 1))
    told = []
    made = recomputed(
        held, ["middle"], lambda name: FakeSession(answers, name=name), dataset_of(held),
        tmp_path, on_progress=told.append,
    )  # fmt: skip
    assert np.array_equal(made.outputs[1], answers)
    for other in (0, 2):
        assert np.array_equal(made.outputs[other], held.outputs[other])
    assert made.models[1].costs == held.models[1].costs
    assert (made.name, made.data, made.label.tolist()) == ("tiny", "rows", held.label.tolist())
    assert np.array_equal(made.samples, held.samples)
    assert np.array_equal(made.held_out, held.held_out)
    assert told[-1].is_over


def test_temperature_is_not_applied_twice(tmp_path):
    model = Model(name="a", kind="logits", costs={}, temperature=2.0)
    logits = np.array([[3, 1], [0, 4]], np.float32)
    pool = Pool.of(outputs=[logits], label=np.array([0, 1]), models=[model], name="p")
    answers = np.array([[0.75, 0.25], [0.0, 1.0]], np.float32)
    made = recomputed(pool, ["a"], lambda _: FakeSession(answers), dataset_of(pool), tmp_path)
    assert (made.models[0].kind, made.models[0].temperature) == ("logits", 2.0)
    np.testing.assert_allclose(made.probabilities(0), answers, atol=1e-6)
    plain = replace(model, temperature=1.0)
    pool = Pool.of(outputs=[logits], label=np.array([0, 1]), models=[plain], name="p")
    made = recomputed(pool, ["a"], lambda _: FakeSession(answers), dataset_of(pool), tmp_path)
    assert made.models[0].kind == "probabilities"
    assert np.array_equal(made.outputs[0], answers)
