"""The gRPC listener: limits, TLS, bearer token."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from ...errors import MissingExtraError, ServingError
from ..protocol.protocol import Refusal
from ..service.network import NetworkOptions
from ..service.service import Service
from ..service.tokens import BearerToken
from .servicer import CODES, GrpcFace

try:
    import grpc
    from tritonclient.grpc import service_pb2_grpc
except ImportError as error:
    raise MissingExtraError("gRPC", extra="triton") from error

OPEN_CALLS = ("ServerLive", "ServerReady")
STREAM_CALL = "ModelStreamInfer"
HEADER_ROOM = 2**20


class TokenCheck(grpc.aio.ServerInterceptor):
    """Lets only calls with the bearer token pass; health is open to all."""

    def __init__(self, token: BearerToken) -> None:
        self._token = token

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Any]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Any:
        """The handler of the call, or one that refuses it."""
        name = str(handler_call_details.method).rpartition("/")[2]
        metadata = dict(handler_call_details.invocation_metadata or ())
        if name not in OPEN_CALLS:
            try:
                self._token.check(metadata.get("authorization"))
            except Refusal as refusal:
                return _refusing(name, refusal)
        return await continuation(handler_call_details)


class GrpcListener:
    """A gRPC server on its port."""

    def __init__(self, service: Service, options: NetworkOptions) -> None:
        limit = options.max_request_bytes + HEADER_ROOM
        self._server = grpc.aio.server(
            interceptors=[TokenCheck(options.token)] if options.token else [],
            options=[
                ("grpc.max_receive_message_length", limit),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),
            ],
            maximum_concurrent_rpcs=options.max_connections,
        )
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(GrpcFace(service), self._server)
        self._options = options
        self.port = 0

    async def start(self) -> None:
        """Begins to listen.

        Raises:
            ServingError: the port is taken.
        """
        address = self._options.address(self._options.grpc_port or 0)
        try:
            if self._options.tls is None:
                self.port = self._server.add_insecure_port(address)
            else:
                key, certificate = self._options.tls.contents()
                credentials = grpc.ssl_server_credentials([(key, certificate)])
                self.port = self._server.add_secure_port(address, credentials)
        except RuntimeError as cause:
            raise ServingError("cannot listen, the address is taken or not here",
                               where=f"gRPC on {address}") from cause  # fmt: skip
        await self._server.start()

    async def stop(self, grace_s: float) -> None:
        """Takes no new calls, and returns when those that run have ended, or after `grace_s`."""
        await self._server.stop(grace_s)


def _refusing(name: str, refusal: Refusal) -> grpc.RpcMethodHandler[Any, Any]:
    async def refuse(_request: Any, context: Any) -> Any:
        await context.abort(CODES[refusal.kind], refusal.message)

    if name == STREAM_CALL:
        return grpc.stream_stream_rpc_method_handler(refuse)
    return grpc.unary_unary_rpc_method_handler(refuse)
