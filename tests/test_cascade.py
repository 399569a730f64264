import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from encas.cascade import Cascade, confidence_of, decide, exits, reach_of, softmax
from encas.errors import CascadeError


def loop_oracle(cascade: Cascade, probabilities: np.ndarray) -> list[tuple[int, int]]:
    """The definition, sample by sample: (label, stage)."""
    answers = []
    for sample in range(probabilities.shape[1]):
        total = np.zeros(probabilities.shape[2], np.float32)
        for j in range(cascade.n_stages):
            total = total + probabilities[j, sample]
            mean = total / np.float32(j + 1)
            is_last = j == cascade.n_stages - 1
            if is_last or mean.max() > np.float32(cascade.thresholds[j]):
                answers.append((int(mean.argmax()), j + 1))
                break
    return answers


def run(cascade: Cascade, probabilities: np.ndarray):
    return decide(cascade, lambda j, rows: probabilities[j][rows], n_samples=probabilities.shape[1])


@st.composite
def cascades_with_outputs(draw):
    n_stages = draw(st.integers(1, 4))
    shape = (n_stages, draw(st.integers(1, 12)), draw(st.integers(1, 6)))
    # Few distinct values: ties between classes and confidences on a threshold are common.
    logits = draw(arrays(np.float32, shape, elements=st.sampled_from([0.0, 1.0, 2.0, 4.0])))
    genes = draw(st.lists(st.integers(0, 50), min_size=n_stages - 1, max_size=n_stages - 1))
    names = tuple(f"m{j}" for j in range(n_stages))
    return Cascade(members=names, thresholds=tuple(0.02 * g for g in genes)), softmax(logits)


@settings(max_examples=200, deadline=None)
@given(cascades_with_outputs())
def test_decide_any_cascade_equals_loop_oracle(case):
    cascade, probabilities = case
    decision = run(cascade, probabilities)
    assert list(zip(decision.label, decision.stage, strict=True)) == loop_oracle(
        cascade, probabilities
    )


def test_decide_confidence_equal_to_threshold_goes_on():
    probabilities = np.array([[[0.5, 0.5]], [[0.0, 1.0]]], np.float32)
    decision = run(Cascade(members=("a", "b"), thresholds=(0.5,)), probabilities)
    assert decision.stage.tolist() == [2]
    assert decision.label.tolist() == [1]


def test_decide_threshold_one_is_an_ensemble(rng):
    probabilities = softmax(rng.normal(size=(3, 50, 4)).astype(np.float32))
    decision = run(Cascade(members=("a", "b", "c"), thresholds=(1.0, 1.0)), probabilities)
    assert (decision.stage == 3).all()
    np.testing.assert_allclose(decision.probabilities, probabilities.mean(axis=0), rtol=1e-6)


def test_decide_threshold_zero_stops_at_once(rng):
    probabilities = softmax(rng.normal(size=(2, 50, 4)).astype(np.float32))
    decision = run(Cascade(members=("a", "b"), thresholds=(0.0,)), probabilities)
    assert (decision.stage == 1).all()
    np.testing.assert_array_equal(decision.probabilities, probabilities[0])


def test_decide_nan_row_is_never_confident():
    probabilities = np.array([[[np.nan, np.nan], [0.9, 0.1]], [[0.3, 0.7], [0.3, 0.7]]], np.float32)
    decision = run(Cascade(members=("a", "b"), thresholds=(0.0,)), probabilities)
    assert decision.stage.tolist() == [2, 1]


def test_decide_no_samples_is_legal():
    asked = []

    def outputs(j, rows):
        asked.append(j)
        return np.empty((len(rows), 3), np.float32)

    decision = decide(Cascade(members=("a", "b"), thresholds=(0.5,)), outputs, n_samples=0)
    assert decision.probabilities.shape == (0, 3)
    assert asked == [0]


def test_decide_asks_members_only_for_survivors(rng):
    probabilities = softmax(rng.normal(size=(2, 20, 3)).astype(np.float32) * 3)
    asked = {}

    def outputs(j, rows):
        asked[j] = rows.copy()
        return probabilities[j][rows]

    decision = decide(Cascade(members=("a", "b"), thresholds=(0.8,)), outputs, n_samples=20)
    np.testing.assert_array_equal(asked[1], np.flatnonzero(decision.stage == 2))


def test_decide_replace_answers_with_newest_member(rng):
    probabilities = softmax(rng.normal(size=(2, 20, 3)).astype(np.float32))
    cascade = Cascade(members=("a", "b"), thresholds=(0.6,), combine="replace")
    decision = run(cascade, probabilities)
    rows = np.arange(20)
    np.testing.assert_array_equal(decision.probabilities, probabilities[decision.stage - 1, rows])


