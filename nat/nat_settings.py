"""How Neural Architecture Transfer is run: its settings, and those of the papers as presets.

Sources: Z. Lu et al., "Neural Architecture Transfer", TPAMI 2021, arXiv 2005.05859; A. Chebykin,
T. Alderliesten, P. A. N. Bosman, "Evolutionary Neural Cascade Search across Supernetworks", GECCO
2022, doi 10.1145/3512290.3528749.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias, get_args

from ..errors import SearchError
from .augment import Augmentation
from .learning import Training

Proposer: TypeAlias = Literal["surrogate", "random"]

SMALLEST_ARCHIVE = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class NatSettings:
    """How a run goes.

    Args:
        iterations: rounds after that of the random subnets.
        archive_size: random subnets to begin with, the smallest and the largest among them.
        n_new: candidates that each round adds to the archive; 0: each round chooses
            `archive_size` subnets anew, from the archive and the candidates, and evaluates them
            all with the new weights.
        evaluations: of the surrogate in each round.
        proposer: what finds each round's new subnets: a surrogate that is searched, or chance,
            to hold the former against.
        epochs: that each round trains the chosen subnets; 0: the weights stay as they are.
        warm_up_epochs: of the sandwich rule, before all rounds.
        n_averaged: the weights that subnets are evaluated with are means over so many last rounds,
            as far as there are any (SWA); 0 or 1: those of the last epoch.
        calibration_batches: of training samples, for BatchNorm's statistics.
        calibration_batch_size: their size.
        warm_up: how weights are trained before all rounds.
        training: how they are trained in the rounds.

    Raises:
        SearchError: a number makes no sense.
    """

    iterations: int
    archive_size: int
    n_new: int = 0
    evaluations: int = 10_000
    proposer: Proposer = "surrogate"
    epochs: int = 5
    warm_up_epochs: int = 0
    n_averaged: int = 20
    calibration_batches: int = 20
    calibration_batch_size: int = 100
    warm_up: Training = field(default_factory=Training)
    training: Training = field(default_factory=Training)

    def __post_init__(self) -> None:
        least = {
            "iterations": 0,
            "archive_size": SMALLEST_ARCHIVE,
            "n_new": 0,
            "evaluations": 1,
            "epochs": 0,
            "warm_up_epochs": 0,
            "n_averaged": 0,
            "calibration_batches": 1,
            "calibration_batch_size": 2,
        }
        faults = [
            f"{name} must be at least {bound}, got {getattr(self, name)}"
            for name, bound in least.items()
            if getattr(self, name) < bound
        ]
        if self.proposer not in get_args(Proposer):
            known = " or ".join(get_args(Proposer))
            faults.append(f"proposer must be {known}, got {self.proposer!r}")
        if self.epochs == 0 and self.n_new == 0:
            faults.append("n_new must be at least 1 where epochs is 0: nothing else would change")
        if faults:
            raise SearchError(*faults, where="settings")

    @property
    def trains(self) -> bool:
        """Whether weights are changed at all."""
        return self.epochs > 0 or self.warm_up_epochs > 0

    @property
    def n_calibration(self) -> int:
        """Samples that BatchNorm's statistics come from."""
        return self.calibration_batches * self.calibration_batch_size


_TRANSFER = Training(
    batch_size=96, augmentation=Augmentation(min_area=0.08, mirror=True, cutmix=0.5)
)
_CIFAR = NatSettings(iterations=30, archive_size=300, epochs=5, training=_TRANSFER)
_SMALL = Training(learning_rate=0.05, clip=5.0, augmentation=Augmentation(shift=0.1))
PRESETS: Mapping[str, NatSettings] = {
    "cifar10": _CIFAR,
    "cifar100": _CIFAR,
    "imagenet": NatSettings(
        iterations=15, archive_size=150, n_new=30, evaluations=2_000, epochs=0, n_averaged=0
    ),
    # Ours, for the small supernetworks on two processor cores.
    "small": NatSettings(
        iterations=8,
        archive_size=40,
        evaluations=2_000,
        epochs=2,
        warm_up_epochs=30,
        n_averaged=3,
        calibration_batches=5,
        warm_up=_SMALL,
        training=_SMALL,
    ),
}
