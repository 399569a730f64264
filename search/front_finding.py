"""`find_front`: a pool in, a front out; numba is imported when it is called."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..cascade import Confidence
from ..evaluate.class_metrics import TOP1
from ..fronts.front import Front, given_front
from ..latency import LatencyProfile, given_profile
from ..pools.pool import Pool, given_pool

if TYPE_CHECKING:
    from .algorithms import Mode


def find_front(  # noqa: PLR0913 - one keyword for each option of a search
    pool: Pool | str | Path,
    *,
    evaluations: int | None = None,
    seconds: float | None = None,
    stagnation: int | None = None,
    max_members: int = 5,
    seed: int = 0,
    algorithm: str = "auto",
    objective: str | Sequence[str] = "macs",
    profile: LatencyProfile | str | Path | None = None,
    batch_size: int = 1,
    metric: str = TOP1,
    confidence: Confidence = "max_probability",
    mode: Mode = "cascade",
    reference: Sequence[float] | None = None,
    device: str = "cpu",
    n_threads: int | None = None,
    warm_start: Front | str | Path | None = None,
) -> Front:
    """Searches a pool for the trade-off front of cascades.

    Args:
        pool: the stored outputs of the search split, or the folder that they lie in.
        evaluations: end after exactly so many; one is a cascade, or, for the algorithms exact and
            sweep, a member sequence with all its thresholds. Where no limit is given, a search
            ends when its front has settled (see `loop.Budget`), after 100,000 at the latest;
            exact ends by itself.
        seconds: end after so much wall time.
        stagnation: end when the hypervolume has not grown for so many evaluations.
        max_members: members of a cascade at most.
        seed: the same seed gives the same front.
        algorithm: a name of `algorithms.ALGORITHMS`, or "auto" (see automatic.py).
        objective: the cost besides the error: macs, params, latency, cost_<name>; or several.
        profile: measured times of the pool's models, for the objective latency; or their file.
        batch_size: rows per batch that the latency is for.
        metric: what the error is: top1, balanced, macro-f1 or cost:FILE (see class_metrics.py).
        confidence: what the thresholds are compared with (see cascade.py).
        mode: "ensemble" fixes all thresholds at 1.
        reference: error and costs beyond which nothing counts in the hypervolume of the history.
        device: where cascades are evaluated: "cpu", or a torch device; the front is the same.
        n_threads: threads to work on, None for all processors; the front is the same.
        warm_start: an earlier front to start from, or its file; see warm_start.py.

    Raises:
        SearchError, PoolError, ProfileError: an option or input that cannot be used.
    """
    from .finder import search_pool  # noqa: PLC0415 - needs numba
    from .options import SearchOptions  # noqa: PLC0415 - likewise

    options = SearchOptions(
        evaluations=evaluations,
        seconds=seconds,
        stagnation=stagnation,
        max_members=max_members,
        seed=seed,
        algorithm=algorithm,
        objectives=(objective,) if isinstance(objective, str) else tuple(objective),
        batch_size=batch_size,
        metric=metric,
        confidence=confidence,
        mode=mode,
        reference=None if reference is None else tuple(reference),
        device=device,
        n_threads=n_threads,
    )
    return search_pool(
        given_pool(pool),
        options,
        profile=given_profile(profile),
        warm_start=None if warm_start is None else given_front(warm_start),
    ).front
