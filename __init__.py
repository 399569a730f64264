"""encas: cascades of image classifiers, searched, exported, proven, executed, measured, served."""

from .version import __version__

__all__ = ["__version__"]
