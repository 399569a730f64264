# ruff: noqa: N802, ARG002 - the names and arguments of the calls are the protocol's
"""The protocol over gRPC: tritonclient's servicer, call by call."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from typing import Any, TypeAlias

from ...errors import MissingExtraError
from ..protocol.messages import Message, pb
from ..protocol.model_config_text import as_message
from ..protocol.protocol import InferAnswer, Refusal, RefusalKind
from ..service.service import Service
from ..service.shared_memory import Region
from .protobuf_codec import decoded_message, encoded_message

try:
    import grpc
    from tritonclient.grpc import service_pb2_grpc
except ImportError as error:
    raise MissingExtraError("gRPC", extra="triton") from error

Context: TypeAlias = Any
Call: TypeAlias = Callable[..., Coroutine[Any, Any, Message]]

CODES: Mapping[RefusalKind, grpc.StatusCode] = {
    "invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "unauthenticated": grpc.StatusCode.UNAUTHENTICATED,
    "not_found": grpc.StatusCode.NOT_FOUND,
    "not_allowed": grpc.StatusCode.UNIMPLEMENTED,
    "too_slow": grpc.StatusCode.DEADLINE_EXCEEDED,
    "too_large": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "exhausted": grpc.StatusCode.RESOURCE_EXHAUSTED,
    "internal": grpc.StatusCode.INTERNAL,
    "unsupported": grpc.StatusCode.UNIMPLEMENTED,
    "unavailable": grpc.StatusCode.UNAVAILABLE,
    "expired": grpc.StatusCode.DEADLINE_EXCEEDED,
}
MAX_STREAM_REQUESTS = 64
LARGE_BYTES = 2**18
LOGGER = logging.getLogger("encas.grpc")


def call(method: Call) -> Call:
    """A call of the servicer: a refusal becomes the status of the call."""

    @functools.wraps(method)
    async def guarded(face: GrpcFace, request: Message, context: Context) -> Message:
        try:
            return await method(face, request)
        except Exception as cause:
            refusal = _refusal(cause, method.__name__)
            await context.abort(CODES[refusal.kind], refusal.message)

    return guarded


def _refusal(cause: Exception, method: str) -> Refusal:
    """What a client is told, whatever went wrong; the log gets the traceback."""
    if isinstance(cause, Refusal):
        return cause
    LOGGER.error("request failed", extra={"method": method}, exc_info=cause)
    return Refusal("internal", "internal error")


class GrpcFace(service_pb2_grpc.GRPCInferenceServiceServicer):
    """All calls of the service, on grpc.aio."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @call
    async def ServerLive(self, request: Message) -> Message:
        """Whether the server runs."""
        return pb.ServerLiveResponse(live=True)

    @call
    async def ServerReady(self, request: Message) -> Message:
        """Whether requests are welcome."""
        return pb.ServerReadyResponse(ready=self._service.is_ready)

    @call
    async def ModelReady(self, request: Message) -> Message:
        """Whether requests for a model are welcome."""
        is_ready = self._service.is_model_ready(request.name, request.version)
        return pb.ModelReadyResponse(ready=is_ready)

    @call
    async def ServerMetadata(self, request: Message) -> Message:
        """The server."""
        return pb.ServerMetadataResponse(**self._service.metadata())

    @call
    async def ModelMetadata(self, request: Message) -> Message:
        """A model."""
        metadata = self._service.model_metadata(request.name, request.version)
        return as_message(metadata, pb.ModelMetadataResponse())

    @call
    async def ModelConfig(self, request: Message) -> Message:
        """A model's configuration."""
        config = self._service.model_config(request.name, request.version)
        return as_message({"config": config}, pb.ModelConfigResponse())

    @call
    async def ModelStatistics(self, request: Message) -> Message:
        """Counters of a model, or of all."""
        statistics = self._service.statistics(request.name, request.version)
        return as_message(statistics, pb.ModelStatisticsResponse())

    @call
    async def ModelInfer(self, request: Message) -> Message:
        """Inference."""
        return encoded_message(await self._answer(request))

    async def ModelStreamInfer(
        self, request_iterator: AsyncIterator[Message], context: Context
    ) -> AsyncIterator[Message]:
        """Inference, request by request, answered in order."""
        tasks: asyncio.Queue[asyncio.Task[Message] | None] = asyncio.Queue()
        room = asyncio.Semaphore(MAX_STREAM_REQUESTS)

        async def read() -> None:
            try:
                async for request in request_iterator:
                    await room.acquire()
                    tasks.put_nowait(asyncio.create_task(self._stream_answer(request)))
            finally:
                tasks.put_nowait(None)

        reader = asyncio.create_task(read())
        try:
            while (task := await tasks.get()) is not None:
                yield await task
                room.release()
        finally:
            reader.cancel()
            while not tasks.empty():
                if (task := tasks.get_nowait()) is not None:
                    task.cancel()

    @call
    async def RepositoryIndex(self, request: Message) -> Message:
        """The list of models."""
        models = self._service.catalog.index(only_ready=request.ready)
        return as_message({"models": models}, pb.RepositoryIndexResponse())

    @call
    async def RepositoryModelLoad(self, request: Message) -> Message:
        """Loads a model."""
        if set(request.parameters) - {"config"}:
            raise Refusal("unsupported", "a model is loaded from the server's own bundle alone")
        override = None
        if "config" in request.parameters:
            override = request.parameters["config"].string_param
        await self._service.catalog.load(request.model_name, override)
        return pb.RepositoryModelLoadResponse()

    @call
    async def RepositoryModelUnload(self, request: Message) -> Message:
        """Unloads a model."""
        await self._service.catalog.unload(request.model_name)
        return pb.RepositoryModelUnloadResponse()

    @call
    async def SystemSharedMemoryStatus(self, request: Message) -> Message:
        """Registered regions."""
        regions = {item["name"]: item for item in self._service.memory.status(request.name)}
        return as_message({"regions": regions}, pb.SystemSharedMemoryStatusResponse())

    @call
    async def SystemSharedMemoryRegister(self, request: Message) -> Message:
        """Registers a region."""
        self._service.memory.register(
            Region(
                name=request.name,
                key=request.key,
                offset=request.offset,
                byte_size=request.byte_size,
            )
        )
        return pb.SystemSharedMemoryRegisterResponse()

    @call
    async def SystemSharedMemoryUnregister(self, request: Message) -> Message:
        """Forgets regions."""
        self._service.memory.unregister(request.name)
        return pb.SystemSharedMemoryUnregisterResponse()

    @call
    async def CudaSharedMemoryStatus(self, request: Message) -> Message:
        """There are no CUDA regions."""
        if request.name:
            message = f"unable to find CUDA shared memory region: {request.name!r}"
            raise Refusal("not_found", message)
        return pb.CudaSharedMemoryStatusResponse()

    @call
    async def CudaSharedMemoryRegister(self, request: Message) -> Message:
        """There are no CUDA regions."""
        raise Refusal("unsupported", "this server has no CUDA shared memory")

    @call
    async def CudaSharedMemoryUnregister(self, request: Message) -> Message:
        """There are no CUDA regions."""
        return pb.CudaSharedMemoryUnregisterResponse()

    @call
    async def TraceSetting(self, request: Message) -> Message:
        """The trace settings."""
        values = {key: list(value.value) for key, value in request.settings.items()}
        wanted = {
            key: value if key == "trace_level" else value[0]
            for key, value in values.items()
            if value
        }
        settings = self._service.trace_settings(wanted, request.model_name)
        texts = {
            key: [value] if isinstance(value, str) else value for key, value in settings.items()
        }
        return as_message(
            {"settings": {key: {"value": value} for key, value in texts.items()}},
            pb.TraceSettingResponse(),
        )

    @call
    async def LogSettings(self, request: Message) -> Message:
        """The log settings."""
        kinds = {
            key: value.WhichOneof("parameter_choice") for key, value in request.settings.items()
        }
        self._service.logs.update(
            {key: getattr(request.settings[key], kind) for key, kind in kinds.items() if kind}
        )
        response = pb.LogSettingsResponse()
        for key, value in self._service.logs.to_json().items():
            _set_log_value(response.settings[key], value)
        return response

    async def _answer(self, request: Message) -> InferAnswer:
        self._service.admit(request.model_name, request.model_version, "grpc")
        if request.ByteSize() <= LARGE_BYTES or request.raw_input_contents:
            decoded = decoded_message(request)
        else:
            # Millions of numbers take a while; others shall not wait for them.
            decoded = await asyncio.to_thread(decoded_message, request)
        return await self._service.infer(decoded, "grpc")

    async def _stream_answer(self, request: Message) -> Message:
        try:
            answer = await self._answer(request)
        except Exception as cause:
            refusal = _refusal(cause, "ModelStreamInfer")
            failed = pb.ModelInferResponse(model_name=request.model_name, id=request.id)
            return pb.ModelStreamInferResponse(error_message=refusal.message, infer_response=failed)
        message = encoded_message(answer)
        message.parameters["triton_final_response"].bool_param = True
        return pb.ModelStreamInferResponse(infer_response=message)


def _set_log_value(setting: Message, value: bool | int | str) -> None:
    if isinstance(value, bool):
        setting.bool_param = value
    elif isinstance(value, int):
        setting.uint32_param = value
    else:
        setting.string_param = value
