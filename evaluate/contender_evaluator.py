"""The contender evaluator: exact counts from compressed outputs and cached stage bytes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import IntArray
from ..cascade import Confidence
from ..errors import SearchError
from .compiled import compiled
from .contender_arrays import source_of
from .contenders import CHUNK, Contenders, rank_of
from .counts import Counts
from .lanes import on_lanes, threads_or_all
from .predictions import predict_lane
from .prefix_cache import PrefixCache
from .stages import count_lane

CACHE_BYTES = 2**30
MAX_SLOTS = 2**19
# So many chunks of cascades take a thread about a tenth of a millisecond: with fewer, another
# thread would cost more time than it saves.
CHUNKS_PER_LANE = 500


class ContenderEvaluator:
    """Counts cascades that average probabilities, equal to the dense evaluator's to the last one.

    Args:
        contenders: the compressed pool.
        confidence: "max_probability", or with contenders of rank 2 "margin" or "logit_gap".
        cache_bytes: how large the cache of stage bytes may grow; it changes no result.
        n_threads: threads to work on, None for all processors.

    Raises:
        SearchError: the contenders do not serve that confidence.
    """

    def __init__(
        self,
        contenders: Contenders,
        *,
        confidence: Confidence = "max_probability",
        cache_bytes: int = CACHE_BYTES,
        n_threads: int | None = None,
    ) -> None:
        if contenders.rank < rank_of(confidence):
            raise SearchError(f"contenders of rank {contenders.rank} do not give the {confidence}")
        self.contenders = contenders
        self._source = source_of(contenders, confidence)
        self._n_threads = threads_or_all(n_threads)
        self._n_blocks = -(-contenders.n_chunks // contenders.block)
        slot_bytes = self._n_blocks * contenders.block * CHUNK
        max_members = contenders.max_members
        n_slots = min(max(cache_bytes // slot_bytes, max_members), MAX_SLOTS)
        self._cache = PrefixCache(n_slots, max_members)
        # Reserved, not touched: memory is taken up as slots come into use.
        self._slab = np.empty((self._n_blocks, n_slots, contenders.block, CHUNK), np.uint8)

    @property
    def n_samples(self) -> int:
        """The number of samples of the pool."""
        return self.contenders.n_samples

    def count(
        self, members: IntArray, thresholds: IntArray, *, with_predicted: bool = False
    ) -> Counts:
        """See `Evaluator.count`.

        Raises:
            SearchError: longer cascades than the pool was compressed for.
        """
        n, max_members = members.shape
        longest = self.contenders.max_members
        if max_members > longest:
            raise SearchError(f"the pool is compressed for {longest} members, got {max_members}")
        padded = np.full((n, longest), -1, np.int64)
        limits = np.zeros((n, longest), np.uint8)
        n_stages = np.zeros(n, np.int64)
        _prepare(members, thresholds, padded, limits, n_stages)
        counts = np.empty((n, 1 + longest), np.int64)
        predicted = np.zeros((n, self.n_samples), np.int64) if with_predicted else None
        done = 0
        while done < n:
            assigned = self._cache.assign(padded[done:])
            part = slice(done, done + len(assigned.slots))
            batch = (padded[part], assigned.slots, limits[part], n_stages[part])
            counts[part] = self._counted(assigned.fresh, batch)
            if predicted is not None:
                given = (self._source, self.contenders.sample, self._slab)
                n_lanes = self._n_lanes(len(assigned.slots))
                on_lanes(predict_lane, n_lanes, *given, *batch, predicted[part])
            done = part.stop
        counts[:, 1] = self.n_samples
        counts[n_stages == 0] = 0
        return Counts(
            correct=counts[:, 0], reached=counts[:, 1 : 1 + max_members], predicted=predicted
        )

    def _counted(self, fresh: IntArray, batch: tuple[NDArray, ...]) -> IntArray:
        members = batch[0]
        n_lanes = self._n_lanes(len(members))
        lanes = np.zeros((n_lanes, len(members), 1 + members.shape[1]), np.int64)
        on_lanes(count_lane, n_lanes, self._source, self._slab, fresh, *batch, lanes)
        return lanes.sum(axis=0) if n_lanes > 1 else lanes[0]

    def _n_lanes(self, n_cascades: int) -> int:
        """As many as there are threads, but none that is not worth waking a thread."""
        worth = n_cascades * self.contenders.n_chunks // CHUNKS_PER_LANE
        return max(1, min(self._n_threads, self._n_blocks, worth))


@compiled
def _prepare(
    members: IntArray,
    thresholds: IntArray,
    padded: IntArray,
    limits: NDArray[np.uint8],
    n_stages: IntArray,
) -> None:
    """Members, the least byte that leaves at each of their stages, and how many stages there are.

    At the last stage that is 0: everybody leaves.
    """
    for i in range(len(members)):
        for j in range(members.shape[1]):
            if members[i, j] < 0:
                break
            padded[i, j] = members[i, j]
            if j > 0:
                limits[i, j - 1] = np.uint8(2 * thresholds[i, j - 1] + 2)
            n_stages[i] = j + 1
