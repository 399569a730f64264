"""Trains the shared weights of a supernetwork, epoch by epoch.

Two lessons: the sandwich rule with in-place distillation, which makes a supernetwork out of random
weights, and the lesson of Neural Architecture Transfer, which adapts it to chosen subnets.

Sources: J. Yu, T. Huang, "Universally Slimmable Networks and Improved Training Techniques", ICCV
2019, arXiv 1903.05134; Z. Lu et al., "Neural Architecture Transfer", TPAMI 2021, arXiv 2005.05859.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from ..pools.models.run_settings import Precision
from ..pools.models.torch_runner import DTYPES
from ..state import State
from .augment import Augmentation, augmented
from .design import Architecture
from .sample_table import SampleTable
from .space import Space, largest, smallest
from .supernet import Supernet

Rng: TypeAlias = np.random.Generator
Forward: TypeAlias = Callable[[Architecture, Tensor], Tensor]
# Yields the losses of one batch, each of which is sent backwards before the next is asked for.
Lesson: TypeAlias = Callable[[Forward, Tensor, Tensor, Rng], Iterator[Tensor]]

MOMENTUM = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How weights are trained, by stochastic gradient descent with Nesterov's momentum.

    Args:
        batch_size: samples at once.
        learning_rate: at the start; it falls to 0 along a cosine.
        weight_decay: of all weights but biases and those of normalisations.
        label_smoothing: the share of every target that is spread over all classes.
        clip: the largest norm of a gradient; 0: any.
        augmentation: of the batches.
        precision: of the arithmetic; below float32, torch decides operator by operator.
    """

    batch_size: int = 96
    learning_rate: float = 0.01
    weight_decay: float = 4e-5
    label_smoothing: float = 0.0
    clip: float = 0.0
    augmentation: Augmentation = field(default_factory=Augmentation)
    precision: Precision = "float32"


class Learner:
    """A supernetwork that learns from a table of samples.

    Args:
        supernet: its weights are changed in place, on their device.
        table: on the same device.
        training: how.
    """

    def __init__(self, supernet: Supernet, table: SampleTable, training: Training) -> None:
        self.supernet = supernet
        self._table = table
        self._training = training
        self._device = table.x.device
        self._optimizer = torch.optim.SGD(
            _groups(supernet.module, training.weight_decay),
            lr=training.learning_rate,
            momentum=MOMENTUM,
            nesterov=True,
        )
        self._scaler = torch.amp.GradScaler(
            self._device.type, enabled=training.precision == "float16"
        )

    def epoch(self, lesson: Lesson, *, start: float, end: float, rng: Rng) -> float:
        """One pass over the samples; returns the mean of the first loss of each batch.

        Args:
            lesson: what is learnt from a batch.
            start: how far the whole training is before it, in 0..1.
            end: how far it is after it.
            rng: all randomness.
        """
        self.supernet.module.train()
        batches = torch.tensor(rng.permutation(self._table.n_samples))
        batches = batches.split(self._training.batch_size)
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        total = 0.0
        for index, rows in enumerate(batches):
            progress = start + (end - start) * index / len(batches)
            rate = self._training.learning_rate * (1 + math.cos(math.pi * progress)) / 2
            for group in self._optimizer.param_groups:
                group["lr"] = rate
            total += self._learn(lesson, rows, rng, generator)
        self.supernet.module.eval()
        return total / len(batches)

    def state(self) -> State:
        """Weights and momenta as plain arrays."""
        arrays = {f"weights.{name}": w for name, w in weights_of(self.supernet.module).items()}
        for name, parameter in self.supernet.module.named_parameters():
            momentum = self._optimizer.state[parameter].get("momentum_buffer")
            if momentum is not None:
                arrays[f"momentum.{name}"] = momentum.cpu().numpy().copy()
        scale = self._scaler.state_dict().get("scale")
        return arrays | ({} if scale is None else {"scale": np.array(scale)})

    def restore(self, state: State) -> None:
        """Takes a state back."""
        weights = {
            name.removeprefix("weights."): array
            for name, array in state.items()
            if name.startswith("weights.")
        }
        set_weights(self.supernet.module, weights)
        for name, parameter in self.supernet.module.named_parameters():
            momentum = state.get(f"momentum.{name}")
            buffer = None if momentum is None else torch.tensor(momentum, device=self._device)
            self._optimizer.state[parameter]["momentum_buffer"] = buffer
        if "scale" in state:
            self._scaler.load_state_dict(
                self._scaler.state_dict() | {"scale": float(state["scale"])}
            )

    def _learn(self, lesson: Lesson, rows: Tensor, rng: Rng, generator: torch.Generator) -> float:
        training = self._training
        targets = functional.one_hot(self._table.label[rows], self._table.n_classes).float()
        targets = targets * (1 - training.label_smoothing)
        targets = targets + training.label_smoothing / self._table.n_classes
        x, targets = augmented(self._table.batch(rows), targets, training.augmentation, generator)
        self._optimizer.zero_grad(set_to_none=True)
        first = None
        for loss in lesson(self._forward, x, targets, rng):
            self._scaler.scale(loss).backward()
            first = loss.detach() if first is None else first
        if training.clip:
            self._scaler.unscale_(self._optimizer)
            nn.utils.clip_grad_norm_(self.supernet.module.parameters(), training.clip)
        self._scaler.step(self._optimizer)
        self._scaler.update()
        return 0.0 if first is None else float(first)

    def _forward(self, architecture: Architecture, x: Tensor) -> Tensor:
        self.supernet.activate(architecture)
        with autocast(self._device, self._training.precision):
            return self.supernet.forward(x).float()


def one_of(architectures: Sequence[Architecture]) -> Lesson:
    """Each batch trains one of these subnets, drawn at random, at its own resolution."""

    def lesson(forward: Forward, x: Tensor, targets: Tensor, rng: Rng) -> Iterator[Tensor]:
        chosen = architectures[int(rng.integers(len(architectures)))]
        yield functional.cross_entropy(forward(chosen, x), targets)

    return lesson


def sandwich(space: Space, *, n_random: int = 2) -> Lesson:
    """The largest subnet learns from the targets; the smallest and random ones learn from it."""
    biggest, least = space.decode(largest(space)), space.decode(smallest(space))

    def lesson(forward: Forward, x: Tensor, targets: Tensor, rng: Rng) -> Iterator[Tensor]:
        logits = forward(biggest, x)
        yield functional.cross_entropy(logits, targets)
        soft = logits.detach().softmax(dim=1)
        drawn = [space.decode(genome) for genome in space.sample(n_random, rng)]
        for architecture in (least, *drawn):
            yield functional.cross_entropy(forward(architecture, x), soft)

    return lesson


def autocast(device: torch.device, precision: Precision) -> Any:
    """The context in which torch calculates with that precision."""
    if precision == "float32":
        return nullcontext()
    return torch.autocast(device.type, DTYPES[precision])


def weights_of(module: nn.Module) -> dict[str, np.ndarray]:
    """All weights of a module as arrays of their own."""
    return {name: w.detach().cpu().numpy().copy() for name, w in module.state_dict().items()}


def set_weights(module: nn.Module, weights: State) -> None:
    """Takes weights that `weights_of` gave."""
    module.load_state_dict({name: torch.tensor(array) for name, array in weights.items()})


def _groups(module: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    parameters = list(module.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]
