"""How long-running work tells how far it is: one value, and one kind of listener."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a task is.

    Args:
        what: the task; of tasks that are under way at the same time each has another.
        done: how much of it is done; less than before where a part begins anew.
        total: how much there is to do; None while nobody knows.
        unit: what is counted, such as "images".
        text: what it is at now.
        news: something that has just come of it, to be kept in sight; "" most of the time.
    """

    what: str
    done: float = 0
    total: float | None = None
    unit: str = ""
    text: str = ""
    news: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing is left of the task."""
        return self.total is not None and self.done >= self.total


OnProgress: TypeAlias = Callable[[Progress], object]


def unheard(progress: Progress, /) -> None:
    """The listener where nobody listens."""


def counted(
    items: Sequence[Item], *, what: str, unit: str, on_progress: OnProgress
) -> Iterator[Item]:
    """The items one after the other; tells how many of them are done."""
    for done, item in enumerate(items):
        on_progress(Progress(what=what, done=done, total=len(items), unit=unit))
        yield item
    on_progress(Progress(what=what, done=len(items), total=len(items), unit=unit))
