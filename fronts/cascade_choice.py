"""The one cascade that a user chooses of a front, with all there is to say of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from ..class_names import OnNote, unnoted
from ..errors import FrontError
from ..evaluate.class_metrics import TOP1
from ..intervals import wilson_interval
from ..latency import LatencyProfile
from ..pools.pool import Pool
from ..pools.pool_classes import in_classes_of
from .certificates import AccuracyCertificate, DropCertificate
from .front import Front
from .front_answers import FrontAnswers
from .scored_cascade import ScoredCascade
from .scoring import evaluate_front
from .selection import cost_text
from .trade_off import TradeOff, neighbours


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """What a certificate is asked for.

    Args:
        pool: a split that had no part in the search.
        risk: the probability, at most, that the certificate is wrong.
        max_drop: certify that the accuracy is at most so far below the reference's, and choose
            the thresholds for that; None certifies the accuracy of the cascade as it is.
        reference_model: a model of the pool; by default the best single one of the search split.
        population_only: see `certify.certify_drop`.
        profile: measured times, for a latency front.
    """

    pool: Pool
    risk: float = 0.05
    max_drop: float | None = None
    reference_model: str | None = None
    population_only: bool = False
    profile: LatencyProfile | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CascadeChoice:
    """A chosen cascade.

    Args:
        front: holds the chosen cascade alone; with certified thresholds, on the split of the
            certificate.
        index: its place in the front that it was chosen from.
        size: cascades of that front.
        cheaper: the step to the next cheaper one there, None where there is none.
        better: the step to the next more accurate one there.
        certificate: what a held-out split proves, None where none was asked.
        answers: those of the front that it was chosen from, None where it has none.
    """

    front: Front
    index: int
    size: int
    cheaper: TradeOff | None
    better: TradeOff | None
    certificate: AccuracyCertificate | DropCertificate | None = None
    answers: FrontAnswers | None = None

    @property
    def scored(self) -> ScoredCascade:
        """The chosen cascade."""
        return self.front.cascades[0]

    @property
    def interval(self) -> tuple[float, float] | None:
        """The 95 % Wilson interval of the accuracy; None where the error is another metric."""
        if self.front.metric != TOP1:
            return None
        n_samples = self.front.pool.n_samples
        return wilson_interval(round(self.scored.accuracy * n_samples), n_samples)

    def to_json(self) -> dict[str, Any]:
        """The choice as a JSON object: the cascade as in a front, and the rest."""
        content = self.front.to_json()["cascades"][0] | {
            "index": self.index,
            "accuracy": self.scored.accuracy,
            "interval": list(self.interval) if self.interval else None,
            "n_samples": self.front.pool.n_samples,
            "objective": self.front.objectives[1],
            "trade_offs": {
                "cheaper": self.cheaper.to_json() if self.cheaper else None,
                "better": self.better.to_json() if self.better else None,
            },
        }
        if self.certificate is not None:
            content["certificate"] = self.certificate.to_json()
        if self.answers is not None:
            content["answers"] = self.answers.to_json()
        return content

    def lines(self) -> list[str]:
        """The choice for people."""
        scored, n_samples = self.scored, self.front.pool.n_samples
        interval = "{:.4f} .. {:.4f}, ".format(*self.interval) if self.interval else ""
        lines = [
            f"cascade {self.index} of {self.size}: accuracy {scored.accuracy:.4f} "
            f"({interval}n = {n_samples}) at {cost_text(scored.cost, self.front.objectives[1])}"
        ]
        for j, member in enumerate(scored.cascade.members):
            exits = "answers the rest"
            if j < len(scored.cascade.thresholds):
                exits = f"leaves above {scored.cascade.thresholds[j]:g}"
            lines.append(f"  stage {j + 1}: {member}, run by {scored.reach[j]:.1%}, {exits}")
        lines += [f"  {step}" for step in (self.cheaper, self.better) if step is not None]
        if self.certificate is not None:
            lines.append(str(self.certificate))
        return [*lines, *(self.answers.lines() if self.answers is not None else ())]


def make_choice(
    front: Front, *, demand: Demand | None = None, on_note: OnNote = unnoted, **limits: Any
) -> CascadeChoice:
    """Chooses the cascade that fits best and certifies it where that is asked for.

    Args:
        front: what to choose from.
        demand: the certificate.
        on_note: hears how the classes of the certificate's split were matched.
        **limits: those of `selection.choose`.

    Raises:
        FrontError: nothing fits, or nothing can be certified, or the certificate's split is the
            one that was searched.
        PoolError: the split lacks a model, or has other classes.
    """
    index = front.index_of(**limits)
    cheaper, better = neighbours(front, index)
    alone = front.with_cascades([front.cascades[index]])
    certificate = None
    if demand is not None:
        alone, certificate = _certified(alone, demand, on_note)
    return CascadeChoice(
        front=alone,
        index=index,
        size=len(front.cascades),
        cheaper=cheaper,
        better=better,
        certificate=certificate,
        answers=front.answers,
    )


def _certified(
    alone: Front, demand: Demand, on_note: OnNote
) -> tuple[Front, AccuracyCertificate | DropCertificate]:
    from .certify import certify_accuracy, certify_drop  # noqa: PLC0415 - needs scipy

    _check_split(alone, demand.pool)
    pool = in_classes_of(demand.pool, alone.pool.class_names, on_note=on_note)
    cascade = alone.cascades[0].cascade
    certificate: AccuracyCertificate | DropCertificate
    if demand.max_drop is None:
        certificate = certify_accuracy(cascade, pool, risk=demand.risk)
    else:
        cascade, certificate = certify_drop(
            cascade,
            pool,
            reference_model=demand.reference_model or _best_single_model(alone),
            max_drop=demand.max_drop,
            risk=demand.risk,
            population_only=demand.population_only,
        )
        chosen = alone.with_cascades([replace(alone.cascades[0], cascade=cascade)])
        alone = evaluate_front(chosen, pool, profile=demand.profile)
    search = dict(alone.search) | {"certificate": certificate.to_json()}
    return replace(alone, search=search), certificate


def _check_split(front: Front, pool: Pool) -> None:
    if front.metric != TOP1:
        raise FrontError(f"a certificate is of top-1 accuracy; the front's error is {front.metric}")
    if pool.sha256 in (front.pool.sha256, front.search.get("searched_sha256")):
        raise FrontError(
            f"the certificate needs samples that had no part in the search, but the front was "
            f"searched or scored on this very pool, {pool.name}; give another split"
        )


def _best_single_model(front: Front) -> str:
    best = front.search.get("best_single_model")
    if not isinstance(best, str):
        raise FrontError(
            "the front does not say which single model was best on its search split; name a "
            "reference with --reference-model"
        )
    return best
