# numba infers the types of compiled functions.
# pyright: reportMissingParameterType=false
"""Waiting for another thread without sleeping, for a moment."""

from __future__ import annotations

from typing import Any

from .compiled import compiled

# isort: split
from numba.core import cgutils, types
from numba.extending import intrinsic


@intrinsic
def _loaded(_context: Any, array: Any, place: Any) -> Any:
    """An item of an int64 array as other threads have left it: it is read anew each time."""

    def generated(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        kind = signature.args[0]
        view = context.make_array(kind)(context, builder, arguments[0])
        pointer = cgutils.get_item_pointer(context, builder, kind, view, [arguments[1]])
        return builder.load_atomic(pointer, "acquire", 8)

    return types.int64(array, place), generated


@compiled
def spin_while(counts, place, value, looks):
    """Looks at counts[place] until it is another value, so many times at most."""
    for _ in range(looks):
        if _loaded(counts, place) != value:  # pyright: ignore[reportCallIssue]
            return
