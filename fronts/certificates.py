"""What a held-out split proves of a cascade, as values; certify.py makes them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyCertificate:
    """The accuracy is at least `at_least`, unless something of probability `risk` happened.

    Args:
        pool: the name of the split.
        n_samples: its samples.
        n_correct: right answers among them.
        risk: the probability, at most, that the claim is wrong.
        at_least: the Clopper-Pearson lower bound.
    """

    pool: str
    n_samples: int
    n_correct: int
    risk: float
    at_least: float

    def to_json(self) -> dict[str, Any]:
        """The certificate as a JSON object."""
        return {
            "kind": "accuracy",
            "method": "Clopper-Pearson lower bound",
            "pool": self.pool,
            "n_samples": self.n_samples,
            "n_correct": self.n_correct,
            "risk": self.risk,
            "accuracy_at_least": self.at_least,
        }

    def __str__(self) -> str:
        return (
            f"certified on {self.pool} (n = {self.n_samples}): accuracy at least "
            f"{self.at_least:.4f} at risk {self.risk:g} ({self.n_correct} right answers)"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DropCertificate:
    """The accuracy is at most `max_drop` below the reference's, at the stated risk.

    Args:
        pool: the name of the split.
        n_samples: its samples.
        n_lost: samples that only the reference answers rightly.
        n_gained: samples that only the cascade answers rightly.
        reference_model: the single model that it is compared with.
        max_drop: the drop that is excluded.
        risk: the probability, at most, that the claim is wrong.
        level: of the tests; the risk that it is wrong of the population.
        p_value: of the last hypothesis that was rejected.
        n_tests: threshold vectors that passed, of `n_candidates`.
        n_candidates: threshold vectors from safe to cheap.
    """

    pool: str
    n_samples: int
    n_lost: int
    n_gained: int
    reference_model: str
    max_drop: float
    risk: float
    level: float
    p_value: float
    n_tests: int
    n_candidates: int

    def to_json(self) -> dict[str, Any]:
        """The certificate as a JSON object."""
        return {
            "kind": "drop",
            "method": "Learn-then-Test, fixed sequence, exact unconditional test",
            "pool": self.pool,
            "n_samples": self.n_samples,
            "n_lost": self.n_lost,
            "n_gained": self.n_gained,
            "drop": (self.n_lost - self.n_gained) / self.n_samples,
            "reference_model": self.reference_model,
            "max_drop": self.max_drop,
            "risk": self.risk,
            "population_risk": self.level,
            "p_value": self.p_value,
            "n_tests": self.n_tests,
            "n_candidates": self.n_candidates,
        }

    def __str__(self) -> str:
        drop = (self.n_lost - self.n_gained) / self.n_samples
        population = f" ({self.level:.2g} in the population)" if self.level < self.risk else ""
        return (
            f"certified on {self.pool} (n = {self.n_samples}): at most {self.max_drop:g} below the "
            f"accuracy of {self.reference_model} at risk {self.risk:g}{population}; measured drop "
            f"{drop:+.4f}: {self.n_lost} lost, {self.n_gained} gained, p = {self.p_value:.2g}"
        )
