"""Every call over gRPC, on the servicer itself: messages in, messages out, no network."""

import asyncio
import json
from multiprocessing.shared_memory import SharedMemory

import grpc
import numpy as np
import pytest
from small_service import SURE, UNSURE, EchoPredictor, with_service

from encas.serving.grpc import servicer
from encas.serving.grpc.servicer import GrpcFace
from encas.serving.protocol.messages import pb
from encas.version import __version__


class Aborted(Exception):  # noqa: N818 - what grpc raises has no better name
    """What a call ends with instead of an answer."""


class Context:
    """The half of grpc's context that a call uses."""

    async def abort(self, code, message):
        raise Aborted(code, message)


def talk(work, **options):
    async def live(service):
        face = GrpcFace(service)

        async def call(name, /, **values):
            request = getattr(pb, f"{name}Request")(**values)
            return await getattr(face, name)(request, Context())

        return await work(call, service)

    return with_service(live, **options)


def called(name, /, **values):
    async def work(call, _service):
        return await call(name, **values)

    return talk(work)


def refused(name, /, **values):
    with pytest.raises(Aborted) as aborted:
        called(name, **values)
    return aborted.value.args


def inference(*rows, **values):
    x = np.array(rows, np.float32)
    tensor = {"name": "input", "datatype": "FP32", "shape": x.shape}
    return {
        "model_name": "echo",
        "inputs": [tensor],
        "raw_input_contents": [x.tobytes()],
        **values,
    }


def stages_of(message):
    place = [tensor.name for tensor in message.outputs].index("stage")
    return np.frombuffer(message.raw_output_contents[place], np.int64).tolist()


def test_server_is_live_at_once_and_ready_when_its_models_are():
    async def work(call, _service):
        model = await call("ModelReady", name="echo")
        return (await call("ServerLive")).live, (await call("ServerReady")).ready, model.ready

    assert talk(work) == (True, True, True)
    assert talk(work, is_open=False) == (True, False, False)
    assert not called("ModelReady", name="echo", version="2").ready


def test_metadata_names_the_server_and_the_model():
    server = called("ServerMetadata")
    assert (server.name, server.version) == ("encas", __version__)
    assert "statistics" in server.extensions
    model = called("ModelMetadata", name="echo", version="1")
    assert (model.name, list(model.versions), model.platform) == ("echo", ["1"], "encas")
    assert [(t.name, t.datatype, list(t.shape)) for t in model.inputs] == [
        ("input", "FP32", [-1, 3])
    ]
    config = called("ModelConfig", name="echo").config
    assert (config.name, config.max_batch_size) == ("echo", 4)
    assert config.parameters["thresholds"].string_value == "0.5"


@pytest.mark.parametrize("name", ["ModelMetadata", "ModelConfig", "ModelStatistics"])
def test_model_that_is_none_is_not_found(name):
    assert refused(name, name="nonsense") == (
        grpc.StatusCode.NOT_FOUND,
        "Request for unknown model: 'nonsense' is not found",
    )
    assert refused(name, name="echo", version="2")[0] is grpc.StatusCode.NOT_FOUND


def test_inference_answers_raw_and_is_counted():
    async def work(call, service):
        answer = await call("ModelInfer", **inference(SURE, UNSURE, id="7"))
        statistics = await call("ModelStatistics", name="echo")
        return answer, statistics, service.metrics.text()

    answer, statistics, text = talk(work)
    assert (answer.id, answer.model_name, stages_of(answer)) == ("7", "echo", [1, 2])
    assert answer.parameters["cascade"].string_param == "echo"
    (entry,) = statistics.model_stats
    assert (entry.name, entry.inference_count, entry.execution_count) == ("echo", 2, 1)
    assert b'outcome="ok",protocol="grpc"} 1.0' in text


def test_large_typed_request_is_decoded_in_a_thread_to_the_same_answer(monkeypatch):
    threads = []
    original = asyncio.to_thread

    async def noting(function, *arguments):
        threads.append(function.__name__)
        return await original(function, *arguments)

    monkeypatch.setattr(asyncio, "to_thread", noting)
    tensor = {"name": "input", "datatype": "FP32", "shape": [1, 3]}
    typed = {"model_name": "echo", "inputs": [{**tensor, "contents": {"fp32_contents": SURE}}]}
    n_bytes = pb.ModelInferRequest(**typed).ByteSize()
    for large, wanted in ((n_bytes, []), (n_bytes - 1, ["decoded_message"])):
        monkeypatch.setattr(servicer, "LARGE_BYTES", large)
        assert stages_of(called("ModelInfer", **typed)) == [1]
        assert threads == wanted
    assert stages_of(called("ModelInfer", **inference(SURE))) == [1]
    assert threads == ["decoded_message"]


