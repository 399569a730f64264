"""Certificates on 16 real CIFAR-10 networks: is the stated risk kept, and how much speed is left?

Cascades are searched and chosen on the 3,000 validation images. These and the 3,000 test images
together are then taken for the population: for a fixed cascade they are as good as any. A thousand
times, thresholds are certified to lose at most --max-drop of accuracy against the best single
network, at risk --risk, on

* half of the images, judged on the other half: what somebody who measures it again will see;
* the same half with --population-only, judged on the population and on the other half;
* 3,000 images drawn with replacement with --population-only, judged on the population: the very
  setting of the theorem.

Claim: violations are at most the risk, up to binomial noise (99.9 %), except for population-only
certificates judged on the other half, which do not promise that. Those of the Clopper-Pearson bound
of accuracy, judged on the population, are, too. The speed-up is the reference's MACs over the
cascade's on the images that judge. Other valid tests, on the same splits, leave less of it.

    python benchmarks/cifar_certificates.py --data ../shared/data --splits 1000
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from cifar10 import arguments, load, machine
from scipy.stats import binom

from encas.cascade import Cascade
from encas.evaluate.stage_table import StageTable
from encas.fronts.accuracy_drop import clopper_pearson, is_drop_small
from encas.fronts.certify import fixed_sequence, level_for_another_split, threshold_path
from encas.pools.pool import Pool
from encas.search.front_finding import find_front

Decision = Callable[[int, int], bool]
# The chosen cascades: the cheapest that are so much more accurate than the best network, on val.
MARGINS = (0.0, 0.01, 0.02)
N_CHECKED, N_FOR_OTHER_TESTS = 10, 100
NOISE = 0.999


@dataclass(frozen=True, kw_only=True)
class Case:
    """A cascade on the population, at every threshold vector of its path."""

    cascade: Cascade
    path: list[tuple[float, ...]]
    table: StageTable
    right: np.ndarray
    macs: np.ndarray
    reference: np.ndarray
    reference_macs: float

    @classmethod
    def of(cls, cascade: Cascade, population: Pool, reference_model: str) -> Case:
        """The table of a cascade's path on the population."""
        path = threshold_path(cascade.thresholds)
        table = StageTable.of(cascade, population)
        macs = np.cumsum([population.costs("macs")[population.index(m)] for m in cascade.members])
        index = population.index(reference_model)
        return cls(
            cascade=cascade,
            path=path,
            table=table,
            right=np.stack([table.right(thresholds) for thresholds in path]),
            macs=np.stack([macs[table.stage(thresholds)] for thresholds in path]),
            reference=population.probabilities(index).argmax(axis=1) == population.label,
            reference_macs=float(population.costs("macs")[index]),
        )

    def passed(self, rows: np.ndarray, is_small: Decision) -> int:
        """How many threshold vectors pass on `rows`, as `certify.fixed_sequence` counts them."""
        reference, right = self.reference[rows], self.right[:, rows]
        lost = (reference & ~right).sum(axis=1).tolist()
        gained = (right & ~reference).sum(axis=1).tolist()
        for i, (x, y) in enumerate(zip(lost, gained, strict=True)):
            if not is_small(x, y):
                return i
        return len(self.path)

    def drop(self, passed: int, rows: np.ndarray | slice = slice(None)) -> float:
        """What the last one that passed loses on `rows`."""
        return self.reference[rows].mean() - self.right[passed - 1, rows].mean()

    def speed_up(self, passed: int, rows: np.ndarray | slice = slice(None)) -> float:
        """The reference's MACs over those of the last one that passed, on `rows`."""
        return self.reference_macs / self.macs[passed - 1, rows].mean()


