"""Gives up on a request whose client has hung up."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import TYPE_CHECKING

from .body import ClientGone

if TYPE_CHECKING:
    from starlette.types import Receive

PATIENCE_S = 0.05


class WhileClientListens:
    """Cancels what runs inside when the client hangs up; nothing listens in the first moments.

    Args:
        receive: of an ASGI application whose request has been read to its end.

    Raises:
        ClientGone: at the end of the `with`, when the client has hung up.
    """

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._watcher: asyncio.Task[None] | None = None
        self._is_gone = False

    def __enter__(self) -> None:
        self._timer = self._loop.call_later(PATIENCE_S, self._begin)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        cause: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._timer.cancel()
        if self._watcher is not None:
            self._watcher.cancel()
        if self._is_gone and self._task is not None and isinstance(cause, asyncio.CancelledError):
            self._task.uncancel()
            raise ClientGone from None

    def _begin(self) -> None:
        self._watcher = self._loop.create_task(self._watch())

    async def _watch(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._is_gone = True
        if self._task is not None:
            self._task.cancel()
