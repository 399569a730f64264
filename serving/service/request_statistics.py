"""What Triton's statistics extension tells of a model, counted request by request."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .request_batch import BatchReport

NS_PER_S = 1_000_000_000
MS_PER_S = 1000


@dataclass(slots=True)
class Duration:
    """How often something happened, and how long it took together."""

    count: int = 0
    ns: int = 0

    def add(self, seconds: float, *, count: int = 1) -> None:
        """Adds `count` times that took `seconds` together."""
        self.count += count
        self.ns += round(seconds * NS_PER_S)

    def to_json(self) -> dict[str, int]:
        """As the extension has it."""
        return {"count": self.count, "ns": self.ns}


class Statistics:
    """The counters of one model; used on the event loop alone.

    Args:
        wall_clock: seconds since 1970.
    """

    def __init__(self, *, wall_clock: Callable[[], float] = time.time) -> None:
        self._wall_clock = wall_clock
        self._last_inference_ms = 0
        self._n_rows = 0
        self._n_batches = 0
        self._success, self._fail = Duration(), Duration()
        self._queue, self._gather, self._run, self._send = (Duration() for _ in range(4))
        self._batches: dict[int, tuple[Duration, Duration]] = defaultdict(
            lambda: (Duration(), Duration())
        )

    def add_batch(self, report: BatchReport) -> None:
        """Counts a batch that ran."""
        n_requests = len(report.rows)
        self._queue.add(sum(report.waited_s), count=n_requests)
        if report.failure is not None:
            return
        self._last_inference_ms = round(self._wall_clock() * MS_PER_S)
        self._n_rows += sum(report.rows)
        self._n_batches += 1
        self._gather.add(report.gather_s * n_requests, count=n_requests)
        self._run.add(report.run_s * n_requests, count=n_requests)
        gather, run = self._batches[sum(report.rows)]
        gather.add(report.gather_s)
        run.add(report.run_s)

    def add_success(self, seconds: float, *, send_s: float) -> None:
        """Counts a request that was answered after `seconds`, `send_s` of them for its outputs."""
        self._success.add(seconds)
        self._send.add(send_s)

    def add_failure(self, seconds: float) -> None:
        """Counts a request that was refused after `seconds`."""
        self._fail.add(seconds)

    def to_json(self, name: str, version: str) -> dict[str, Any]:
        """The entry of the model in `model_stats`."""
        none = Duration().to_json()
        return {
            "name": name,
            "version": version,
            "last_inference": self._last_inference_ms,
            "inference_count": self._n_rows,
            "execution_count": self._n_batches,
            "inference_stats": {
                "success": self._success.to_json(),
                "fail": self._fail.to_json(),
                "queue": self._queue.to_json(),
                "compute_input": self._gather.to_json(),
                "compute_infer": self._run.to_json(),
                "compute_output": self._send.to_json(),
                "cache_hit": none,
                "cache_miss": none,
            },
            "response_stats": {},
            "batch_stats": [
                {
                    "batch_size": size,
                    "compute_input": gather.to_json(),
                    "compute_infer": run.to_json(),
                    "compute_output": none,
                }
                for size, (gather, run) in sorted(self._batches.items())
            ],
            "memory_usage": [],
        }
