"""Where a server listens, and what it lets in."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path

from ...errors import ServingError
from .tokens import BearerToken


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsFiles:
    """A certificate (chain) and its key, as PEM files.

    Raises:
        ServingError: a file is missing.
    """

    certificate: Path
    key: Path

    def __post_init__(self) -> None:
        missing = [f"no such file: {p}" for p in (self.certificate, self.key) if not p.is_file()]
        if missing:
            raise ServingError(*missing, where="TLS")

    def contents(self) -> tuple[bytes, bytes]:
        """The key and the certificate."""
        return self.key.read_bytes(), self.certificate.read_bytes()


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkOptions:
    """The network side of a server.

    Args:
        host: address to listen on.
        http_port: 0: any free one.
        grpc_port: 0: any free one; None: no gRPC.
        token: what clients must show; None: nothing.
        tls: for both protocols; None: no encryption.
        max_request_bytes: of one request.
        max_connections: HTTP connections and gRPC calls at the same time, each.
        body_timeout_s: from the first byte of an HTTP body to its last, and the same for its head.
        drain_s: how long requests may still take when the server is told to end.
    """

    host: str = "127.0.0.1"
    http_port: int = 8000
    grpc_port: int | None = 8001
    token: BearerToken | None = None
    tls: TlsFiles | None = None
    max_request_bytes: int = 64 * 2**20
    max_connections: int = 1024
    body_timeout_s: float = 30.0
    drain_s: float = 30.0

    @property
    def is_local(self) -> bool:
        """Whether only this machine can connect."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def address(self, port: int) -> str:
        """HOST:PORT, with brackets around an IPv6 address."""
        return f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"
