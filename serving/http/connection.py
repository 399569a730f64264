"""uvicorn's HTTP connection, with limits where it has none: the head of a request, and silence."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from ...errors import MissingExtraError

try:
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
except ImportError as error:
    raise MissingExtraError("encas serve", extra="serve") from error

if TYPE_CHECKING:
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

MAX_HEAD_BYTES = 2**16


class GuardedHttp(HttpToolsProtocol):
    """A connection whose client must send the head of each request in time, and a short one.

    Between two requests it may be silent for as long as uvicorn keeps connections.

    Args:
        head_timeout_s: from the connection, or the first byte of a later request, to the end of
            the head.
        options: uvicorn's.
    """

    def __init__(self, *, head_timeout_s: float, **options: Any) -> None:
        super().__init__(**options)
        self._head_timeout_s = head_timeout_s
        self._timer: asyncio.TimerHandle | None = None
        self._n_head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See `asyncio.Protocol`."""
        super().connection_made(transport)
        self._begin_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See `asyncio.Protocol`."""
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """See `asyncio.Protocol`."""
        if not self._is_answering:
            self._begin_head()
        super().data_received(data)
        if self._timer is not None:
            self._n_head_bytes += len(data)
            if self._n_head_bytes > MAX_HEAD_BYTES:
                self._end(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the head is too large")

    def on_message_begin(self) -> None:
        """See `httptools.HttpRequestParser`."""
        super().on_message_begin()
        self._begin_head()

    def on_headers_complete(self) -> None:
        """See `httptools.HttpRequestParser`."""
        self._end_head()
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP with the protocol's error."""
        self._end(HTTPStatus.BAD_REQUEST, msg)

    @property
    def _is_answering(self) -> bool:
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and not cycle.response_complete

    def _begin_head(self) -> None:
        if self._timer is None:
            self._n_head_bytes = 0
            self._timer = self.loop.call_later(
                self._head_timeout_s,
                self._end,
                HTTPStatus.REQUEST_TIMEOUT,
                f"the head took over {self._head_timeout_s:g} s",
            )

    def _end_head(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _end(self, status: HTTPStatus, message: str) -> None:
        """Closes the connection, after an error unless an answer is under way."""
        self._end_head()
        if not self._is_answering:
            body = json.dumps({"error": message}).encode()
            head = (
                f"HTTP/1.1 {status.value} {status.phrase}\r\nconnection: close\r\n"
                f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
            )
            self.transport.write(head.encode() + body)
        self.transport.close()
