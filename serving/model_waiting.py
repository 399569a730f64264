"""Waits until a server has loaded the model that is asked for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ServingError
from ..progress import OnProgress, Progress, unheard
from .protocol.protocol import NOT_YET

PAUSE_S = 0.5
WAIT_S = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedModels:
    """What a server says of its models.

    Args:
        ready: names of those that answer.
        loading: names of those that will, once they are loaded.
    """

    ready: tuple[str, ...] = ()
    loading: tuple[str, ...] = ()

    @classmethod
    def of(cls, index: Iterable[Mapping[str, Any]]) -> ListedModels:
        """The models of the protocol's list: objects with name, state and reason."""
        models = list(index)
        return cls(
            ready=tuple(m["name"] for m in models if m.get("state") == "READY"),
            loading=tuple(m["name"] for m in models if _is_loading(m)),
        )


def awaited_model(
    listed: Callable[[], ListedModels],
    wanted: str | None,
    *,
    where: str,
    wait_s: float = WAIT_S,
    on_progress: OnProgress = unheard,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], object] = time.sleep,
) -> str:
    """The name of a model that is ready; waits while it is being loaded.

    Args:
        listed: asks the server for its models.
        wanted: a model; None: the only one that the server has.
        where: the server's address.
        wait_s: how long it is waited for, at most.
        on_progress: hears that it is waited, and for what.
        clock: gives seconds.
        pause: waits so many seconds.

    Raises:
        ServingError: the server has no such model, has several, or is not ready in time.
    """
    started, what = clock(), f"waiting for {where}"
    models = listed()
    while wanted in models.loading or (wanted is None and models.loading):
        waited_s, names = clock() - started, ", ".join(models.loading)
        if waited_s >= wait_s:
            raise ServingError(
                f"not ready yet: after {waited_s:.0f} s it still loads {names}; its log says what "
                "it does, --wait-s gives it longer",
                where=where,
            )
        text = f"not ready yet, it loads {names}"
        on_progress(Progress(what=what, done=waited_s, unit="s", text=text))
        pause(min(PAUSE_S, wait_s - waited_s))
        models = listed()
        if not models.loading or wanted in models.ready:
            waited_s = clock() - started
            on_progress(Progress(what=what, done=waited_s, total=waited_s, unit="s", text="ready"))
    chosen = models.ready[0] if wanted is None and len(models.ready) == 1 else wanted
    if chosen is None or chosen not in models.ready:
        shown = ", ".join(models.ready) or "none"
        raise ServingError(f"choose one of its models with --model: {shown}", where=where)
    return chosen


def _is_loading(model: Mapping[str, Any]) -> bool:
    return model.get("state") == "LOADING" or model.get("reason") == NOT_YET
