"""What Prometheus can read of a server: latencies, exits, queues, batches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import MissingExtraError
from .request_batch import BatchReport

try:
    from prometheus_client import (
        CONTENT_TYPE_LATEST,
        CollectorRegistry,
        Counter,
        Gauge,
        Histogram,
        generate_latest,
    )
except ImportError as error:
    raise MissingExtraError("encas serve", extra="serve") from error

CONTENT_TYPE = CONTENT_TYPE_LATEST
SECONDS = (.0005, .001, .002, .005, .01, .02, .05, .1, .2, .5, 1.0, 2.0, 5.0, 10.0)  # fmt: skip
ROWS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)


class Metrics:
    """The metrics of one server; used on the event loop alone."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._known: dict[tuple[Histogram | Counter, tuple[str, ...]], Any] = {}
        self._requests = Histogram(
            "encas_request_seconds", "From the parsed request to its answer, by outcome.",
            ("model", "protocol", "outcome"), buckets=SECONDS, registry=self._registry,
        )  # fmt: skip
        self._waits = Histogram(
            "encas_queue_seconds", "How long requests waited for their batch.",
            ("model",), buckets=SECONDS, registry=self._registry,
        )  # fmt: skip
        self._runs = Histogram(
            "encas_batch_seconds", "How long batches ran.",
            ("model", "cascade"), buckets=SECONDS, registry=self._registry,
        )  # fmt: skip
        self._batches = Histogram(
            "encas_batch_rows", "Rows of the batches.",
            ("model",), buckets=ROWS, registry=self._registry,
        )  # fmt: skip
        self._exits = Counter(
            "encas_exits", "Samples by the stage where they left.",
            ("model", "cascade", "stage"), registry=self._registry,
        )  # fmt: skip
        self._failures = Counter(
            "encas_batch_failures", "Batches that a cascade failed on.",
            ("model", "cascade"), registry=self._registry,
        )  # fmt: skip
        self._queue = Gauge(
            "encas_queue_rows", "Rows that wait.", ("model",), registry=self._registry
        )  # fmt: skip

    def add_request(self, model: str, protocol: str, outcome: str, seconds: float) -> None:
        """Counts a request; `outcome` is "ok" or the kind of its refusal."""
        self._series(self._requests, model, protocol, outcome).observe(seconds)

    def add_batch(self, model: str, report: BatchReport) -> None:
        """Counts a batch."""
        waits = self._series(self._waits, model)
        for waited_s in report.waited_s:
            waits.observe(waited_s)
        if report.failure is not None:
            self._series(self._failures, model, report.cascade).inc()
            return
        self._series(self._batches, model).observe(sum(report.rows))
        self._series(self._runs, model, report.cascade).observe(report.run_s)
        for stage, count in enumerate(np.bincount(report.stage).tolist()):
            if count:
                self._series(self._exits, model, report.cascade, str(stage)).inc(count)

    def _series(self, metric: Histogram | Counter, *labels: str) -> Any:
        """What `metric.labels` gives, which checks its arguments anew each time."""
        series = self._known.get((metric, labels))
        if series is None:
            series = self._known[metric, labels] = metric.labels(*labels)
        return series

    def watch_queue(self, model: str, n_rows: Callable[[], int]) -> None:
        """Asks `n_rows` whenever the metrics are read."""
        self._queue.labels(model).set_function(n_rows)

    def forget_queue(self, model: str) -> None:
        """Lets go of what `watch_queue` was given, and of the model with it."""
        self._queue.remove(model)

    def text(self) -> bytes:
        """The metrics in Prometheus' text format."""
        return generate_latest(self._registry)
