from dataclasses import replace

import pytest

from encas.fronts.certificates import AccuracyCertificate, DropCertificate

ACCURACY = AccuracyCertificate(pool="val", n_samples=200, n_correct=190, risk=0.05, at_least=0.912)
DROP = DropCertificate(
    pool="val",
    n_samples=200,
    n_lost=4,
    n_gained=6,
    reference_model="dear",
    max_drop=0.01,
    risk=0.05,
    level=0.025,
    p_value=0.0123,
    n_tests=3,
    n_candidates=40,
)


def test_accuracy_certificate_says_the_bound_and_its_risk():
    assert str(ACCURACY) == (
        "certified on val (n = 200): accuracy at least 0.9120 at risk 0.05 (190 right answers)"
    )


def test_accuracy_certificate_as_json_has_every_number():
    assert ACCURACY.to_json() == {
        "kind": "accuracy",
        "method": "Clopper-Pearson lower bound",
        "pool": "val",
        "n_samples": 200,
        "n_correct": 190,
        "risk": 0.05,
        "accuracy_at_least": 0.912,
    }


def test_drop_certificate_says_what_was_lost_and_gained():
    assert str(DROP) == (
        "certified on val (n = 200): at most 0.01 below the accuracy of dear at risk 0.05 "
        "(0.025 in the population); measured drop -0.0100: 4 lost, 6 gained, p = 0.012"
    )


@pytest.mark.parametrize(("level", "is_said"), [(0.05, False), (0.049, True)])
def test_drop_certificate_says_the_risk_in_the_population_where_it_is_another(level, is_said):
    assert ("in the population" in str(replace(DROP, level=level))) is is_said


def test_drop_certificate_as_json_has_every_number():
    content = DROP.to_json()
    assert content["drop"] == (4 - 6) / 200
    assert (content["n_lost"], content["n_gained"]) == (4, 6)
    assert (content["risk"], content["population_risk"]) == (0.05, 0.025)
    assert (content["n_tests"], content["n_candidates"], content["p_value"]) == (3, 40, 0.0123)
    assert (content["kind"], content["reference_model"], content["max_drop"]) == (
        "drop",
        "dear",
        0.01,
    )
