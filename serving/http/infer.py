"""Inference over HTTP: the one path that must be fast, apart from all others."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..protocol.protocol import InferAnswer, InferRequest, Refusal
from ..service.service import Service
from .answers import HEADER_LENGTH, error_response, refusal_response
from .body import LARGE_BYTES, BodyLimits, ClientGone, Lease, packed, read_body
from .client_watch import WhileClientListens
from .json_codec import decoded_request, encoded_answer

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

LOGGER = logging.getLogger("encas.http")
PREFIX, ENDING = "/v2/models/", "/infer"
# JSON numbers become objects and then an array: so many bytes in memory for each one sent.
JSON_BYTES_PER_BYTE = 8
MAX_LENGTH_DIGITS = 19
LENGTH_KEY = HEADER_LENGTH.lower().encode()


def is_infer_path(path: str) -> bool:
    """Whether a path asks for inference."""
    return path.endswith(ENDING) and path.startswith(PREFIX)


class InferApp:
    """An ASGI application for `/v2/models/NAME[/versions/VERSION]/infer`."""

    def __init__(self, service: Service, limits: BodyLimits) -> None:
        self._service = service
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        headers = dict(scope["headers"])
        try:
            model, version = _place(scope["path"])
            if scope["method"] != "POST":
                raise Refusal("not_allowed", "Method Not Allowed")
            with self._limits.lease() as lease:
                body = await read_body(headers, receive, self._limits, lease)
                self._service.admit(model, version, "http")
                request = await _decoded(body, headers, lease, model, version)
                with WhileClientListens(receive):
                    answer = await self._service.infer(request, "http")
            await _send(send, answer, headers)
        except Refusal as refusal:
            await refusal_response(refusal)(scope, receive, send)
        except ClientGone:
            return
        except Exception:
            # The client gets an answer, whatever went wrong; the log gets the traceback.
            LOGGER.exception("request failed", extra={"path": scope["path"]})
            await error_response(500, "internal error")(scope, receive, send)


def _place(path: str) -> tuple[str, str]:
    """Model and version of a path."""
    parts = path[len(PREFIX) : -len(ENDING)].split("/")
    if len(parts) == 1:
        return parts[0], ""
    if len(parts) == 3 and parts[1] == "versions":
        return parts[0], parts[2]
    raise Refusal("not_found", "Not Found")


async def _decoded(
    body: bytes, headers: Mapping[bytes, bytes], lease: Lease, model: str, version: str
) -> InferRequest:
    length = headers.get(LENGTH_KEY)
    if length is not None and not (length.isdigit() and len(length) <= MAX_LENGTH_DIGITS):
        raise Refusal("invalid", f"{HEADER_LENGTH} must be a whole number")
    n_bytes = None if length is None else int(length)
    lease.reserve(JSON_BYTES_PER_BYTE * min(len(body), len(body) if n_bytes is None else n_bytes))
    if len(body) <= LARGE_BYTES:
        return decoded_request(body, n_bytes, model=model, version=version)
    # Millions of JSON numbers take a while; others shall not wait for them.
    return await asyncio.to_thread(decoded_request, body, n_bytes, model=model, version=version)


async def _send(send: Send, answer: InferAnswer, headers: Mapping[bytes, bytes]) -> None:
    body, length = encoded_answer(answer)
    body, encoding = packed(body, headers.get(b"accept-encoding", b"").decode("latin-1"))
    kind = b"application/json" if length is None else b"application/octet-stream"
    head = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    if length is not None:
        head.append((LENGTH_KEY, str(length).encode()))
    if encoding is not None:
        head.append((b"content-encoding", encoding.encode()))
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})
