"""Models of a server in this process: loading, sharing, unloading, and fronts."""

import asyncio
import gc
import json
import weakref
from dataclasses import replace

import numpy as np
import pytest
from bundle_catalog import (
    OPTIONS,
    output_of,
    request_for,
    request_for_all,
    samples,
    with_catalog,
)
from view_bundle import rows_of, views

from encas.runtime.loading import load
from encas.serving.protocol.protocol import Refusal


def test_bundles_share_the_sessions_of_equal_members(bundles):
    async def work(catalog):
        three, two = (catalog.bundles[name].sessions for name in ("three", "two"))
        assert two[0] is three[0]
        assert two[1] is three[2]
        return len({id(session) for session in (*three, *two)})

    assert with_catalog(bundles, work) == 3


def test_load_with_thresholds_decides_by_them_and_without_goes_back(bundles):
    x = samples(16)

    async def stages(catalog):
        return set(output_of(await catalog.model("three").infer(request_for(x)), "stage").ravel())

    async def work(catalog):
        config = catalog.model("three").face.config.to_json()
        config["parameters"]["thresholds"] = {"string_value": "1,0"}
        before = await stages(catalog)
        await catalog.load("three", json.dumps(config))
        forced = await stages(catalog)
        shown = catalog.model("three").face.config.parameters["thresholds"].string_value
        await catalog.load("three")
        return before, forced, shown, await stages(catalog)

    before, forced, shown, after = with_catalog(bundles, work)
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

    assert with_catalog(bundles, work)


def test_graph_keeps_its_thresholds(bundles):
    async def work(catalog):
        override = '{"parameters": {"thresholds": {"string_value": "1,1"}}}'
        with pytest.raises(Refusal, match="use the backend 'staged'"):
            await catalog.load("three", override)
        answer = await catalog.model("three").infer(request_for(samples(5)))
        return output_of(answer, "stage")[:, 0]

    stage = with_catalog(bundles, work, options=replace(OPTIONS, backend="graph"))
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

    index, ready = with_catalog(bundles, work)
    assert index == [
        {"name": "three", "version": "1", "state": "READY"},
        {"name": "two", "version": "1", "state": "UNAVAILABLE", "reason": "unloaded"},
    ]
    assert ready == index[:1]


def test_unloaded_model_lets_go_of_its_sessions(bundles):
    async def work(catalog):
        sessions = [weakref.ref(session) for session in catalog.bundles["three"].sessions]
        await catalog.model("three").infer(request_for(samples(2)))
        await catalog.unload("three")
        await asyncio.sleep(0)
        gc.collect()
        return [session() is None for session in sessions]

    # The bundle `two` still uses the first and the third member.
    assert with_catalog(bundles, work) == [False, True, False]


@pytest.mark.parametrize("backend", ["staged", "graph"])
def test_requests_of_several_inputs_that_run_together_get_their_own_rows(view_bundles, backend):
    x = views(12)
    expected = load(view_bundles / "both")(x)
    parts = [slice(0, 5), slice(5, 6), slice(6, 12)]

    async def work(catalog):
        model = catalog.model("both")
        requests = [request_for_all(rows_of(x, part), "both") for part in parts]
        answers = await asyncio.gather(*(model.infer(request) for request in requests))
        return answers, model.statistics.to_json("both", "1")

    # The batch is full and due when all three are there, and not before.
    limits = replace(OPTIONS.limits, max_delay_s=3600.0, max_batch_size=len(x["input"]))
    options = replace(OPTIONS, backend=backend, limits=limits)
    answers, counts = with_catalog(view_bundles, work, names=("both",), options=options)
    for part, answer in zip(parts, answers, strict=True):
        np.testing.assert_array_equal(output_of(answer, "stage")[:, 0], expected.stage[part])
        np.testing.assert_array_equal(output_of(answer, "label")[:, 0], expected.label[part])
    assert (counts["inference_count"], counts["execution_count"]) == (12, 1)
