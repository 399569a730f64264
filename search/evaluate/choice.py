"""The evaluator that serves a search best; whichever it is, the counts are the same."""

from __future__ import annotations

from ...cascade import Confidence
from ..pool import Pool
from .compress import compress
from .contender import ContenderEvaluator
from .contenders import rank_of
from .counts import Evaluator
from .dense import DenseEvaluator


def evaluator_for(
    pool: Pool, *, max_members: int, confidence: Confidence, device: str = "cpu"
) -> Evaluator:
    """An evaluator for cascades of at most `max_members` members.

    Args:
        pool: the stored outputs.
        max_members: K.
        confidence: of the cascades. Entropy needs all classes, so it is evaluated densely.
        device: "cpu", or a torch device such as "cuda:0".

    Raises:
        SearchError: the device is not there, or does not serve the confidence.
    """
    if confidence == "entropy" and device == "cpu":
        return DenseEvaluator(pool, confidence=confidence)
    contenders = compress(pool, max_members=max_members, rank=rank_of(confidence))
    if device == "cpu":
        return ContenderEvaluator(contenders, confidence=confidence)
    from .torch_batch import TorchEvaluator  # noqa: PLC0415 - needs torch

    return TorchEvaluator(contenders, device=device, confidence=confidence)
