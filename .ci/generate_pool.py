"""Writes FILE.npz: the outputs of six made-up classifiers of growing cost and accuracy."""

import sys

import numpy as np

N_MODELS, N_SAMPLES, N_CLASSES = 6, 2000, 10


def main(path: str) -> None:
    """Logits that favour the true class the more, the dearer the classifier."""
    rng = np.random.default_rng(0)
    label = rng.integers(0, N_CLASSES, N_SAMPLES)
    hardness = rng.normal(0, 1, (1, N_SAMPLES, N_CLASSES))
    logits = hardness + rng.normal(0, 1, (N_MODELS, N_SAMPLES, N_CLASSES))
    for model in range(N_MODELS):
        logits[model, np.arange(N_SAMPLES), label] += 2 + 0.5 * model
    np.savez(
        path,
        outputs=logits.astype(np.float32),
        kind=np.array(["logits"] * N_MODELS),
        label=label,
        name=np.array([f"model_{model}" for model in range(N_MODELS)]),
        macs=1e6 * 3.0 ** np.arange(N_MODELS),
    )


main(sys.argv[1])