def test_decide_wrong_output_shape_is_refused():
    with pytest.raises(CascadeError, match=r"b: expected probabilities \[1, 2\], got \(1, 3\)"):
        decide(
            Cascade(members=("a", "b"), thresholds=(1.0,)),
            lambda j, rows: np.full((len(rows), 2 + j), 0.5, np.float32),
            n_samples=1,
        )


@pytest.mark.parametrize("shape", [(2,), (2, 3, 1)])
@pytest.mark.parametrize("place", [0, 1])
def test_decide_outputs_that_are_no_rows_are_refused(shape, place):
    def outputs(j, rows):
        return np.full(shape if j == place else (len(rows), 3), 0.3, np.float32)

    wanted = re.escape(
        f"expected probabilities [2, {'n_classes' if place == 0 else 3}], got {shape}"
    )
    with pytest.raises(CascadeError, match=f"{'ab'[place]}: {wanted}"):
        decide(Cascade(members=("a", "b"), thresholds=(1.0,)), outputs, n_samples=2)


@pytest.mark.parametrize(
    ("confidence", "expected"),
    [
        ("max_probability", 0.7),
        ("margin", 0.5),
        ("logit_gap", 1 - 0.2 / 0.7),
        ("entropy", 1 + sum(p * np.log(p) for p in (0.7, 0.2, 0.1)) / np.log(3)),
    ],
)
def test_confidence_of_each_kind_is_its_formula(confidence, expected):
    answers = np.array([[0.2, 0.7, 0.1]], np.float32)
    assert confidence_of(answers, confidence) == pytest.approx([expected], abs=1e-6)


@pytest.mark.parametrize("confidence", ["max_probability", "margin", "entropy", "logit_gap"])
def test_confidence_of_one_class_is_its_probability(confidence):
    assert confidence_of(np.ones((2, 1), np.float32), confidence).tolist() == [1, 1]


def test_entropy_certain_answer_is_one():
    assert confidence_of(np.array([[1.0, 0, 0]], np.float32), "entropy").tolist() == [1]


def test_margin_and_logit_gap_of_many_classes_are_those_of_the_two_largest(rng):
    answers = softmax(rng.normal(size=(100, 40)).astype(np.float32))
    second, first = np.sort(answers, axis=1)[:, -2:].T
    np.testing.assert_array_equal(confidence_of(answers, "margin"), first - second)
    np.testing.assert_allclose(confidence_of(answers, "logit_gap"), 1 - second / first, atol=1e-6)


def test_softmax_is_taken_over_the_last_axis_and_of_large_logits():
    logits = np.array([[[1000.0, 1000.0]], [[0.0, np.log(3)]]], np.float32)
    np.testing.assert_allclose(softmax(logits), [[[0.5, 0.5]], [[0.25, 0.75]]], rtol=1e-6)
    np.testing.assert_allclose(softmax(logits[:, 0]), [[0.5, 0.5], [0.25, 0.75]], rtol=1e-6)


def test_exits_last_stage_lets_everyone_leave():
    answers = np.array([[np.nan, np.nan]], np.float32)
    assert exits(answers, None, confidence="max_probability").tolist() == [True]


def test_reach_of_counts_those_who_run_each_stage():
    assert reach_of(np.array([1, 1, 2, 3]), n_stages=3).tolist() == [1.0, 0.5, 0.25]


@pytest.mark.parametrize(
    ("stage", "reach"), [([1, 1], [1, 0, 0]), ([2, 1], [1, 0.5, 0]), ([3], [1, 1, 1])]
)
def test_reach_of_stages_that_nobody_runs_is_zero(stage, reach):
    assert reach_of(np.array(stage), n_stages=3).tolist() == reach


def test_cascade_as_text_has_each_threshold_after_its_member():
    cascade = Cascade(members=("a", "b", "c"), thresholds=(0.5, 0.125))
    assert str(cascade) == "a (0.5) > b (0.125) > c"


def test_cascade_faults_come_all_at_once():
    with pytest.raises(CascadeError, match="3 faults") as caught:
        Cascade(members=("a", "a"), thresholds=(1.3,), confidence="maximum")  # type: ignore[arg-type]
    assert "stage 1: threshold must be in [0, 1], got 1.3" in str(caught.value)
    assert "each member runs at most once" in str(caught.value)
    assert "confidence must be one of" in str(caught.value)


@pytest.mark.parametrize(
    ("members", "thresholds", "match"),
    [
        ((), (), "at least one member"),
        (("a", "b"), (), "2 members need 1 thresholds, got 0"),
        (("a", "b"), (float("nan"),), "threshold must be in"),
        (("",), (), "non-empty"),
    ],
)
def test_cascade_bad_values_are_refused(members, thresholds, match):
    with pytest.raises(CascadeError, match=match):
        Cascade(members=members, thresholds=thresholds)


def test_cascade_unknown_combine_is_refused():
    with pytest.raises(CascadeError, match="combine must be one of mean, replace"):
        Cascade(members=("a",), thresholds=(), combine="sum")  # type: ignore[arg-type]