@pytest.mark.parametrize(
    ("change", "code", "fault"),
    [
        ({"model_name": "x"}, grpc.StatusCode.NOT_FOUND, "'x' is not found"),
        ({"model_version": "2"}, grpc.StatusCode.NOT_FOUND, "version 2 is not found"),
        ({"inputs": []}, grpc.StatusCode.INVALID_ARGUMENT, "more raw contents than inputs"),
        (
            {"raw_input_contents": [b"1"]},
            grpc.StatusCode.INVALID_ARGUMENT,
            "expected 12, got 1",
        ),
    ],
)
def test_request_that_does_not_fit_is_refused(change, code, fault):
    found, message = refused("ModelInfer", **inference(SURE, **change))
    assert (found, fault in message) == (code, True)


def test_draining_service_answers_nobody():
    async def work(call, service):
        service.is_draining = True
        return await call("ModelInfer", **inference(SURE))

    with pytest.raises(Aborted, match="shutting down") as aborted:
        talk(work)
    assert aborted.value.args[0] is grpc.StatusCode.UNAVAILABLE


def test_call_that_breaks_the_server_tells_the_log_and_not_the_client(caplog):
    with pytest.raises(Aborted) as aborted:
        asyncio.run(GrpcFace(None).ServerReady(pb.ServerReadyRequest(), Context()))
    assert aborted.value.args == (grpc.StatusCode.INTERNAL, "internal error")
    (line,) = caplog.records
    assert (line.getMessage(), line.method) == ("request failed", "ServerReady")
    assert line.exc_info[0] is AttributeError


def streamed(*messages, **options):
    async def work(service):
        async def requests():
            for message in messages:
                yield pb.ModelInferRequest(**message)

        stream = GrpcFace(service).ModelStreamInfer(requests(), Context())
        return [answer async for answer in stream]

    return with_service(work, **options)


def test_stream_answers_every_request_in_order_and_goes_on_after_an_error():
    messages = [inference(SURE, id="0"), inference(SURE, id="1", model_name="x")]
    messages += [inference(UNSURE, id=str(i)) for i in range(2, 6)]
    answers = streamed(*messages)
    assert [answer.infer_response.id for answer in answers] == [str(i) for i in range(6)]
    faults = [answer.error_message for answer in answers]
    assert faults == ["", "Request for unknown model: 'x' is not found", "", "", "", ""]
    assert answers[1].infer_response.model_name == "x"
    good = [answer.infer_response for answer in answers if not answer.error_message]
    assert [stages_of(message) for message in good] == [[1], [2], [2], [2], [2]]
    assert all(message.parameters["triton_final_response"].bool_param for message in good)


def test_stream_takes_more_requests_than_it_answers_at_once(monkeypatch):
    monkeypatch.setattr(servicer, "MAX_STREAM_REQUESTS", 2)
    answers = streamed(*[inference(SURE, id=str(i)) for i in range(9)])
    assert [answer.infer_response.id for answer in answers] == [str(i) for i in range(9)]


def test_stream_without_requests_ends():
    assert streamed() == []


def test_stream_whose_client_goes_cancels_what_it_asked_for():
    async def work(service):
        async def requests():
            for _ in range(3):
                yield pb.ModelInferRequest(**inference(SURE))
            await asyncio.Event().wait()

        before = asyncio.all_tasks()
        stream = GrpcFace(service).ModelStreamInfer(requests(), Context())
        await anext(stream)
        await stream.aclose()
        left = asyncio.all_tasks() - before
        await asyncio.gather(*left, return_exceptions=True)
        return [task.cancelled() for task in left]

    assert all(with_service(work))


def test_cascade_that_fails_is_an_answer_of_the_stream(caplog):
    class Broken(EchoPredictor):
        def __call__(self, x):
            raise ValueError("out of memory")

    (answer,) = streamed(inference(SURE), predictor=Broken())
    assert answer.error_message == "echo: out of memory"


