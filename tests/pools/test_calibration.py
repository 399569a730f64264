import numpy as np
import pytest

from encas.cascade import softmax
from encas.errors import PoolError
from encas.pools.calibration import fit_temperatures, temperatures_like
from encas.pools.pool import Pool


@pytest.fixture
def overconfident(rng) -> Pool:
    """Labels drawn from softmax(logits), stored logits three times too large, in both kinds."""
    logits = rng.normal(size=(4000, 5)) * 2
    label = [rng.choice(5, p=p / p.sum()) for p in softmax(logits)]
    stored = (3 * logits).astype(np.float32)
    return Pool.of(outputs=[stored], label=label, names=["a"], costs={"macs": [1]}, kind="logits")


def log_loss(pool: Pool) -> float:
    return float(-np.log(pool.probabilities(0)[np.arange(pool.n_samples), pool.label]).mean())


def test_fit_overconfident_logits_finds_their_temperature(overconfident):
    (temperature,) = fit_temperatures(overconfident)
    assert temperature == pytest.approx(3, rel=0.08)


def test_fit_is_the_minimum_of_the_log_loss(overconfident):
    (best,) = fit_temperatures(overconfident)
    losses = [log_loss(overconfident.with_temperatures([best * s])) for s in (0.97, 1, 1.03)]
    assert losses[1] == min(losses)


def test_fit_probabilities_equals_fit_logits(overconfident):
    pool = Pool.of(
        outputs=[softmax(overconfident.outputs[0])],
        label=overconfident.label,
        names=["a"],
        costs={"macs": [1]},
    )
    assert fit_temperatures(pool) == pytest.approx(fit_temperatures(overconfident), rel=1e-2)


def test_temperatures_like_goes_by_name(tiny_pool):
    calibrated = tiny_pool.with_temperatures([1, 2, 3])
    order = [2, 0]
    part = Pool.of(
        outputs=[tiny_pool.outputs[i] for i in order],
        label=tiny_pool.label,
        models=[tiny_pool.models[i] for i in order],
    )
    assert temperatures_like(part, calibrated) == (3, 1)
    with pytest.raises(PoolError, match=r"1 models are not in pool .* \(first: middle\)"):
        temperatures_like(tiny_pool, part)


def test_fit_tells_how_many_models_are_done(tiny_pool):
    heard = []
    fit_temperatures(tiny_pool, on_progress=heard.append)
    assert [(each.what, each.done, each.total) for each in heard] == [
        ("calibrating", done, 3) for done in range(4)
    ]


@pytest.mark.parametrize(
    ("shift", "said"), [(0, "temperature 0.010 is the end of the range, no fit: a model that is"),
                        (1, "temperature 100.000 is the end of the range, no fit: its confidence")],
)  # fmt: skip
def test_fit_at_an_end_of_the_range_says_why(rng, shift, said):
    label = rng.integers(0, 4, 100)
    logits = 9 * np.eye(4)[(label + shift) % 4]
    pool = Pool.of(outputs=logits[None], label=label, names=["net"], kind="logits")
    notes = []
    fit_temperatures(pool, on_note=notes.append)
    assert notes[0].startswith(f"net: {said}")


def test_fit_inside_the_range_says_nothing(overconfident):
    notes = []
    fit_temperatures(overconfident, on_note=notes.append)
    assert notes == []
