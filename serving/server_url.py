"""Where a server is, and how tritonclient reaches it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ..errors import MissingExtraError, ServingError

try:
    import tritonclient.grpc
    import tritonclient.http
    from tritonclient.utils import InferenceServerException
except ImportError as error:
    raise MissingExtraError("encas client", extra="triton") from error

# What tritonclient raises where a server refuses.
ServerRefusal = InferenceServerException

SCHEMES = ("http", "https", "grpc", "grpcs")
TIMEOUT_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerUrl:
    """Where a server is.

    Args:
        scheme: "http", "https", "grpc" or "grpcs".
        address: HOST:PORT.
    """

    scheme: str
    address: str

    @classmethod
    def parse(cls, text: str) -> ServerUrl:
        """What `http://HOST:PORT`, `grpc://HOST:PORT` or HOST:PORT (HTTP) means.

        Raises:
            ServingError: it is none of these.
        """
        parts = urlsplit(text if "://" in text else f"http://{text}")
        if parts.scheme not in SCHEMES or not parts.netloc or parts.path.strip("/"):
            raise ServingError(
                f"expected {'://HOST:PORT or '.join(SCHEMES)}://HOST:PORT, got {text!r}"
            )
        return cls(scheme=parts.scheme, address=parts.netloc)

    @property
    def library(self) -> Any:
        """The half of tritonclient that speaks the protocol."""
        return tritonclient.grpc if self.scheme.startswith("grpc") else tritonclient.http

    def connect(self, authorities: Path | None = None) -> Any:
        """A client of the server; each thread needs its own.

        Args:
            authorities: PEM file of those who vouch for the server; None: the usual ones.
        """
        is_http = self.library is tritonclient.http
        options: dict[str, Any] = {}
        if is_http:
            options = {"connection_timeout": TIMEOUT_S, "network_timeout": TIMEOUT_S}
        if self.scheme in ("https", "grpcs"):
            options["ssl"] = True
            if authorities is not None and is_http:
                options["ssl_options"] = {"ca_certs": str(authorities)}
            elif authorities is not None:
                options["root_certificates"] = str(authorities)
        return self.library.InferenceServerClient(self.address, **options)
