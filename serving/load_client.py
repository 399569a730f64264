"""Measures a server from outside, with tritonclient: accuracy, exits, latencies.

It knows nothing of the server but the protocol: `encas serve` and Triton alike.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..arrays import DoubleArray, IntArray
from ..data.dataset import Dataset
from ..errors import ServingError
from ..progress import OnProgress, Progress, unheard
from .model_waiting import WAIT_S, ListedModels, awaited_model
from .protocol.cascade_tensors import INPUT, LABEL, STAGE
from .protocol.tensors import DATATYPES
from .server_url import ServerRefusal, ServerUrl

MS_PER_S = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How a server is asked.

    Args:
        model: its name; None: the only one that the server has.
        batch_size: samples per request.
        concurrency: requests at the same time.
        token: bearer token, None where none is needed.
        authorities: PEM file of those who vouch for the server; None: the usual ones.
        wait_s: how long a server that still loads its models is waited for, at most.

    Raises:
        ServingError: a size below 1, a time below 0, or there is no such file.
    """

    model: str | None = None
    batch_size: int = 1
    concurrency: int = 1
    token: str | None = None
    authorities: Path | None = None
    wait_s: float = WAIT_S

    def __post_init__(self) -> None:
        if min(self.batch_size, self.concurrency) < 1:
            raise ServingError("batch size and concurrency must be at least 1")
        if not self.wait_s >= 0:
            raise ServingError(f"the time to wait must be at least 0 s, got {self.wait_s:g}")
        if self.authorities is not None and not self.authorities.is_file():
            raise ServingError("no such file", where=str(self.authorities))

    @property
    def headers(self) -> dict[str, str]:
        """Of every request."""
        return {"authorization": f"Bearer {self.token}"} if self.token else {}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClientReport:
    """What a server answered.

    Args:
        model: that was asked.
        label: int64 [n_samples]; -1 where the request was refused.
        stage: int64 [n_samples], where each sample left; 0 where it is not known.
        latency_s: float64 [n_answers], of each request that was answered.
        wall_s: from the first request to the last answer.
        cascades: requests by the cascade that answered, where the server says so.
        refusals: requests by the reason why they were not answered.
    """

    model: str
    label: IntArray
    stage: IntArray
    latency_s: DoubleArray
    wall_s: float
    cascades: Mapping[str, int]
    refusals: Mapping[str, int]

    @property
    def exits(self) -> dict[int, int]:
        """Samples by the stage where they left."""
        stages, counts = np.unique(self.stage[self.stage > 0], return_counts=True)
        return dict(zip(stages.tolist(), counts.tolist(), strict=True))

    def latency_ms(self, percentile: float) -> float:
        """A percentile of the latencies, NaN where nothing was answered."""
        if not len(self.latency_s):
            return float("nan")
        return float(np.percentile(self.latency_s, percentile)) * MS_PER_S


def ask_server(
    url: ServerUrl,
    dataset: Dataset,
    options: ClientOptions,
    *,
    on_progress: OnProgress = unheard,
) -> ClientReport:
    """Sends every sample of a data set to a server.

    Raises:
        ServingError: the server cannot be reached, has no such model, or does not get it ready.
    """
    model = awaited_model(
        lambda: _listed(url, options),
        options.model,
        where=url.address,
        wait_s=options.wait_s,
        on_progress=on_progress,
    )
    run = _Run(url, dataset, options, model, on_progress)
    threads = [threading.Thread(target=run.work) for _ in range(options.concurrency)]
    started = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    wall_s = time.perf_counter() - started
    if run.failure is not None:
        raise run.failure
    return ClientReport(
        model=model,
        label=run.label,
        stage=run.stage,
        latency_s=np.array(run.latencies_s, np.float64),
        wall_s=wall_s,
        cascades=dict(run.cascades),
        refusals=dict(run.refusals),
    )


class _Run:
    """The threads' common state."""

    def __init__(
        self,
        url: ServerUrl,
        dataset: Dataset,
        options: ClientOptions,
        model: str,
        on_progress: OnProgress,
    ) -> None:
        self._url, self._dataset, self._options, self._model = url, dataset, options, model
        self._on_progress = on_progress
        self._lock = threading.Lock()
        self._starts = iter(range(0, dataset.n_samples, options.batch_size))
        self._n_done = 0
        self.label = np.full(dataset.n_samples, -1, np.int64)
        self.stage = np.zeros(dataset.n_samples, np.int64)
        self.latencies_s: list[float] = []
        self.cascades: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.failure: BaseException | None = None

    def work(self) -> None:
        """Sends batches until there are none, or a thread has failed."""
        client = self._url.connect(self._options.authorities)
        try:
            while self.failure is None and (start := self._next()) is not None:
                self._ask(client, start)
        except BaseException as cause:
            # It is raised again in the thread that waits.
            self.failure = cause
        finally:
            client.close()

    def _tell(self) -> None:
        done, total = self._n_done, self._dataset.n_samples
        what = f"asking {self._url.address}"
        self._on_progress(Progress(what=what, done=done, total=total, unit="samples"))

    def _next(self) -> int | None:
        with self._lock:
            return next(self._starts, None)

    def _ask(self, client: Any, start: int) -> None:
        stop = min(start + self._options.batch_size, self._dataset.n_samples)
        rows = np.arange(start, stop, dtype=np.int64)
        tensors = input_tensors(self._url, self._dataset, rows)
        asked = time.perf_counter()
        try:
            answer = client.infer(self._model, tensors, headers=self._options.headers)
        except ServerRefusal as refusal:
            with self._lock:
                self.refusals[f"{refusal.status()}: {refusal.message()}"] += 1
            return
        latency_s = time.perf_counter() - asked
        self.label[start:stop] = answer.as_numpy(LABEL).ravel()
        stage = answer.as_numpy(STAGE)
        if stage is not None:
            self.stage[start:stop] = stage.ravel()
        with self._lock:
            self.latencies_s.append(latency_s)
            self.cascades.update(_cascade_of(answer))
            self._n_done += stop - start
            self._tell()


def input_tensors(url: ServerUrl, dataset: Dataset, rows: IntArray) -> list[Any]:
    """The samples `rows` [n] as a request has them: a tensor for each input of the cascade."""
    views = {INPUT: dataset, **dataset.further}
    return [_tensor(url, name, view.samples(rows)) for name, view in views.items()]


def _tensor(url: ServerUrl, name: str, x: NDArray[Any]) -> Any:
    tensor = url.library.InferInput(name, list(x.shape), DATATYPES[str(x.dtype)])
    tensor.set_data_from_numpy(np.ascontiguousarray(x))
    return tensor


def _cascade_of(answer: Any) -> list[str]:
    response = answer.get_response()
    if isinstance(response, dict):
        name = response.get("parameters", {}).get("cascade")
        return [name] if name else []
    parameters = response.parameters
    return [parameters["cascade"].string_param] if "cascade" in parameters else []


def _listed(url: ServerUrl, options: ClientOptions) -> ListedModels:
    client = url.connect(options.authorities)
    try:
        index = client.get_model_repository_index(headers=options.headers)
    except (ServerRefusal, OSError) as cause:
        remedy = "start it with `encas serve BUNDLE`, and give the address that it says"
        raise ServingError(f"cannot be asked: {cause}; {remedy}", where=url.address) from cause
    finally:
        client.close()
    if isinstance(index, list):
        return ListedModels.of(index)
    return ListedModels.of(
        {"name": m.name, "state": m.state, "reason": m.reason} for m in index.models
    )
