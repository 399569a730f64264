import asyncio
from dataclasses import replace

import numpy as np
import pytest
from bundle_catalog import with_catalog
from small_service import (
    LIMITS,
    SURE,
    UNSURE,
    request_of,
    small_face,
    small_manifest,
    with_service,
)

from encas.serving.protocol.protocol import (
    InferRequest,
    InputTensor,
    Refusal,
    RegionSlice,
    RequestedOutput,
)
from encas.serving.service import shared_memory
from encas.serving.service.served_model import ServedModel
from encas.serving.service.shared_memory import Region


def with_model(work, **options):
    async def live(service):
        return await work(service.catalog.model("echo"))

    return with_service(live, **options)


def answered(request):
    async def work(model):
        return await model.infer(request)

    return with_model(work)


def refusal(request):
    async def work(model):
        with pytest.raises(Refusal) as refused:
            await model.infer(request)
        counts = model.statistics.to_json("echo", "1")["inference_stats"]
        assert (counts["fail"]["count"], counts["success"]["count"]) == (1, 0)
        return refused.value

    found = with_model(work)
    assert found.kind == "invalid"
    return found.message


def tensor_of(**values):
    given = {"name": "input", "datatype": "FP32", "shape": (1, 3), "content": b"\0" * 12}
    return InferRequest(model="echo", inputs=(InputTensor(**{**given, **values}),))


def asking_for(*outputs):
    return request_of(SURE, UNSURE, outputs=outputs)


def named(answer):
    return {tensor.name: tensor for tensor in answer.outputs}


@pytest.fixture
def region(tmp_path, monkeypatch):
    """Registers 64 bytes as the region `r`, which are those of the file given back."""
    monkeypatch.setattr(shared_memory, "FOLDER", tmp_path)
    (tmp_path / "object").write_bytes(bytes(64))

    def register(model):
        model.memory.register(Region(name="r", key="/object", offset=0, byte_size=64))
        return tmp_path / "object"

    return register


def test_refusals_before_a_request_is_read_are_counted(bundles):
    async def work(catalog):
        model = catalog.model("three")
        await model.lane.close()
        with pytest.raises(Refusal, match="being unloaded"):
            model.check_room()
        return model.statistics.to_json("three", "1")["inference_stats"]["fail"]["count"]

    assert with_catalog(bundles, work) == 1


def test_answer_has_every_output_with_its_type_and_the_requests_name():
    answer = answered(request_of(SURE, UNSURE, id="7", binary=False))
    assert (answer.model, answer.version, answer.id) == ("echo", "1", "7")
    assert answer.parameters == {"cascade": "echo"}
    assert [(t.name, t.datatype, t.shape, t.binary) for t in answer.outputs] == [
        ("probabilities", "FP32", [2, 3], False),
        ("label", "INT64", [2, 1], False),
        ("stage", "INT64", [2, 1], False),
        ("confidence", "FP32", [2, 1], False),
    ]
    assert named(answer)["stage"].data.tolist() == [[1], [2]]


def test_outputs_come_as_they_are_asked_for_and_in_that_order():
    wanted = (RequestedOutput(name="stage"), RequestedOutput(name="probabilities", classes=2))
    stage, best = answered(asking_for(*wanted)).outputs
    assert (stage.name, stage.binary, stage.data.tolist()) == ("stage", True, [[1], [2]])
    assert (best.datatype, best.shape) == ("BYTES", [2, 2])
    assert best.data[0].tolist() == [b"0.600000:0:ant", b"0.300000:1:bee"]


@pytest.mark.parametrize(
    ("output", "fault"),
    [
        (RequestedOutput(name="x"), "unexpected inference output 'x' for model 'echo'"),
        (RequestedOutput(name="label", classes=1), "only 'probabilities' can be asked for as"),
        (RequestedOutput(name="probabilities", classes=-1), "classes are counted from 1"),
        (
            RequestedOutput(
                name="probabilities", classes=1, region=RegionSlice(region="r", byte_size=8)
            ),
            "not put into regions",
        ),
    ],
)
def test_outputs_that_are_none_are_refused(output, fault):
    assert fault in refusal(asking_for(output))


