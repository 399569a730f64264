"""What every HTTP request passes: the bearer token, and a line in the log."""

from __future__ import annotations

import logging
import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from ..protocol.protocol import Refusal
from ..service.server_settings import LogSettings
from ..service.tokens import BearerToken
from .answers import refusal_response
from .infer import is_infer_path

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

LOGGER = logging.getLogger("encas.http")
OPEN_PATHS = ("/v2/health/live", "/v2/health/ready")


class HttpGate:
    """An ASGI application around another one.

    Args:
        app: answers the requests that pass.
        infer: answers those among them that ask for inference.
        token: what a client must show for everything but the health; None: nothing.
        logs: whether requests are logged.
    """

    def __init__(
        self, app: ASGIApp, infer: ASGIApp, *, token: BearerToken | None, logs: LogSettings
    ) -> None:
        self._app = app
        self._infer = infer
        self._token = token
        self._logs = logs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if self._token is not None and scope["path"] not in OPEN_PATHS:
            try:
                self._token.check(dict(scope["headers"]).get(b"authorization"))
            except Refusal as refusal:
                await refusal_response(refusal)(scope, receive, send)
                return
        app = self._infer if is_infer_path(scope["path"]) else self._app
        if self._logs.logs_requests:
            await _logged(app, scope, receive, send)
        else:
            await app(scope, receive, send)


async def _logged(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    started, status = time.monotonic(), 0

    async def noting(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)
        await send(message)

    try:
        await app(scope, receive, noting)
    finally:
        elapsed_ms = (time.monotonic() - started) * 1e3
        LOGGER.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round(elapsed_ms, 3),
            },
        )