def test_models_are_listed_unloaded_and_loaded_with_other_thresholds():
    config = {"parameters": {"thresholds": {"string_value": "0.25"}}}

    async def work(call, service):
        await call("RepositoryModelUnload", model_name="echo")
        index = (await call("RepositoryIndex")).models
        ready = (await call("RepositoryIndex", ready=True)).models
        parameters = {"config": {"string_param": json.dumps(config)}}
        await call("RepositoryModelLoad", model_name="echo", parameters=parameters)
        changed = service.catalog.model("echo").face.cascade.thresholds
        await call("RepositoryModelLoad", model_name="echo")
        return index, ready, changed, service.catalog.model("echo").face.cascade.thresholds

    index, ready, changed, back = talk(work)
    assert [(m.name, m.state, m.reason) for m in index] == [("echo", "UNAVAILABLE", "unloaded")]
    assert (list(ready), changed, back) == ([], (0.25,), (0.5,))


def test_load_of_anything_else_is_refused():
    parameters = {"file:1/x": {"bytes_param": b"x"}}
    assert refused("RepositoryModelLoad", model_name="echo", parameters=parameters) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "a model is loaded from the server's own bundle alone",
    )
    assert refused("RepositoryModelLoad", model_name="x")[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_regions_are_registered_shown_and_forgotten():
    async def work(call, _service):
        memory = SharedMemory(create=True, size=64)
        try:
            values = {"name": "r", "key": f"/{memory.name}", "offset": 16, "byte_size": 32}
            await call("SystemSharedMemoryRegister", **values)
            await call("SystemSharedMemoryRegister", **{**values, "name": "s"})
            both = (await call("SystemSharedMemoryStatus")).regions
            one = (await call("SystemSharedMemoryStatus", name="s")).regions
            await call("SystemSharedMemoryUnregister", name="r")
            left = (await call("SystemSharedMemoryStatus")).regions
            await call("SystemSharedMemoryUnregister")
            return both, one, left, (await call("SystemSharedMemoryStatus")).regions
        finally:
            memory.close()
            memory.unlink()

    both, one, left, none = talk(work)
    assert (set(both), set(one), set(left), set(none)) == ({"r", "s"}, {"s"}, {"s"}, set())
    assert (both["r"].name, both["r"].offset, both["r"].byte_size) == ("r", 16, 32)
    assert refused("SystemSharedMemoryStatus", name="r")[0] is grpc.StatusCode.NOT_FOUND


def test_cuda_regions_are_not_to_be_had():
    assert not called("CudaSharedMemoryStatus").regions
    assert refused("CudaSharedMemoryStatus", name="r")[0] is grpc.StatusCode.NOT_FOUND
    assert refused("CudaSharedMemoryRegister", name="r")[0] is grpc.StatusCode.UNIMPLEMENTED
    assert called("CudaSharedMemoryUnregister") == pb.CudaSharedMemoryUnregisterResponse()


def test_traces_are_off_and_stay_so():
    found = called("TraceSetting", settings={"trace_level": {"value": ["OFF"]}}).settings
    assert {key: list(value.value) for key, value in found.items()}["trace_rate"] == ["1000"]
    assert list(found["trace_level"].value) == ["OFF"]
    assert called("TraceSetting", settings={"trace_rate": {"value": []}}).settings == found
    wanted = {"trace_level": {"value": ["TIMESTAMPS"]}}
    assert refused("TraceSetting", settings=wanted)[0] is grpc.StatusCode.UNIMPLEMENTED
    assert refused("TraceSetting", model_name="x")[0] is grpc.StatusCode.NOT_FOUND


def test_log_settings_are_read_and_changed_with_their_types():
    async def work(call, service):
        settings = {"log_verbose_level": {"uint32_param": 2}, "log_info": {"bool_param": True}}
        found = (await call("LogSettings", settings=settings)).settings
        return found, service.logs.logs_requests

    found, logs_requests = talk(work)
    assert (found["log_verbose_level"].uint32_param, logs_requests) == (2, True)
    assert found["log_info"].bool_param is True
    assert found["log_file"].WhichOneof("parameter_choice") == "string_param"
    wrong = {"log_info": {"uint32_param": 1}}
    assert refused("LogSettings", settings=wrong)[0] is grpc.StatusCode.INVALID_ARGUMENT
