"""The protocol over HTTP, but for inference: which path means which call."""

from __future__ import annotations

import logging
from typing import Any

from ...errors import MissingExtraError
from ..protocol.protocol import Refusal
from ..service.prometheus import CONTENT_TYPE
from ..service.service import Service
from ..service.shared_memory import Region
from .answers import (
    error_response,
    json_response,
    refusal_response,
)
from .body import BodyLimits, ClientGone, read_body
from .json_codec import json_object
from .openapi import openapi_document

try:
    from starlette.applications import Starlette
    from starlette.exceptions import HTTPException
    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.routing import Route
except ImportError as error:
    raise MissingExtraError("encas serve", extra="serve") from error

LOGGER = logging.getLogger("encas.http")
CLIENT_GONE = 499
MODEL = "/v2/models/{model}"
VERSIONED = "/v2/models/{model}/versions/{version}"
MEMORY = "/v2/{kind}sharedmemory"


def http_app(service: Service, limits: BodyLimits) -> Starlette:
    """The ASGI application."""
    face = HttpFace(service, limits)
    routes = [
        Route("/v2/health/live", face.live),
        Route("/v2/health/ready", face.ready),
        Route("/v2", face.metadata),
        Route("/v2/models/stats", face.statistics),
    ]
    for place in (MODEL, VERSIONED):
        routes += [
            Route(place, face.model_metadata),
            Route(f"{place}/ready", face.model_ready),
            Route(f"{place}/config", face.model_config),
            Route(f"{place}/stats", face.statistics),
        ]
    routes += [
        Route("/v2/repository/index", face.index, methods=["POST"]),
        Route("/v2/repository/models/{model}/load", face.load, methods=["POST"]),
        Route("/v2/repository/models/{model}/unload", face.unload, methods=["POST"]),
        Route(f"{MODEL}/trace/setting", face.traces, methods=["GET", "POST"]),
        Route("/v2/trace/setting", face.traces, methods=["GET", "POST"]),
        Route("/v2/logging", face.logging, methods=["GET", "POST"]),
        Route(f"{MEMORY}/status", face.memory_status),
        Route(f"{MEMORY}/region/{{region}}/status", face.memory_status),
        Route(f"{MEMORY}/region/{{region}}/register", face.register, methods=["POST"]),
        Route(f"{MEMORY}/region/{{region}}/unregister", face.unregister, methods=["POST"]),
        Route(f"{MEMORY}/unregister", face.unregister, methods=["POST"]),
        Route("/metrics", face.metrics),
        Route("/openapi.json", face.openapi),
    ]
    handlers: dict[Any, Any] = {
        Refusal: _refused,
        HTTPException: _no_such_call,
        ClientGone: _nobody_listens,
        Exception: _failed,
    }
    return Starlette(routes=routes, exception_handlers=handlers)


