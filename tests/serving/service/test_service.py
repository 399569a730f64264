import asyncio

import numpy as np
import pytest
from bundle_catalog import output_of, request_for, samples, with_catalog
from small_service import SURE, UNSURE, EchoPredictor, request_of, with_service

from encas.runtime.loading import load
from encas.serving.protocol.protocol import Refusal
from encas.serving.service.prometheus import Metrics
from encas.serving.service.server_settings import LogSettings
from encas.serving.service.service import Service
from encas.serving.service.shared_memory import SharedMemory
from encas.version import __version__


def test_requests_during_a_reload_are_all_answered(bundles):
    x = samples(2)

    async def ask(catalog, service):
        return await service.infer(request_for(x), "http")

    async def work(catalog):
        memory = SharedMemory(is_allowed=False)
        service = Service(catalog, memory=memory, metrics=Metrics(), logs=LogSettings())
        asked = [asyncio.create_task(ask(catalog, service)) for _ in range(20)]
        await catalog.load("three")
        asked += [asyncio.create_task(ask(catalog, service)) for _ in range(20)]
        return await asyncio.gather(*asked)

    expected = load(bundles / "three")(x).label
    for answer in with_catalog(bundles, work):
        np.testing.assert_array_equal(output_of(answer, "label")[:, 0], expected)


def test_draining_service_admits_nobody(bundles):
    async def work(catalog):
        memory = SharedMemory(is_allowed=False)
        service = Service(catalog, memory=memory, metrics=Metrics(), logs=LogSettings())
        assert service.is_ready
        service.admit("three", "", "http")
        service.is_draining = True
        with pytest.raises(Refusal, match="shutting down"):
            service.admit("three", "", "http")
        return service.is_ready, service.is_model_ready("three"), service.metrics.text()

    is_ready, is_model_ready, text = with_catalog(bundles, work)
    assert not is_ready
    assert not is_model_ready
    assert b'outcome="unavailable",protocol="http"} 1.0' in text


def test_metadata_names_version_and_extensions():
    async def work(service):
        return service.metadata(), service.model_metadata("echo"), service.model_config("echo", "1")

    server, model, config = with_service(work)
    assert (server["name"], server["version"]) == ("encas", __version__)
    assert {"statistics", "binary_tensor_data", "logging"} <= set(server["extensions"])
    assert (model["name"], config["name"], config["max_batch_size"]) == ("echo", "echo", 4)


def test_models_that_are_none_are_not_found():
    async def work(service):
        for call in (service.model_metadata, service.model_config, service.statistics):
            for place in (("nonsense", ""), ("echo", "2")):
                with pytest.raises(Refusal, match="is not found"):
                    call(*place)
        with pytest.raises(Refusal, match="'nonsense' is not found"):
            service.trace_settings({}, "nonsense")
        return service.is_model_ready("nonsense"), service.is_model_ready("echo", "2")

    assert with_service(work) == (False, False)


def test_service_is_ready_when_its_models_have_been_loaded_once():
    async def work(service):
        ready = [service.is_ready, service.is_model_ready("echo")]
        await service.catalog.open()
        ready += [service.is_ready, service.is_model_ready("echo")]
        await service.catalog.unload("echo")
        return [*ready, service.is_ready, service.is_model_ready("echo")]

    assert with_service(work, is_open=False) == [False, False, True, True, True, False]


def test_statistics_are_those_of_one_model_or_of_all():
    async def work(service):
        await service.infer(request_of(SURE, UNSURE), "http")
        return service.statistics(), service.statistics("echo", "1")

    of_all, of_one = with_service(work)
    assert of_all == of_one
    assert of_one["model_stats"][0]["inference_count"] == 2


def test_trace_settings_are_shown_and_stay_as_they_are():
    async def work(service):
        with pytest.raises(Refusal, match="writes no traces"):
            service.trace_settings({"trace_level": ["TIMESTAMPS"]})
        return service.trace_settings({"trace_rate": "1000"}, "echo")

    assert with_service(work)["trace_level"] == ["OFF"]


def outcomes_of(metrics):
    lines = [line for line in metrics.text().decode().splitlines() if "_seconds_count{" in line]
    return {line for line in lines if line.startswith("encas_request")}


def test_requests_are_counted_by_what_became_of_them():
    async def work(service):
        await service.infer(request_of(SURE), "grpc")
        for request in (request_of(SURE, model="nonsense"), request_of()):
            with pytest.raises(Refusal):
                await service.infer(request, "http")
        return outcomes_of(service.metrics)

    def line(model, outcome, protocol):
        labels = f'model="{model}",outcome="{outcome}",protocol="{protocol}"'
        return f"encas_request_seconds_count{{{labels}}} 1.0"

    assert with_service(work) == {
        line("echo", "ok", "grpc"),
        line("", "not_found", "http"),
        line("echo", "invalid", "http"),
    }


def test_request_that_nobody_waits_for_is_counted_as_cancelled():
    async def work(service):
        asking = asyncio.create_task(service.infer(request_of(SURE), "http"))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return outcomes_of(service.metrics)

    (line,) = with_service(work)
    assert 'outcome="cancelled"' in line


def test_failure_of_the_server_is_counted_as_internal():
    class Broken(EchoPredictor):
        def __call__(self, x):
            raise ValueError("out of memory")

    async def work(service):
        with pytest.raises(Refusal, match="echo: out of memory"):
            await service.infer(request_of(SURE), "http")
        return outcomes_of(service.metrics)

    (line,) = with_service(work, predictor=Broken())
    assert 'model="echo",outcome="internal"' in line


def test_admission_is_refused_and_counted_under_the_models_name():
    async def work(service):
        service.admit("echo", "1", "grpc")
        assert outcomes_of(service.metrics) == set()
        await service.catalog.model("echo").lane.close()
        for model in ("echo", "nonsense"):
            with pytest.raises(Refusal):
                service.admit(model, "", "grpc")
        return sorted(outcomes_of(service.metrics))

    first, second = with_service(work)
    assert 'model="",outcome="not_found",protocol="grpc"} 1.0' in first
    assert 'model="echo",outcome="unavailable",protocol="grpc"} 1.0' in second
