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
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from ..arrays import DoubleArray, IntArray
from ..data.dataset import Dataset
from ..errors import MissingExtraError, ServingError
from ..progress import OnProgress, Progress, unheard
from .protocol.cascade_tensors import INPUT, LABEL, STAGE
from .protocol.tensors import DATATYPES

try:
    import tritonclient.grpc
    import tritonclient.http
    from tritonclient.utils import InferenceServerException
except ImportError as error:
    raise MissingExtraError("encas client", extra="triton") from error

SCHEMES = ("http", "https", "grpc", "grpcs")
TIMEOUT_S = 60.0
MS_PER_S = 1e3


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrl:
    """Where a server is.

    Args:
        scheme: "http", "https", "grpc" or "grpcs".
        address: HOST:PORT.
    """

    scheme: str
    address: str

    @classmethod
    def parse(cls, text: str) -> ServerUrl:
        """What `http://HOST:PORT`, `grpc://HOST:PORT` or HOST:PORT (HTTP) means.

        Raises:
            ServingError: it is none of these.
        """
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme not in SCHEMES or not parts.netloc or parts.path.strip("/"):
            raise ServingError(
                f"expected {'://HOST:PORT or '.join(SCHEMES)}://HOST:PORT, got {text!r}"
            )
        return cls(scheme=parts.scheme, address=parts.netloc)

    @property
    def library(self) -> Any:
        """The half of tritonclient that speaks the protocol."""
        return tritonclient.grpc if self.scheme.startswith("grpc") else tritonclient.http

    def connect(self, authorities: Path | None = None) -> Any:
        """A client of the server; each thread needs its own.

        Args:
            authorities: PEM file of those who vouch for the server; None: the usual ones.
        """
        is_http = self.library is tritonclient.http
        options: dict[str, Any] = {}
        if is_http:
            options = {"connection_timeout": TIMEOUT_S, "network_timeout": TIMEOUT_S}
        if self.scheme in ("https", "grpcs"):
            options["ssl"] = True
            if authorities is not None and is_http:
                options["ssl_options"] = {"ca_certs": str(authorities)}
            elif authorities is not None:
                options["root_certificates"] = str(authorities)
        return self.library.InferenceServerClient(self.address, **options)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientOptions:
    """How a server is asked.

    Args:
        model: its name; None: the only one that the server has.
        batch_size: samples per request.
        concurrency: requests at the same time.
        token: bearer token, None where none is needed.
        authorities: PEM file of those who vouch for the server; None: the usual ones.

    Raises:
        ServingError: a size below 1, or there is no such file.
    """

    model: str | None = None
    batch_size: int = 1
    concurrency: int = 1
    token: str | None = None
    authorities: Path | None = None

    def __post_init__(self) -> None:
        if min(self.batch_size, self.concurrency) < 1:
            raise ServingError("batch size and concurrency must be at least 1")
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
        ServingError: the server cannot be reached, or has no such model.
    """
    model = _model_of(url, options)
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
        except InferenceServerException as refusal:
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


def _model_of(url: ServerUrl, options: ClientOptions) -> str:
    client = url.connect(options.authorities)
    try:
        index = client.get_model_repository_index(headers=options.headers)
        models = index if isinstance(index, list) else [
            {"name": m.name, "state": m.state} for m in index.models
        ]  # fmt: skip
    except (InferenceServerException, OSError) as cause:
        raise ServingError(f"cannot be asked: {cause}", where=url.address) from cause
    finally:
        client.close()
    ready = [model["name"] for model in models if model.get("state") == "READY"]
    wanted = ready[0] if options.model is None and len(ready) == 1 else options.model
    if wanted is None or wanted not in ready:
        shown = ", ".join(ready) or "none"
        raise ServingError(f"choose one of its models with --model: {shown}", where=url.address)
    return wanted
