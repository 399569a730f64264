"""The protobuf messages of the protocol and of Triton's configuration, from tritonclient.

They are generated and carry no types, so that a message is `Any` to the type checker.
"""

from __future__ import annotations

from typing import Any, TypeAlias

from ...errors import MissingExtraError

try:
    from google.protobuf import json_format, text_format
    from tritonclient.grpc import model_config_pb2, service_pb2
except ImportError as error:
    raise MissingExtraError("Triton's protobuf messages", extra="triton") from error

__all__ = ["Message", "config_pb", "json_format", "pb", "text_format"]

Message: TypeAlias = Any

pb: Any = service_pb2
config_pb: Any = model_config_pb2
