"""Calls an ASGI application without a server: one request in, one answer out."""

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

GONE = {"type": "http.disconnect"}


class Answer(NamedTuple):
    """What came back; status 0 where nothing did."""

    status: int
    headers: dict[str, str]
    body: bytes


async def ask(
    app: Any,
    method: str,
    path: str,
    body: bytes | str = b"",
    headers: Mapping[str, str] | None = None,
    *,
    hangs_up: bool = False,
) -> Answer:
    """The answer of an application.

    Args:
        app: the application.
        method: such as "GET".
        path: without a query.
        body: of the request.
        headers: of the request.
        hangs_up: whether the client is gone before its body is complete.
    """
    content = body.encode() if isinstance(body, str) else body
    incoming = [{"type": "http.request", "body": content, "more_body": hangs_up}]
    incoming += [GONE] * hangs_up
    answered: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        if not incoming:
            # The client waits for its answer.
            await asyncio.Event().wait()
        return incoming.pop(0)

    async def send(message: dict[str, Any]) -> None:
        answered.append(message)

    raw = {
        "content-length": str(len(content)),
        **{k.lower(): v for k, v in (headers or {}).items()},
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("test", 80),
        "headers": [(key.encode(), value.encode()) for key, value in raw.items()],
    }
    await app(scope, receive, send)
    if not answered:
        return Answer(0, {}, b"")
    start, *parts = answered
    found = {key.decode().lower(): value.decode() for key, value in start["headers"]}
    return Answer(start["status"], found, b"".join(part.get("body", b"") for part in parts))