@dataclass(frozen=True, kw_only=True)
class Splits:
    """Rows to certify on, and, of halves, rows to judge on."""

    halves: list
    drawn: list

    @classmethod
    def of(cls, n: int, n_splits: int, rng: np.random.Generator) -> Splits:
        """Random halves of n rows, and as many rows drawn with replacement."""
        return cls(
            halves=[np.split(rng.permutation(n), [n // 2]) for _ in range(n_splits)],
            drawn=[rng.integers(n, size=n // 2) for _ in range(n_splits)],
        )


def together(first: Pool, second: Pool) -> Pool:
    outputs = [np.concatenate(pair) for pair in zip(first.outputs, second.outputs, strict=True)]
    label = np.concatenate((first.label, second.label))
    return Pool.of(outputs=outputs, label=label, models=first.models, name="cifar10-val+test")


def certified(case: Case, draws: list, decide: Decision, max_drop: float) -> dict:
    """What thresholds certified on the first of each pair of rows do on the second."""
    drops, speed_ups = [], []
    for rows, judges in draws:
        passed = case.passed(rows, decide)
        drops.append(case.drop(passed, judges) if passed else -np.inf)
        speed_ups.append(case.speed_up(passed, judges) if passed else np.nan)
    found = np.array(speed_ups)[~np.isnan(speed_ups)]
    quantiles = np.quantile(found, (0.05, 0.5, 0.95)).tolist() if len(found) else None
    return {
        "splits": len(draws),
        "certified": len(found),
        "violations": int((np.array(drops) > max_drop).sum()),
        "speed_up_5_50_95_percent": quantiles,
    }


def exact_test(n: int, max_drop: float, level: float) -> Decision:
    """What `certify_drop` uses."""
    return lambda x, y: is_drop_small(x, y, n, max_drop=max_drop, level=level)


def hoeffding_bentkus(n: int, max_drop: float, level: float) -> Decision:
    """Bates et al. 2021 (arXiv 2101.02703), for losses in [0, 1]: (1 + lost - gained) / 2."""
    limit = (1 + max_drop) / 2

    @cache
    def is_small(lost: int, gained: int) -> bool:
        mean = min((n + lost - gained) / (2 * n), limit)
        rest = (1 - mean) * np.log((1 - mean) / (1 - limit))
        hoeffding = np.exp(-n * (mean * np.log(mean / limit) + rest))
        bentkus = np.e * binom.cdf(np.ceil(n * mean), n, limit)
        return min(hoeffding, bentkus) <= level

    return is_small


def betting(n: int, max_drop: float, level: float) -> Decision:
    """A mixture of bets (Waudby-Smith, Ramdas 2024, arXiv 2010.09686): p = 1 / mean capital."""
    bets = np.linspace(0.001, 0.999, 999) / (1 - max_drop)
    factors = [np.log(1 + bets * (max_drop - loss)) for loss in (1, -1, 0)]

    @cache
    def is_small(lost: int, gained: int) -> bool:
        counts = (lost, gained, n - lost - gained)
        log_capital = sum(c * f for c, f in zip(counts, factors, strict=True))
        return np.logaddexp.reduce(log_capital) - np.log(len(bets)) >= -np.log(level)

    return is_small


def bound_violations(case: Case, drawn: list, risk: float) -> int:
    """How often the lower bound of the cascade's own accuracy is above the population's."""
    right = case.table.right(case.cascade.thresholds)
    bounds = [clopper_pearson(int(right[r].sum()), len(r), risk=risk)[0] for r in drawn]
    return int((np.array(bounds) > right.mean()).sum())


def measured(case: Case, splits: Splits, limits: dict[str, float]) -> dict:
    """One cascade in all settings."""
    risk, max_drop = limits["risk"], limits["max_drop"]
    n, everyone = len(splits.halves[0][0]), slice(None)
    exact = exact_test(n, max_drop, risk)
    for rows, _ in splits.halves[:N_CHECKED]:
        split = (case.path, case.table.take(rows), case.reference[rows])
        assert case.passed(rows, exact) == fixed_sequence(*split, max_drop=max_drop, level=risk)
    safer = exact_test(n, max_drop, level_for_another_split(risk))
    halves = [(rows, everyone) for rows, _ in splits.halves]
    drawn = [(rows, everyone) for rows in splits.drawn]
    tests = {f.__name__: f(n, max_drop, risk) for f in (exact_test, hoeffding_bentkus, betting)}
    own = case.path.index(tuple(np.round(case.cascade.thresholds, 6).tolist())) + 1
    return {
        "members": list(case.cascade.members),
        "as_chosen": {"drop": case.drop(own), "speed_up": case.speed_up(own)},
        "other_half": certified(case, splits.halves, safer, max_drop),
        "population_only": {
            "half": certified(case, halves, exact, max_drop),
            "drawn": certified(case, drawn, exact, max_drop),
            "other_half_unpromised": certified(case, splits.halves, exact, max_drop),
            "by_test": {
                name: certified(case, halves[:N_FOR_OTHER_TESTS], test, max_drop)
                for name, test in tests.items()
            },
        },
        "accuracy_bound_violations": bound_violations(case, splits.drawn, risk),
    }


def main() -> None:
    given = arguments(__doc__, splits=1000, evaluations=20_000, max_drop=0.01, risk=0.05, seed=1)
    val = load(given.data, "val")
    population = together(val, load(given.data, "test"))
    front = find_front(val, evaluations=given.evaluations, seed=given.seed)
    reference = front.search["best_single_model"]
    best = (val.probabilities(val.index(reference)).argmax(axis=1) == val.label).mean()
    limits = {"max_drop": given.max_drop, "risk": given.risk}
    splits = Splits.of(population.n_samples, given.splits, np.random.default_rng(given.seed))
    rows = {}
    for margin in MARGINS:
        cascade = front.cascades[front.index_of(min_accuracy=best + margin)].cascade
        case = Case.of(cascade, population, reference)
        rows[f"{margin:+g} over the best network"] = measured(case, splits, limits)
    result = {
        "machine": machine(),
        "population": population.n_samples,
        "certified_on": population.n_samples // 2,
        "reference_model": reference,
        **limits,
        "search": {key: front.search[key] for key in ("algorithm", "evaluations", "seed")},
    }
    print(json.dumps(result | {"cascades": rows}, indent=2))
    allowed = binom.ppf(NOISE, given.splits, given.risk)
    for row in rows.values():
        assert row["other_half"]["violations"] <= allowed
        assert row["population_only"]["half"]["violations"] <= allowed
        assert row["population_only"]["drawn"]["violations"] <= allowed
        assert row["accuracy_bound_violations"] <= allowed


if __name__ == "__main__":
    main()
