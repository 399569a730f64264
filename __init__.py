"""encas: cascades of image classifiers, searched, exported, proven, executed, measured, served.

Names are imported when first used: `import encas` needs neither numba nor onnxruntime nor torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .cascade import Cascade, Decision, decide
    from .errors import EncasError
    from .fronts.front import Front
    from .latency import LatencyProfile
    from .manifest import Manifest
    from .pools.pool import Pool
    from .runtime.loading import load
    from .search.finder import find_front
    from .version import __version__

__all__ = [
    "Cascade",
    "Decision",
    "EncasError",
    "Front",
    "LatencyProfile",
    "Manifest",
    "Pool",
    "__version__",
    "decide",
    "find_front",
    "load",
]

_MODULES = {
    "Cascade": "cascade",
    "Decision": "cascade",
    "EncasError": "errors",
    "Front": "fronts.front",
    "LatencyProfile": "latency",
    "Manifest": "manifest",
    "Pool": "pools.pool",
    "__version__": "version",
    "decide": "cascade",
    "find_front": "search.finder",
    "load": "runtime.loading",
}


def __getattr__(name: str) -> Any:
    """The public name, imported now."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f".{_MODULES[name]}", __name__), name)
