"""Bearer tokens: who may talk to the server."""

from __future__ import annotations

import hmac
from pathlib import Path

from ...errors import ServingError
from ..protocol.protocol import Refusal

MIN_LENGTH = 16
SCHEME = "bearer"


class BearerToken:
    """The one token that a server accepts.

    Args:
        token: at least 16 characters.

    Raises:
        ServingError: the token is shorter, or not fit for a header.
    """

    def __init__(self, token: str) -> None:
        if (
            len(token) < MIN_LENGTH
            or not token.isascii()
            or not token.isprintable()
            or " " in token
        ):
            raise ServingError(
                f"a token needs {MIN_LENGTH} or more ASCII characters without spaces, "
                f"got {len(token)}; make one with: openssl rand -hex 32",
                where="bearer token",
            )
        self._token = token.encode()

    @classmethod
    def read(cls, path: Path) -> BearerToken:
        """The token that stands in a file.

        Raises:
            ServingError: there is no such file, or no token in it.
        """
        try:
            text = path.read_text("ascii").strip()
        except (OSError, UnicodeDecodeError) as cause:
            raise ServingError(f"cannot read the token: {cause}", where=str(path)) from cause
        return cls(text)

    def check(self, authorization: str | bytes | None) -> None:
        """Lets pass the header `Authorization: Bearer TOKEN`.

        Raises:
            Refusal: the header is missing, or another one.
        """
        header = authorization or b""
        raw = header.encode("utf-8", "replace") if isinstance(header, str) else header
        scheme, _, token = raw.partition(b" ")
        is_known = hmac.compare_digest(token.strip(), self._token)
        if scheme.lower() != SCHEME.encode() or not is_known:
            raise Refusal("unauthenticated", "a bearer token is needed")
