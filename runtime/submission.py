"""Submitting batches without waiting for them: `Submitter`.

While one batch runs in ONNX Runtime, which holds no lock of Python's, the next one can be read,
decoded and moved. No more than `max_pending` batches are under way: whoever submits faster waits,
so that memory stays bounded.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from ..errors import SessionError
from .executor import Prediction, Predictor
from .samples import Batch


class Submitter:
    """Runs batches through a predictor in threads of its own; a context manager.

    Args:
        predictor: what predicts; threads may call it at the same time.
        n_threads: batches that run at the same time.
        max_pending: batches that run or wait, at most.

    Raises:
        SessionError: a number below 1.
    """

    def __init__(self, predictor: Predictor, *, n_threads: int = 1, max_pending: int = 4) -> None:
        if n_threads < 1 or max_pending < 1:
            raise SessionError(
                f"threads and pending batches must be at least 1, got {n_threads} and {max_pending}"
            )
        self._predictor = predictor
        self._max_pending = max_pending
        self._threads = ThreadPoolExecutor(n_threads, thread_name_prefix="encas")
        self._free = threading.Semaphore(max_pending)

    def submit(self, x: Batch) -> Future[Prediction]:
        """The prediction to be; waits only while `max_pending` batches are under way.

        An error of the predictor comes out of the future's `result()`.

        Raises:
            SessionError: the submitter is closed.
        """
        self._free.acquire()
        try:
            future = self._threads.submit(self._predictor, x)
        except RuntimeError as cause:
            self._free.release()
            raise SessionError("the submitter is closed") from cause
        future.add_done_callback(lambda _done: self._free.release())
        return future

    def map(self, batches: Iterable[Batch]) -> Iterator[Prediction]:
        """The predictions of batches in their order, each batch read when there is room for it."""
        pending: deque[Future[Prediction]] = deque()
        for batch in batches:
            pending.append(self.submit(batch))
            while pending[0].done() or len(pending) >= self._max_pending:
                yield pending.popleft().result()
                if not pending:
                    break
        while pending:
            yield pending.popleft().result()

    def close(self) -> None:
        """Ends: what was submitted is still answered, nothing more is taken."""
        self._threads.shutdown(wait=True)

    def __enter__(self) -> Submitter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
