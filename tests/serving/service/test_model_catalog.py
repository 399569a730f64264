"""Models of a server in this process: loading, sharing, unloading, and fronts."""

import asyncio
import gc
import json
import shutil
import weakref
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from encas.entries import Expected
from encas.errors import ManifestError, ServingError
from encas.manifest import Manifest
from encas.runtime.loading import load
from encas.runtime.placement import Placement
from encas.serving.protocol.protocol import InferRequest, InputTensor, Refusal
from encas.serving.server import ServerOptions
from encas.serving.service.front_model import FrontOptions, ordered_gears, profile_of
from encas.serving.service.model_catalog import Catalog
from encas.serving.service.network import NetworkOptions
from encas.serving.service.opening import (
    BundleSource,
    ModelOptions,
    bundle_openers,
    open_bundle,
)
from encas.serving.service.policy import SloTarget
from encas.serving.service.prometheus import Metrics
from encas.serving.service.queueing import QueueLimits
from encas.serving.service.server_settings import LogSettings
from encas.serving.service.service import Service
from encas.serving.service.shared_memory import SharedMemory

SHAPE = (1, 4, 4)
OPTIONS = ModelOptions(
    limits=QueueLimits(max_batch_size=16, max_queue_rows=64), placement=Placement(n_threads=1)
)


def run(bundles, work, *, names=("three", "two"), options=OPTIONS, front=None):
    """Opens a catalogue, lets `work` use it, and closes it."""

    async def live():
        sources = tuple(BundleSource(name=name, folder=bundles / name) for name in names)
        server = ServerOptions(
            sources=sources, models=options, network=NetworkOptions(), front=front
        )
        memory = SharedMemory(is_allowed=True)
        catalog = Catalog(server.openers(), n_workers=1, memory=memory, metrics=Metrics())
        try:
            await catalog.open()
            return await work(catalog)
        finally:
            await catalog.close()

    return asyncio.run(live())


def request_of(x, model="three"):
    tensor = InputTensor(name="input", datatype="FP32", shape=x.shape, content=x.tobytes())
    return InferRequest(model=model, inputs=(tensor,))


def samples(n, seed=0):
    return np.random.default_rng(seed).normal(0, 1, (n, *SHAPE)).astype(np.float32)


def output(answer, name):
    return next(tensor.data for tensor in answer.outputs if tensor.name == name)


def test_bundles_share_the_sessions_of_equal_members(bundles):
    async def work(catalog):
        three, two = (catalog.bundles[name].sessions for name in ("three", "two"))
        assert two[0] is three[0]
        assert two[1] is three[2]
        return len({id(session) for session in (*three, *two)})

    assert run(bundles, work) == 3


def test_load_with_thresholds_decides_by_them_and_without_goes_back(bundles):
    x = samples(16)

    async def stages(catalog):
        return set(output(await catalog.model("three").infer(request_of(x)), "stage").ravel())

    async def work(catalog):
        config = catalog.model("three").face.config.to_json()
        config["parameters"]["thresholds"] = {"string_value": "1,0"}
        before = await stages(catalog)
        await catalog.load("three", json.dumps(config))
        forced = await stages(catalog)
        shown = catalog.model("three").face.config.parameters["thresholds"].string_value
        await catalog.load("three")
        return before, forced, shown, await stages(catalog)

    before, forced, shown, after = run(bundles, work)
    assert before == after == set(load(bundles / "three")(x).stage)
    assert (forced, shown) == ({2}, "1,0")


@pytest.mark.parametrize(
    ("name", "override", "fault"),
    [
        ("nonsense", None, "this server has no such model"),
        ("three", "{", "not a model configuration"),
        ("three", '{"parameters": {"thresholds": {"string_value": "2,0"}}}', "in .0, 1., got 2"),
        ("three", '{"parameters": {"thresholds": {"string_value": "1"}}}', "need 2 thresholds"),
    ],
)
def test_load_of_what_cannot_be_is_refused_and_changes_nothing(bundles, name, override, fault):
    async def work(catalog):
        before = dict(catalog.models)
        with pytest.raises(Refusal, match=fault):
            await catalog.load(name, override)
        return before == dict(catalog.models)

    assert run(bundles, work)


