"""The HTTP listener: uvicorn on a socket of ours, which ends when we say so."""

from __future__ import annotations

import asyncio
import functools
import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import cast

from ...errors import MissingExtraError, ServingError
from ..service.network import NetworkOptions
from ..service.service import Service
from .app import http_app
from .body import BodyLimits
from .connection import GuardedHttp
from .gate import HttpGate
from .infer import InferApp

try:
    import uvicorn
except ImportError as error:
    raise MissingExtraError("encas serve", extra="serve") from error

BODIES_TOGETHER = 16
KEEP_ALIVE_S = 75
BACKLOG = 2048
POLL_S = 0.01


class Uvicorn(uvicorn.Server):
    """uvicorn without its own handling of signals: one server here has two listeners."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leaves the signals alone."""
        yield


class HttpListener:
    """An HTTP server on its port.

    Raises:
        ServingError: the port is taken, or the address not one of this machine.
    """

    def __init__(self, service: Service, options: NetworkOptions) -> None:
        self.limits = BodyLimits(
            max_bytes=options.max_request_bytes,
            max_bytes_together=BODIES_TOGETHER * options.max_request_bytes,
            timeout_s=options.body_timeout_s,
        )
        app = HttpGate(
            http_app(service, self.limits),
            InferApp(service, self.limits),
            token=options.token,
            logs=service.logs,
        )
        protocol = functools.partial(GuardedHttp, head_timeout_s=options.body_timeout_s)
        config = uvicorn.Config(
            app,
            http=cast("type[asyncio.Protocol]", protocol),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(options.drain_s)),
            limit_concurrency=options.max_connections,
            ssl_certfile=options.tls.certificate if options.tls else None,
            ssl_keyfile=options.tls.key if options.tls else None,
        )
        self._socket = _bound(options)
        self._server = Uvicorn(config)
        self._task: asyncio.Task[None] | None = None
        self.port = self._socket.getsockname()[1]

    async def start(self) -> None:
        """Begins to listen."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        while not self._server.started and not self._task.done():
            await asyncio.sleep(POLL_S)
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Takes no new connections, and returns when the requests that run are answered."""
        self._server.should_exit = True
        if self._task is not None:
            await self._task


def _bound(options: NetworkOptions) -> socket.socket:
    family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
    try:
        return socket.create_server(
            (options.host, options.http_port), family=family, backlog=BACKLOG
        )
    except OSError as cause:
        where = f"HTTP on {options.address(options.http_port)}"
        reason = os.strerror(cause.errno) if cause.errno else str(cause)
        raise ServingError(f"cannot listen: {reason}", where=where) from cause
