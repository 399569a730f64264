"""A supernetwork that is adapted round by round, and the averaged weights it is judged by.

Source: P. Izmailov, D. Podoprikhin, T. Garipov, D. Vetrov, A. G. Wilson, "Averaging Weights Leads
to Wider Optima and Better Generalization", UAI 2018, arXiv 1803.05407 (SWA).
"""

from __future__ import annotations

import copy
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ..state import State, joined, part_of
from .design import Architecture
from .learning import Learner, Rng, one_of, sandwich
from .nat_settings import NatSettings
from .sample_table import SampleTable
from .supernet import Supernet


class Adaptation:
    """The weights of a supernetwork through warm-up and rounds.

    Args:
        supernet: is trained in place, on the device of the samples.
        train: samples to train on.
        settings: how.
        n_rounds: rounds that are trained, the first one included.
    """

    def __init__(
        self, supernet: Supernet, train: SampleTable, settings: NatSettings, *, n_rounds: int
    ) -> None:
        self.supernet = supernet
        self._settings = settings
        self._n_rounds = n_rounds
        self._warming = Learner(supernet, train, settings.warm_up)
        self._learner = Learner(supernet, train, settings.training)
        self._is_warm = settings.warm_up_epochs == 0
        self._mean: dict[str, Tensor] = {}
        self._n_averaged = 0
        self._settled = supernet if settings.epochs == 0 else copy.deepcopy(supernet)

    @property
    def settled(self) -> Supernet:
        """The supernetwork with the weights that subnets are judged by, since `settle`."""
        return self._settled

    def warm_up(self, epoch: int, rng: Rng) -> float:
        """One epoch of the sandwich rule; returns its loss."""
        n = self._settings.warm_up_epochs
        lesson = sandwich(self.supernet.space)
        loss = self._warming.epoch(lesson, start=epoch / n, end=(epoch + 1) / n, rng=rng)
        self._is_warm = epoch + 1 == n
        return loss

    def learn(self, chosen: Sequence[Architecture], *, turn: int, epoch: int, rng: Rng) -> float:
        """One epoch on the chosen subnets; returns its loss.

        Args:
            chosen: each batch trains one of them.
            turn: of the rounds, from 0.
            epoch: of this round, from 0.
            rng: all randomness.
        """
        total = self._n_rounds * self._settings.epochs
        done = turn * self._settings.epochs + epoch
        return self._learner.epoch(
            one_of(chosen), start=done / total, end=(done + 1) / total, rng=rng
        )

    def settle(self, turn: int) -> None:
        """Ends the training of a round: its weights enter the mean, if it is one of the last."""
        if self._settings.epochs == 0:
            return
        if turn >= self._n_rounds - self._settings.n_averaged:
            self._average()
        self._show()

    def state(self) -> State:
        """Weights, momenta and means as plain arrays."""
        learner = self._learner if self._is_warm else self._warming
        own = {"is_warm": np.array(self._is_warm), "n_averaged": np.array(self._n_averaged)}
        mean = {name: tensor.cpu().numpy().copy() for name, tensor in self._mean.items()}
        return joined({"own": own, "mean": mean, "learner": learner.state()})

    def restore(self, state: State) -> None:
        """Takes a state back."""
        own, mean = part_of(state, "own"), part_of(state, "mean")
        self._is_warm = bool(own["is_warm"])
        self._n_averaged = int(own["n_averaged"])
        learner = self._learner if self._is_warm else self._warming
        learner.restore(part_of(state, "learner"))
        device = next(self.supernet.module.parameters()).device
        self._mean = {name: torch.tensor(array, device=device) for name, array in mean.items()}
        self._show()

    def _average(self) -> None:
        weights = self.supernet.module.state_dict()
        if not self._n_averaged:
            self._mean = {name: tensor.clone() for name, tensor in weights.items()}
        for name, tensor in weights.items():
            if tensor.is_floating_point() and self._n_averaged:
                self._mean[name] += (tensor - self._mean[name]) / (self._n_averaged + 1)
        self._n_averaged += 1

    def _show(self) -> None:
        if self._settled is not self.supernet:
            weights = self._mean or self.supernet.module.state_dict()
            self._settled.module.load_state_dict(weights)
            self._settled.module.eval()