@pytest.mark.parametrize(
    ("request_", "fault"),
    [
        (InferRequest(model="echo"), "expected 1 input but got 0 for model 'echo'"),
        (
            InferRequest(model="echo", inputs=tensor_of().inputs * 2),
            "expected 1 input but got 2 for model 'echo'",
        ),
        (tensor_of(name="x"), "unexpected inference input 'x' for model 'echo'"),
        (tensor_of(datatype="FP16"), "has the data type 'FP16', but model 'echo' expects 'FP32'"),
        (tensor_of(shape=(1, 4)), "expected [-1, 3], got [1, 4]"),
        (tensor_of(shape=(3,)), "expected [-1, 3], got [3]"),
        (tensor_of(shape=(1, 1, 3)), "expected [-1, 3], got [1, 1, 3]"),
        (tensor_of(shape=()), "expected [-1, 3], got []"),
        (tensor_of(shape=(0, 3), content=b""), "batch-size must be from 1 to 4 for 'echo', got 0"),
        (tensor_of(shape=(5, 3)), "batch-size must be from 1 to 4 for 'echo', got 5"),
        (tensor_of(content=b"\0" * 11), "expected 12, got 11"),
        (tensor_of(content=[1, 2]), "needs 3 numbers, got 2"),
        (
            tensor_of(content=RegionSlice(region="r", byte_size=11)),
            "input byte size mismatch for input 'input': expected 12, got 11",
        ),
    ],
)
def test_samples_that_do_not_fit_are_refused_and_counted(request_, fault):
    assert fault in refusal(request_)


def test_batch_of_the_largest_size_is_answered():
    rows = [SURE] * LIMITS.max_batch_size
    assert answered(request_of(*rows)).outputs[1].shape == [LIMITS.max_batch_size, 1]


def test_numbers_of_json_are_samples_too():
    answer = answered(tensor_of(content=[*UNSURE]))
    assert named(answer)["stage"].data.tolist() == [[2]]


def test_samples_and_outputs_may_lie_in_shared_memory(region):
    async def work(model):
        file = region(model)
        samples = np.array([SURE, UNSURE], np.float32).tobytes()
        file.write_bytes(samples.ljust(64, b"\0"))
        output = RequestedOutput(
            name="stage", region=RegionSlice(region="r", byte_size=16, offset=32)
        )
        tensor = tensor_of(shape=(2, 3), content=RegionSlice(region="r", byte_size=24)).inputs
        answer = await model.infer(InferRequest(model="echo", inputs=tensor, outputs=(output,)))
        return answer.outputs[0].region, file.read_bytes()

    place, content = with_model(work)
    assert place == RegionSlice(region="r", byte_size=16, offset=32)
    assert np.frombuffer(content[32:48], np.int64).tolist() == [1, 2]


def test_output_that_finds_no_place_in_its_region_is_refused_and_counted(region):
    async def work(model):
        region(model)
        place = RegionSlice(region="r", byte_size=15)
        with pytest.raises(Refusal, match="needs 16 bytes, shared memory region 'r' offers 15"):
            await model.infer(asking_for(RequestedOutput(name="stage", region=place)))
        return model.statistics.to_json("echo", "1")["inference_stats"]["fail"]["count"]

    assert with_model(work) == 1


@pytest.mark.parametrize("timeout", [0, -1, "1", True, False, float("nan"), 0.0])
def test_timeout_that_is_no_time_is_refused(timeout):
    request = request_of(SURE, parameters={"timeout": timeout})
    assert refusal(request) == "the timeout must be microseconds above 0"


@pytest.mark.parametrize(("timeout", "seconds"), [(1, 1e-6), (2_500_000, 2.5), (0.5, 5e-7)])
def test_timeout_is_in_microseconds(timeout, seconds):
    seen = []

    async def work(model):
        class Lane:
            limits = LIMITS

            async def submit(self, _samples, *, timeout_s):
                seen.append(timeout_s)
                raise Refusal("expired", "it is enough to know the time")

        watched = ServedModel(
            face=model.face, lane=Lane(), statistics=model.statistics, memory=model.memory
        )
        with pytest.raises(Refusal, match="enough"):
            await watched.infer(request_of(SURE, parameters={"timeout": timeout}))
        with pytest.raises(Refusal, match="enough"):
            await watched.infer(request_of(SURE))

    with_model(work)
    assert seen == [pytest.approx(seconds), None]


def test_times_of_a_request_are_those_of_the_clock():
    async def work(model):
        times = iter((10.0, 12.0, 12.5))
        timed = ServedModel(
            face=model.face,
            lane=model.lane,
            statistics=model.statistics,
            memory=model.memory,
            clock=lambda: next(times),
        )
        await timed.infer(request_of(SURE))
        return timed.statistics.to_json("echo", "1")["inference_stats"]

    found = with_model(work)
    assert found["success"] == {"count": 1, "ns": 2_500_000_000}
    assert found["compute_output"] == {"count": 1, "ns": 500_000_000}


def test_request_that_is_given_up_counts_as_failed():
    async def work(model):
        asking = asyncio.create_task(model.infer(request_of(SURE)))
        await asyncio.sleep(0)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        return model.statistics.to_json("echo", "1")["inference_stats"]["fail"]["count"]

    assert with_model(work) == 1


def test_sample_that_is_one_number_still_needs_a_batch():
    async def work(model):
        face = small_face(manifest=small_manifest(input_shape=()))
        scalar = replace(model, face=face)
        with pytest.raises(Refusal, match=r"expected \[-1\], got \[\]"):
            await scalar.infer(tensor_of(shape=(), content=b"\0" * 4))

    with_model(work)
