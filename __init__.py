"""Cascades of image classifiers: searched, exported, proven, executed, measured, served.

A pool holds the stored outputs of classifiers that you already have. A search finds the front of
cascades that trade accuracy against cost; one of them is exported as a bundle that runs anywhere.

    >>> import numpy as np
    >>> import encas
    >>> rng = np.random.default_rng(0)
    >>> label = rng.integers(0, 10, 500)
    >>> logits = rng.normal(size=(3, 500, 10)) + np.eye(10)[label] * [[[2]], [[4]], [[8]]]
    >>> pool = encas.Pool.of(
    ...     outputs=logits, kind="logits", label=label,
    ...     names=["small", "medium", "large"], costs={"macs": [1e6, 5e6, 4e7]})
    >>> front = encas.find_front(pool, seed=0)
    >>> print(front.select(min_accuracy=0.99))
    small (0.56) > medium

Names are imported when first used: `import encas` needs neither numba nor onnxruntime nor torch.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .cascade import Cascade, Decision, decide
    from .errors import (
        CascadeError,
        DataError,
        EncasError,
        ExportError,
        FrontError,
        ManifestError,
        MissingExtraError,
        PoolError,
        ProfileError,
        SearchError,
        ServingError,
        SessionError,
        SourceError,
    )
    from .fronts.front import Front
    from .fronts.front_plot import plot_front
    from .fronts.scoring import evaluate_front
    from .jobs.export_front import export_bundle
    from .jobs.export_models import export_models
    from .jobs.measure_latency import profile_models
    from .jobs.tuning.tune_pool import tune
    from .jobs.verify_bundle import verify_bundle
    from .latency import LatencyProfile
    from .manifest import Manifest
    from .pools.building.build_pool import build_pool
    from .pools.pool import Pool
    from .pools.pool_split import split_pool
    from .reports.report_writing import report
    from .runtime.loading import load
    from .search.front_finding import find_front
    from .version import __version__

__all__ = [
    "Cascade",
    "CascadeError",
    "DataError",
    "Decision",
    "EncasError",
    "ExportError",
    "Front",
    "FrontError",
    "LatencyProfile",
    "Manifest",
    "ManifestError",
    "MissingExtraError",
    "Pool",
    "PoolError",
    "ProfileError",
    "SearchError",
    "ServingError",
    "SessionError",
    "SourceError",
    "__version__",
    "build_pool",
    "decide",
    "evaluate_front",
    "export_bundle",
    "export_models",
    "find_front",
    "load",
    "plot_front",
    "profile_models",
    "report",
    "split_pool",
    "tune",
    "verify_bundle",
]

_MODULES = {
    "Cascade": "cascade",
    "CascadeError": "errors",
    "DataError": "errors",
    "Decision": "cascade",
    "EncasError": "errors",
    "ExportError": "errors",
    "Front": "fronts.front",
    "FrontError": "errors",
    "LatencyProfile": "latency",
    "Manifest": "manifest",
    "ManifestError": "errors",
    "MissingExtraError": "errors",
    "Pool": "pools.pool",
    "PoolError": "errors",
    "ProfileError": "errors",
    "SearchError": "errors",
    "ServingError": "errors",
    "SessionError": "errors",
    "SourceError": "errors",
    "__version__": "version",
    "build_pool": "pools.building.build_pool",
    "decide": "cascade",
    "evaluate_front": "fronts.scoring",
    "export_bundle": "jobs.export_front",
    "export_models": "jobs.export_models",
    "find_front": "search.front_finding",
    "load": "runtime.loading",
    "plot_front": "fronts.front_plot",
    "profile_models": "jobs.measure_latency",
    "report": "reports.report_writing",
    "split_pool": "pools.pool_split",
    "tune": "jobs.tuning.tune_pool",
    "verify_bundle": "jobs.verify_bundle",
}


def __getattr__(name: str) -> object:
    """The public name, imported now."""
    from importlib import import_module  # noqa: PLC0415 - a name less that completion could show

    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    """The public names alone: neither folders that were imported nor what this file needs."""
    return __all__
