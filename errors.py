"""Every error that encas raises on purpose.

EncasError                      the base: catch this one to catch them all
├── CascadeError                members, thresholds or outputs that make no cascade
├── PoolError                   stored outputs, labels or costs of a pool
├── SearchError                 options or inputs that a search cannot work with
├── FrontError                  a front file, or a selection from one
├── ManifestError               a bundle's manifest, paths or hashes
├── ExportError                 a model that cannot be exported, or a proof that failed
├── SessionError                a model that cannot be loaded or run on the device asked for
├── ProfileError                a latency profile, or a measurement that did not settle
├── DataError                   a data set, an image or a preprocessing
├── SourceError                 a SPEC, or the model that it names
├── ServingError                a server, a client or a model repository
└── MissingExtraError           an optional dependency that is not installed
"""

from __future__ import annotations


class EncasError(Exception):
    """One clear error: what is wrong, where, what was expected, what was found, what to do.

    Args:
        *faults: one sentence for each fault; all faults of one file come in one error.
        where: the file, folder or value that the faults are in.
    """

    def __init__(self, *faults: str, where: str | None = None) -> None:
        self.faults = faults
        self.where = where
        prefix = f"{where}: " if where else ""
        count = f"{len(faults)} faults: " if len(faults) > 1 else ""
        super().__init__(prefix + count + "; ".join(faults))

    def told_beside(self, place: str) -> str:
        """The text for a line that names `place` already."""
        return "; ".join(self.faults) if self.where == place else str(self)


def whole_text(cause: BaseException) -> str:
    """All that an exception of another library says, in one line."""
    return " ".join(str(cause).split()) or type(cause).__name__


class CascadeError(EncasError, ValueError):
    """Members, thresholds or outputs that make no cascade."""


class PoolError(EncasError, ValueError):
    """Stored outputs, labels or costs that make no pool."""


class SearchError(EncasError, ValueError):
    """Options or inputs that a search cannot work with."""


class FrontError(EncasError, ValueError):
    """A front file that cannot be read, or a selection that nothing fits."""


class ManifestError(EncasError, ValueError):
    """A manifest, a path in it or a hash in it that is refused."""


class ExportError(EncasError):
    """A model that cannot be exported, or a proof that failed."""


class SessionError(EncasError):
    """A model that cannot be loaded or run on the device asked for."""


class ProfileError(EncasError):
    """A latency profile that does not fit, or a measurement that did not settle."""


class DataError(EncasError, ValueError):
    """A data set, an image or a preprocessing that cannot be used."""


class SourceError(EncasError, ValueError):
    """A SPEC that names no model, or a model that cannot be built from it."""


class ServingError(EncasError):
    """A server, a client or a model repository."""


class MissingExtraError(EncasError, ImportError):
    """An optional dependency that is not installed.

    Args:
        feature: what the dependency is needed for, as a sentence's subject.
        extra: the extra of `encas` that brings it.
    """

    def __init__(self, feature: str, *, extra: str) -> None:
        super().__init__(f"{feature} needs an optional dependency: pip install 'encas[{extra}]'")
