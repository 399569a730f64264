"""The jobs of a pool build on a Ray cluster (https://docs.ray.io)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ...data.pixels import SampleReference
from ...errors import MissingExtraError, PoolError
from .build_crew import News
from .build_job import BuildAnswer, BuildJob, attempt

try:
    import ray
    from ray.exceptions import RayError
except ImportError as error:
    raise MissingExtraError("building a pool on a Ray cluster", extra="ray") from error

LOCAL = "local"


class RayCrew:
    """All machines of a Ray cluster.

    The samples travel through Ray's object store; the files that SPECs name must lie at the same
    paths on every machine, and encas with what its models need must be installed there.

    Args:
        address: of the cluster, "auto", or "local" for a new one on this machine.
        n_threads: processors that a job asks for.
        n_gpus: GPUs that a job asks for.

    Raises:
        PoolError: there is no such cluster.
    """

    def __init__(self, address: str, *, n_threads: int, n_gpus: int) -> None:
        try:
            where = None if address == LOCAL else address
            ray.init(address=where, include_dashboard=False, log_to_driver=False)
        except (ConnectionError, ValueError, RuntimeError) as cause:
            raise PoolError(f"no Ray cluster at {address!r}: {cause}") from cause
        self._task: Any = ray.remote(num_cpus=n_threads, num_gpus=n_gpus, max_retries=1)(_work)
        resources = ray.cluster_resources()
        hands = resources.get("GPU", 0) / n_gpus if n_gpus else resources["CPU"] / n_threads
        # One job for each hand, and one that waits where the samples are already.
        self._n_at_once = max(1, int(hands)) + 1
        self._running: dict[Any, BuildJob] = {}
        self._samples: dict[SampleReference, Any] = {}

    @property
    def n_idle(self) -> int:
        """See `Crew.n_idle`."""
        return self._n_at_once - len(self._running)

    def start(self, job: BuildJob) -> None:
        """See `Crew.start`."""
        reference = job.samples
        if reference.file is not None and reference not in self._samples:
            # Only the newest samples stay here; Ray keeps the others while jobs need them.
            stored = ray.put(np.load(reference.file, mmap_mode="r", allow_pickle=False))
            self._samples = {reference: stored}
        samples = self._samples.get(reference)
        self._running[self._task.remote(job, samples, str(Path.cwd()))] = job

    def news(self, timeout_s: float) -> Sequence[News]:
        """See `Crew.news`."""
        if not self._running:
            return ()
        done, _ = ray.wait(list(self._running), num_returns=1, timeout=timeout_s)
        return [self._answer(future) for future in done]

    def close(self) -> None:
        """See `Crew.close`."""
        for future in self._running:
            ray.cancel(future, force=True)
        ray.shutdown()

    def _answer(self, future: Any) -> BuildAnswer:
        job = self._running.pop(future)
        try:
            return ray.get(future)
        except RayError as cause:
            first = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
            return BuildAnswer(name=job.name, fault=f"its Ray task failed: {first}")


def _work(job: BuildJob, samples: Any, folder: str) -> BuildAnswer:
    if Path(folder).is_dir():
        os.chdir(folder)
    device = job.settings.device
    if device.startswith("cuda"):
        # Ray shows each task its own GPUs alone, counted from 0.
        job = replace(job, settings=replace(job.settings, device="cuda"))
    return attempt(job, samples=samples)