class HttpFace:
    """The handlers; each means one call of the protocol."""

    def __init__(self, service: Service, limits: BodyLimits) -> None:
        self._service = service
        self._limits = limits

    async def live(self, _request: Request) -> Response:
        """Whether the server runs."""
        return Response(status_code=200)

    async def ready(self, _request: Request) -> Response:
        """Whether requests are welcome."""
        if not self._service.is_ready:
            raise Refusal("unavailable", "the server is not ready")
        return Response(status_code=200)

    async def model_ready(self, request: Request) -> Response:
        """Whether requests for a model are welcome."""
        if not self._service.is_model_ready(*_model(request)):
            raise Refusal("invalid", "Model version not ready")
        return Response(status_code=200)

    async def metadata(self, _request: Request) -> Response:
        """The server."""
        return json_response(self._service.metadata())

    async def model_metadata(self, request: Request) -> Response:
        """A model."""
        return json_response(self._service.model_metadata(*_model(request)))

    async def model_config(self, request: Request) -> Response:
        """A model's configuration."""
        return json_response(self._service.model_config(*_model(request)))

    async def statistics(self, request: Request) -> Response:
        """Counters of a model, or of all."""
        return json_response(self._service.statistics(*_model(request)))

    async def index(self, request: Request) -> Response:
        """The list of models."""
        values = await self._values(request)
        only_ready = values.get("ready", False)
        if not isinstance(only_ready, bool):
            raise Refusal("invalid", "ready must be true or false")
        return json_response(self._service.catalog.index(only_ready=only_ready))

    async def load(self, request: Request) -> Response:
        """Loads a model."""
        parameters = (await self._values(request)).get("parameters") or {}
        if not isinstance(parameters, dict) or set(parameters) - {"config"}:
            raise Refusal("unsupported", "a model is loaded from the server's own bundle alone")
        override = parameters.get("config")
        if override is not None and not isinstance(override, str):
            raise Refusal("invalid", "the config must be a string of JSON")
        await self._service.catalog.load(request.path_params["model"], override)
        return Response(status_code=200)

    async def unload(self, request: Request) -> Response:
        """Unloads a model."""
        await self._values(request)
        await self._service.catalog.unload(request.path_params["model"])
        return Response(status_code=200)

    async def traces(self, request: Request) -> Response:
        """The trace settings."""
        values = await self._values(request) if request.method == "POST" else {}
        return json_response(
            self._service.trace_settings(values, request.path_params.get("model", ""))
        )

    async def logging(self, request: Request) -> Response:
        """The log settings."""
        if request.method == "POST":
            self._service.logs.update(await self._values(request))
        return json_response(self._service.logs.to_json())

    async def memory_status(self, request: Request) -> Response:
        """Registered regions."""
        region = request.path_params.get("region", "")
        if _is_system(request):
            return json_response(self._service.memory.status(region))
        if region:
            raise Refusal("not_found", f"unable to find CUDA shared memory region: {region!r}")
        return json_response([])

    async def register(self, request: Request) -> Response:
        """Registers a region."""
        values = await self._values(request)
        if not _is_system(request):
            raise Refusal("unsupported", "this server has no CUDA shared memory")
        key, offset, size = (values.get(name) for name in ("key", "offset", "byte_size"))
        offset = 0 if offset is None else offset
        if not isinstance(key, str) or not _is_count(offset) or not _is_count(size):
            raise Refusal("invalid", "a region needs a key, a byte_size and perhaps an offset")
        name = request.path_params["region"]
        self._service.memory.register(
            Region(name=name, key=key, offset=int(offset), byte_size=int(size or 0))
        )
        return Response(status_code=200)

    async def unregister(self, request: Request) -> Response:
        """Forgets regions."""
        if _is_system(request):
            self._service.memory.unregister(request.path_params.get("region", ""))
        return Response(status_code=200)

    async def metrics(self, _request: Request) -> Response:
        """For Prometheus."""
        return Response(self._service.metrics.text(), media_type=CONTENT_TYPE)

    async def openapi(self, _request: Request) -> Response:
        """What this server understands."""
        return json_response(openapi_document())

    async def _values(self, request: Request) -> dict[str, Any]:
        headers = dict(request.headers.raw)
        with self._limits.lease() as lease:
            return json_object(await read_body(headers, request.receive, self._limits, lease))


def _model(request: Request) -> tuple[str, str]:
    return request.path_params.get("model", ""), request.path_params.get("version", "")


def _is_system(request: Request) -> bool:
    kind = request.path_params["kind"]
    if kind not in ("system", "cuda"):
        raise HTTPException(404)
    return kind == "system"


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63


async def _refused(_request: Request, refusal: Refusal) -> Response:
    return refusal_response(refusal)


async def _no_such_call(_request: Request, cause: HTTPException) -> Response:
    return error_response(cause.status_code, cause.detail, cause.headers)


async def _nobody_listens(_request: Request, _cause: ClientGone) -> Response:
    return Response(status_code=CLIENT_GONE)


async def _failed(request: Request, _cause: Exception) -> Response:
    LOGGER.exception("request failed", extra={"path": request.url.path})
    return error_response(500, "internal error")
