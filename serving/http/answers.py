"""HTTP responses: answers, JSON, and the protocol's error for every refusal."""

from __future__ import annotations

import json
from collections.abc import Mapping

from ...errors import MissingExtraError
from ..protocol.protocol import Refusal, RefusalKind

try:
    from starlette.responses import Response
except ImportError as error:
    raise MissingExtraError("encas serve", extra="serve") from error

STATUS: Mapping[RefusalKind, int] = {
    "invalid": 400,
    "unauthenticated": 401,
    "not_found": 404,
    "not_allowed": 405,
    "too_slow": 408,
    "too_large": 413,
    "exhausted": 429,
    "internal": 500,
    "unsupported": 501,
    "unavailable": 503,
    "expired": 504,
}
HEADER_LENGTH = "Inference-Header-Content-Length"


def json_response(value: object) -> Response:
    """A JSON value."""
    body = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return Response(body, media_type="application/json")


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """The protocol's error."""
    body = json.dumps({"error": message})
    return Response(body, status, headers=headers, media_type="application/json")


def refusal_response(refusal: Refusal) -> Response:
    """What a refused request is answered with."""
    headers = {"WWW-Authenticate": "Bearer"} if refusal.kind == "unauthenticated" else {}
    if refusal.kind == "not_allowed":
        headers["Allow"] = "POST"
    if refusal.kind in ("too_large", "too_slow"):
        headers["Connection"] = "close"
    if refusal.kind in ("exhausted", "unavailable"):
        headers["Retry-After"] = "1"
    return error_response(STATUS[refusal.kind], refusal.message, headers)
