"""The contender evaluator: exact counts from compressed outputs and cached stage bytes."""

from __future__ import annotations

import numpy as np

from ...arrays import IntArray
from ...cascade import Confidence
from ...errors import SearchError
from ..compiled import n_threads
from .contenders import CHUNK, Contenders
from .counts import Counts
from .prefix_cache import PrefixCache
from .stages import count_all, source_of

CACHE_BYTES = 2**30
MAX_SLOTS = 2**19


class ContenderEvaluator:
    """Counts cascades that average probabilities, equal to the dense evaluator's to the last one.

    Args:
        contenders: the compressed pool.
        confidence: "max_probability", or with contenders of rank 2 "margin" or "logit_gap".
        cache_bytes: how large the cache of stage bytes may grow; it changes no result.

    Raises:
        SearchError: the contenders do not serve that confidence.
    """

    def __init__(
        self,
        contenders: Contenders,
        *,
        confidence: Confidence = "max_probability",
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.contenders = contenders
        self._source = source_of(contenders, confidence)
        n_chunks, max_members = contenders.n_chunks, contenders.max_members
        n_slots = min(max(cache_bytes // (n_chunks * CHUNK), max_members), MAX_SLOTS)
        self._cache = PrefixCache(n_slots, max_members)
        # Reserved, not touched: memory is taken up as slots come into use.
        self._slab = np.empty((n_chunks, n_slots, CHUNK), np.uint8)

    @property
    def n_samples(self) -> int:
        """The number of samples of the pool."""
        return self.contenders.n_samples

    def count(
        self, members: IntArray, thresholds: IntArray, *, with_predicted: bool = False
    ) -> Counts:
        """See `Evaluator.count`."""
        n, max_members = members.shape
        longest = self.contenders.max_members
        if max_members > longest:
            raise SearchError(f"the pool is compressed for {longest} members, got {max_members}")
        padded = np.full((n, longest), -1, np.int64)
        padded[:, :max_members] = members
        n_stages = (padded >= 0).sum(axis=1)
        limits = np.zeros((n, longest), np.uint8)
        limits[:, : max_members - 1] = 2 * thresholds + 2
        limits[np.arange(n), n_stages - 1] = 0
        counts = np.zeros((n, 1 + longest), np.int64)
        done = 0
        while done < n:
            assigned = self._cache.assign(padded[done:])
            part = slice(done, done + len(assigned.slots))
            lanes = np.zeros((min(n_threads(), self.contenders.n_chunks), *counts[part].shape), np.int64)
            count_all(
                self._source, self._slab, assigned.fresh, padded[part], assigned.slots,
                limits[part], n_stages[part], lanes,
            )  # fmt: skip
            lanes.sum(axis=0, out=counts[part])
            done = part.stop
        counts[:, 1] = np.where(n_stages > 0, self.n_samples, 0)
        return Counts(correct=counts[:, 0], reached=counts[:, 1 : 1 + max_members])