def test_graph_keeps_its_thresholds(bundles):
    async def work(catalog):
        override = '{"parameters": {"thresholds": {"string_value": "1,1"}}}'
        with pytest.raises(Refusal, match="use the backend 'staged'"):
            await catalog.load("three", override)
        answer = await catalog.model("three").infer(request_of(samples(5)))
        return output(answer, "stage")[:, 0]

    stage = run(bundles, work, options=replace(OPTIONS, backend="graph"))
    np.testing.assert_array_equal(stage, load(bundles / "three")(samples(5)).stage)


def test_unloaded_model_is_listed_with_the_reason(bundles):
    async def work(catalog):
        await catalog.unload("two")
        await catalog.unload("nonsense")
        with pytest.raises(Refusal, match="'two' has no available versions"):
            catalog.model("two")
        with pytest.raises(Refusal, match="'nonsense' is not found"):
            catalog.model("nonsense")
        with pytest.raises(Refusal, match="'three' version 2 is not found"):
            catalog.model("three", "2")
        return catalog.index(), catalog.index(only_ready=True)

    index, ready = run(bundles, work)
    assert index == [
        {"name": "three", "version": "1", "state": "READY"},
        {"name": "two", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"},
    ]
    assert ready == index[:1]


def test_requests_during_a_reload_are_all_answered(bundles):
    x = samples(2)

    async def ask(catalog, service):
        return await service.infer(request_of(x), "http")

    async def work(catalog):
        memory = SharedMemory(is_allowed=False)
        service = Service(catalog, memory=memory, metrics=Metrics(), logs=LogSettings())
        asked = [asyncio.create_task(ask(catalog, service)) for _ in range(20)]
        await catalog.load("three")
        asked += [asyncio.create_task(ask(catalog, service)) for _ in range(20)]
        return await asyncio.gather(*asked)

    expected = load(bundles / "three")(x).label
    for answer in run(bundles, work):
        np.testing.assert_array_equal(output(answer, "label")[:, 0], expected)


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

    is_ready, is_model_ready, text = run(bundles, work)
    assert not is_ready
    assert not is_model_ready
    assert b'outcome="unavailable",protocol="http"} 1.0' in text


def test_names_that_collide_or_are_unfit_are_refused(bundle):
    with pytest.raises(ServingError, match="several models are called x"):
        bundle_openers([BundleSource(name="x", folder=bundle)] * 2, OPTIONS)
    with pytest.raises(ServingError, match="a model's name needs letters"):
        BundleSource.of(f"a/b={bundle}")
    with pytest.raises(ManifestError, match="no such file"):
        BundleSource.of("nowhere")


FRONT = FrontOptions(target=SloTarget(p99_s=5.0))


def test_front_runs_the_dearest_cascade_when_nothing_waits(bundles):
    x = samples(4)

    async def work(catalog):
        answer = await catalog.model("front").infer(request_of(x, "front"))
        return answer.parameters["cascade"], output(answer, "label")[:, 0]

    cascade, label = run(bundles, work, front=FRONT)
    np.testing.assert_array_equal(label, load(bundles / cascade)(x).label)


def test_front_that_is_loaded_again_takes_the_bundles_as_they_are_then(bundles):
    x = samples(16)
    override = '{"parameters": {"thresholds": {"string_value": "%s"}}}'

    async def stages(catalog):
        return set(
            output(await catalog.model("front").infer(request_of(x, "front")), "stage")[:, 0]
        )

    async def work(catalog):
        for name, thresholds in (("three", "1,1"), ("two", "1")):
            await catalog.load(name, override % thresholds)
        assert await stages(catalog) == before
        await catalog.load("front")
        after = await stages(catalog)
        with pytest.raises(Refusal, match="the thresholds belong to the cascades"):
            await catalog.load("front", override % "1,0")
        await catalog.unload("front")
        await catalog.unload("two")
        with pytest.raises(Refusal, match="at least two bundles"):
            await catalog.load("front")
        return after, {entry["name"]: entry["state"] for entry in catalog.index()}

    async def now(catalog):
        return await stages(catalog)

    before = run(bundles, now, front=FRONT)
    after, states = run(bundles, work, front=FRONT)
    assert after in ({3}, {2})
    assert states == {"front": "UNAVAILABLE", "three": "READY", "two": "UNAVAILABLE"}


@pytest.mark.parametrize(
    ("names", "options", "name", "fault"),
    [
        (("three",), OPTIONS, "front", "at least two bundles to choose from, got 1"),
        (("three", "two"), OPTIONS, "two", "both called 'two'"),
        (("three", "two"), replace(OPTIONS, backend="graph"), "front", "backend 'staged'"),
    ],
)
def test_front_of_what_makes_none_is_refused(bundles, names, options, name, fault):
    front = FrontOptions(target=SloTarget(p99_s=0.1), name=name)
    with pytest.raises(ServingError, match=fault):
        run(bundles, None, names=names, options=options, front=front)


def test_front_of_different_tasks_is_refused(bundles, tmp_path):
    for name in ("three", "two"):
        shutil.copytree(bundles / name, tmp_path / name)
    other = replace(Manifest.load(tmp_path / "two"), classes=tuple("abcde"))
    other.save(tmp_path / "two")
    with pytest.raises(ServingError, match="differ in their samples, classes or confidence"):
        run(tmp_path, None, front=FRONT)


def test_unloaded_model_lets_go_of_its_sessions(bundles):
    async def work(catalog):
        sessions = [weakref.ref(session) for session in catalog.bundles["three"].sessions]
        await catalog.model("three").infer(request_of(samples(2)))
        await catalog.unload("three")
        await asyncio.sleep(0)
        gc.collect()
        return [session() is None for session in sessions]

    # The bundle `two` still uses the first and the third member.
    assert run(bundles, work) == [False, True, False]


def test_refusals_before_a_request_is_read_are_counted(bundles):
    async def work(catalog):
        model = catalog.model("three")
        await model.lane.close()
        with pytest.raises(Refusal, match="being unloaded"):
            model.check_room()
        return model.statistics.to_json("three", "1")["inference_stats"]["fail"]["count"]

    assert run(bundles, work) == 1


def expectation(accuracy, reach):
    return Expected(
        split="test", n_samples=10, accuracy=accuracy, interval=(0.0, 1.0), cost=1.0,
        objective="macs", reach=reach,
    )  # fmt: skip


def test_gears_are_ordered_by_accuracy_where_it_is_known(bundles):
    opened = {name: open_bundle(bundles / name, OPTIONS, known={}) for name in ("three", "two")}
    profile = profile_of(list(opened.values()), 16)
    assert profile.members == ("m0", "m1", "m2")
    assert profile.batch_sizes("m0") == (1, 4, 16)
    for best, worst in (("three", "two"), ("two", "three")):
        known = {
            name: replace(
                bundle,
                manifest=replace(
                    bundle.manifest,
                    expected=(
                        expectation(0.9 if name == best else 0.8, (1.0,) * bundle.cascade.n_stages),
                    ),
                ),
            )
            for name, bundle in opened.items()
        }
        assert [gear.name for gear in ordered_gears(known, profile)] == [worst, best]


def test_gears_cost_what_their_reach_says(bundles):
    bundle = open_bundle(bundles / "three", OPTIONS, known={})
    profile = profile_of([bundle], 16)
    few = replace(
        bundle, manifest=replace(bundle.manifest, expected=(expectation(0.9, (1.0, 0.25, 0.0)),))
    )
    (gear,) = ordered_gears({"three": few}, profile)
    wanted = profile.cascade_ms(("m0", "m1", "m2"), (1.0, 0.25, 0.0), batch_size=8) / 1e3
    assert gear.run_s(8) == pytest.approx(wanted)


def test_front_name_must_be_fit():
    with pytest.raises(ServingError, match="a model's name"):
        FrontOptions(target=SloTarget(p99_s=1.0), name="a b")


def test_sessions_of_other_shapes_are_not_shared(bundles):
    session = open_bundle(bundles / "three", OPTIONS, known={}).sessions[0]
    info = replace(session.info, n_classes=7)
    wrong = SimpleNamespace(info=info)
    opened = open_bundle(bundles / "two", OPTIONS, known={info.sha256: wrong})
    assert opened.sessions[0] is not wrong
