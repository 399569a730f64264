"""The evaluator that serves a search best; whichever it is, the counts are the same."""

from __future__ import annotations

from ..cascade import Confidence
from ..errors import PoolError
from ..pools.pool import Pool
from .compress import compress
from .contender_evaluator import ContenderEvaluator
from .contender_store import stored_contenders
from .contenders import Contenders, rank_of
from .counts import Evaluator
from .dense import DenseEvaluator


def contenders_of(pool: Pool, *, max_members: int, confidence: Confidence) -> Contenders | None:
    """The pool compressed for cascades of at most `max_members` members, as stored or made now.

    None for the confidence that depends on all classes, entropy.

    Raises:
        PoolError: a compressed pool does not serve, or what is stored is damaged.
    """
    if confidence == "entropy":
        return None
    rank = rank_of(confidence)
    stored = stored_contenders(pool, max_members=max_members, rank=rank)
    if stored is None and pool.is_compressed:
        raise PoolError(
            f"the pool is not compressed for {max_members} members and the confidence "
            f"{confidence}; compress it anew: encas pool compress --help",
            where=f"pool {pool.name}",
        )
    return stored or compress(pool, max_members=max_members, rank=rank)


def evaluator_for(
    pool: Pool,
    contenders: Contenders | None,
    *,
    confidence: Confidence,
    device: str = "cpu",
    n_threads: int | None = None,
) -> Evaluator:
    """An evaluator for cascades of a pool.

    Args:
        pool: the stored outputs.
        contenders: `contenders_of` the pool.
        confidence: of the cascades.
        device: "cpu", or a torch device such as "cuda:0".
        n_threads: threads on a CPU, None for all processors.

    Raises:
        SearchError: the device is not there, or does not serve the confidence.
    """
    if device != "cpu":
        from .torch_batch import TorchEvaluator  # noqa: PLC0415 - needs torch

        return TorchEvaluator(contenders, device=device, confidence=confidence)
    if contenders is None:
        return DenseEvaluator(pool, confidence=confidence)
    return ContenderEvaluator(contenders, confidence=confidence, n_threads=n_threads)
