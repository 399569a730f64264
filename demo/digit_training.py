"""Trains the networks of the demo, two at a time, the same from the same seed."""

from __future__ import annotations

from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Lock

import numpy as np

from ..arrays import FloatArray, IntArray
from ..errors import MissingExtraError
from ..progress import OnProgress, counted, unheard
from .digit_networks import RECIPES, DigitRecipe, TrainedNetwork, macs_of

try:
    import torch
    from torch import nn
    from torch.nn import functional
except ImportError as error:
    raise MissingExtraError("training the networks of the demo", extra="export") from error

BATCH_SIZE = 60
LEARNING_RATE = 0.01
N_WORKERS = 2
# The first weights come from torch's own generator, which all threads share.
SEEDING = Lock()


def train(
    recipe: DigitRecipe,
    x: FloatArray,
    label: IntArray,
    *,
    seed: int,
    epochs: int,
    stop: Event | None = None,
) -> nn.Module:
    """Trains the network of `recipe` on samples x [n, 1, 32, 32] and their labels [n].

    Adam with a one-cycle learning rate, on one thread.
    The same seed on the same machine gives the same network.

    Args:
        recipe: which network.
        x: float32 [n, 1, 32, 32] in 0..1.
        label: int64 [n] in 0..9.
        seed: of the first weights and the order of the samples.
        epochs: passes over the data.
        stop: ends the training early once it is set.
    """
    generator = torch.Generator().manual_seed(seed)
    with SEEDING, torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        model = recipe.build().train()
    with _one_thread():
        samples, labels = torch.tensor(x), torch.tensor(label)
        n_steps = epochs * len(samples.split(BATCH_SIZE))
        optimizer = torch.optim.AdamW(model.parameters(), LEARNING_RATE)
        schedule = torch.optim.lr_scheduler.OneCycleLR(
            optimizer, LEARNING_RATE, total_steps=n_steps
        )
        for _ in range(epochs):
            order = torch.randperm(len(samples), generator=generator)
            for rows in order.split(BATCH_SIZE):
                if stop is not None and stop.is_set():
                    return model.eval()
                logits = model(samples[rows])
                optimizer.zero_grad()
                functional.cross_entropy(logits, labels[rows]).backward()
                optimizer.step()
                schedule.step()
    return model.eval()


def train_pool(
    folder: Path,
    x: FloatArray,
    label: IntArray,
    *,
    recipes: tuple[DigitRecipe, ...] = RECIPES,
    seed: int = 0,
    epochs: int = 1,
    on_progress: OnProgress = unheard,
) -> tuple[TrainedNetwork, ...]:
    """Trains every recipe that `folder` has no weights of yet, and writes NAME.pt for each.

    Two are trained at a time, the dearest first, so that both workers end together.

    Args:
        folder: where the weights lie; it must be the work of the same data, seed and epochs.
        x: float32 [n, 1, 32, 32] in 0..1.
        label: int64 [n] in 0..9.
        recipes: what to train.
        seed: recipe i is trained with seed + i.
        epochs: passes over the data.
        on_progress: hears how many networks are trained.
    """
    folder.mkdir(parents=True, exist_ok=True)
    networks = [_untrained(recipe, folder / f"{recipe.name}.pt") for recipe in recipes]
    stop = Event()

    def make(place: int) -> None:
        path = networks[place].weights
        if path.is_file():
            return
        model = train(recipes[place], x, label, seed=seed + place, epochs=epochs, stop=stop)
        if not stop.is_set():
            partial = path.with_suffix(".partial")
            torch.save(model.state_dict(), partial)
            partial.replace(path)

    dearest_first = sorted(range(len(networks)), key=lambda place: -networks[place].macs)
    with ThreadPoolExecutor(max_workers=N_WORKERS) as workers:
        pending = [workers.submit(make, place) for place in dearest_first]
        try:
            for done in counted(
                pending, what="training networks", unit="networks", on_progress=on_progress
            ):
                done.result()
        except BaseException:
            stop.set()
            workers.shutdown(cancel_futures=True)
            raise
    return tuple(networks)


def logits_of(model: nn.Module, x: FloatArray) -> FloatArray:
    """What `model` answers to samples x [n, 1, side, side], as logits, float32 [n, 10]."""
    with _one_thread(), torch.no_grad():
        return np.asarray(model(torch.tensor(x)).numpy(), np.float32)


def _untrained(recipe: DigitRecipe, path: Path) -> TrainedNetwork:
    model = recipe.build()
    params = sum(p.numel() for p in model.parameters())
    return TrainedNetwork(recipe=recipe, weights=path, macs=macs_of(model), params=params)


@contextmanager
def _one_thread() -> Generator[None]:
    """Networks this small lose time on a second thread, and so do two that are trained at once."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
