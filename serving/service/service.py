"""Every call of the protocol, for HTTP and gRPC alike: values in, values out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from ...version import __version__
from ..protocol.protocol import InferAnswer, InferRequest, Refusal
from .model_catalog import Catalog
from .prometheus import Metrics
from .server_settings import NO_TRACES, LogSettings, check_traces
from .shared_memory import SharedMemory

EXTENSIONS = (
    "classification",
    "model_repository",
    "model_configuration",
    "schedule_policy",
    "system_shared_memory",
    "binary_tensor_data",
    "parameters",
    "statistics",
    "logging",
)


class Service:
    """One server, without its network.

    Args:
        catalog: the models.
        memory: the clients' shared memory.
        metrics: where requests are counted.
        logs: the settings of the log.
    """

    def __init__(
        self, catalog: Catalog, *, memory: SharedMemory, metrics: Metrics, logs: LogSettings
    ) -> None:
        self.catalog = catalog
        self.memory = memory
        self.metrics = metrics
        self.logs = logs
        self.is_draining = False

    @property
    def is_ready(self) -> bool:
        """Whether requests are welcome."""
        return self.catalog.is_complete and not self.is_draining

    def is_model_ready(self, name: str, version: str = "") -> bool:
        """Whether requests for a model are welcome."""
        try:
            self.catalog.model(name, version)
        except Refusal:
            return False
        return not self.is_draining

    def metadata(self) -> dict[str, Any]:
        """Name, version and extensions of the server."""
        return {"name": "encas", "version": __version__, "extensions": list(EXTENSIONS)}

    def model_metadata(self, name: str, version: str = "") -> dict[str, Any]:
        """Tensors of a model."""
        return self.catalog.model(name, version).face.metadata()

    def model_config(self, name: str, version: str = "") -> dict[str, Any]:
        """Configuration of a model."""
        return self.catalog.model(name, version).face.config.to_json()

    def statistics(self, name: str = "", version: str = "") -> dict[str, Any]:
        """Counters of a model, or of all."""
        models = {name: self.catalog.model(name, version)} if name else self.catalog.models
        entries = [model.statistics.to_json(key, "1") for key, model in models.items()]
        return {"model_stats": entries}

    def trace_settings(self, values: Mapping[str, Any], name: str = "") -> Mapping[str, Any]:
        """The trace settings, after `values` were found to change nothing."""
        if name:
            self.catalog.model(name)
        check_traces(values)
        return NO_TRACES

    def admit(self, model: str, version: str, protocol: str) -> None:
        """Refuses at once what `infer` would refuse whatever the request says, and counts it.

        Raises:
            Refusal: the server is shutting down, there is no such model, or its queue is full.
        """
        name = ""
        try:
            if self.is_draining:
                raise Refusal("unavailable", "the server is shutting down")
            served = self.catalog.model(model, version)
            name = served.face.name
            served.check_room()
        except Refusal as refusal:
            self.metrics.add_request(name, protocol, refusal.kind, 0.0)
            raise

    async def infer(self, request: InferRequest, protocol: str) -> InferAnswer:
        """Answers a request and counts it under "http" or "grpc".

        Raises:
            Refusal: the request cannot be answered.
        """
        started, outcome, model = time.monotonic(), "internal", ""
        try:
            served = self.catalog.model(request.model, request.version)
            model = served.face.name
            answer = await served.infer(request)
        except Refusal as refusal:
            outcome = refusal.kind
            raise
        except asyncio.CancelledError:
            outcome = "cancelled"
            raise
        else:
            outcome = "ok"
            return answer
        finally:
            self.metrics.add_request(model, protocol, outcome, time.monotonic() - started)
