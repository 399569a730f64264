import shutil
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
from view_bundle import views

from encas.entries import Expected
from encas.errors import ServingError
from encas.latency import LatencyProfile, Timing
from encas.manifest import Manifest
from encas.runtime.loading import load
from encas.serving.protocol.protocol import Refusal
from encas.serving.service.front_model import FrontOptions, Shifter, ordered_gears, profile_of
from encas.serving.service.opening import open_bundle
from encas.serving.service.policy import SloTarget
from encas.serving.service.request_batch import NO_STAGES, BatchReport, Load, Variant

FRONT = FrontOptions(target=SloTarget(p99_s=5.0))


def expectation(accuracy, reach):
    return Expected(
        split="test", n_samples=10, accuracy=accuracy, interval=(0.0, 1.0), cost=1.0,
        objective="macs", reach=reach,
    )  # fmt: skip


@pytest.fixture
def rated(bundles, tmp_path):
    """The bundles with accuracies, so that no measured time says which of them is the dearest."""
    for name, accuracy in (("three", 0.9), ("two", 0.8)):
        shutil.copytree(bundles / name, tmp_path / name)
        manifest = Manifest.load(tmp_path / name)
        reach = (1.0,) * manifest.cascade.n_stages
        replace(manifest, expected=(expectation(accuracy, reach),)).save(tmp_path / name)
    return tmp_path


def test_front_runs_the_dearest_cascade_when_nothing_waits(rated):
    x = samples(4)

    async def work(catalog):
        answer = await catalog.model("front").infer(request_for(x, "front"))
        return answer.parameters["cascade"], output_of(answer, "label")[:, 0]

    cascade, label = with_catalog(rated, work, front=FRONT)
    assert cascade == "three"
    np.testing.assert_array_equal(label, load(rated / "three")(x).label)


def test_front_that_is_loaded_again_takes_the_bundles_as_they_are_then(rated):
    x = samples(16)
    override = '{"parameters": {"thresholds": {"string_value": "%s"}}}'

    async def stages(catalog):
        return set(
            output_of(await catalog.model("front").infer(request_for(x, "front")), "stage")[:, 0]
        )

    async def work(catalog):
        for name, thresholds in (("three", "1,1"), ("two", "1")):
            await catalog.load(name, override % thresholds)
        before = await stages(catalog)
        await catalog.load("front")
        after = await stages(catalog)
        with pytest.raises(Refusal, match="the thresholds belong to the cascades"):
            await catalog.load("front", override % "1,0")
        await catalog.unload("front")
        await catalog.unload("two")
        with pytest.raises(Refusal, match="at least two bundles"):
            await catalog.load("front")
        return before, after, {entry["name"]: entry["state"] for entry in catalog.index()}

    before, after, states = with_catalog(rated, work, front=FRONT)
    assert before == set(load(rated / "three")(x).stage)
    assert after == {3}
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
        with_catalog(bundles, None, names=names, options=options, front=front)


def test_front_of_different_tasks_is_refused(bundles, tmp_path):
    for name in ("three", "two"):
        shutil.copytree(bundles / name, tmp_path / name)
    other = replace(Manifest.load(tmp_path / "two"), classes=tuple("abcde"))
    other.save(tmp_path / "two")
    with pytest.raises(ServingError, match="differ in their samples, classes or confidence"):
        with_catalog(tmp_path, None, front=FRONT)


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


class Noting:
    """A policy that always chooses the same gear, and remembers what it is told."""

    def __init__(self, gear):
        self.gear, self.loads, self.runs = gear, [], []

    def choose(self, load):
        self.loads.append(load)
        return self.gear

    def note_run(self, gear, *, rows, run_s):
        self.runs.append((gear, rows, run_s))


def report_of(cascade, **values):
    given = {"rows": (1, 2), "waited_s": (0.0, 0.0), "gather_s": 0.0, "run_s": 0.5}
    return BatchReport(**{**given, "cascade": cascade, "stage": NO_STAGES, **values})


def test_shifter_gives_the_variant_of_the_gear_and_tells_what_a_batch_took():
    variants = [Variant(name=name, predictor=None) for name in ("cheap", "dear")]
    policy = Noting(1)
    shifter = Shifter(variants, policy)
    load = Load(now_s=1.0, batch_rows=2, n_rows=5, oldest_wait_s=0.0)
    assert shifter.choose(load) is variants[1]
    assert policy.loads == [load]
    shifter.note(report_of("cheap"))
    shifter.note(report_of("dear", rows=(4,), run_s=0.25))
    shifter.note(report_of("dear", failure=ValueError("out of memory")))
    assert policy.runs == [(0, 3, 0.5), (1, 4, 0.25)]


def test_times_of_the_members_are_taken_at_a_few_sizes_up_to_the_largest(bundles):
    opened = [open_bundle(bundles / name, OPTIONS, known={}) for name in ("two", "three")]
    for largest, sizes in ((1, (1,)), (4, (1, 4)), (5, (1, 4, 5)), (40, (1, 4, 16, 40))):
        profile = profile_of(opened, largest)
        assert profile.members == ("m0", "m2", "m1")
        assert {profile.batch_sizes(member) for member in profile.members} == {sizes}


def test_gears_without_a_known_accuracy_are_ordered_by_their_times(bundles):
    opened = {name: open_bundle(bundles / name, OPTIONS, known={}) for name in ("three", "two")}
    setting = opened["three"].sessions[0].info.setting
    for times, order in (
        ({"m0": 1.0, "m1": 1.0, "m2": 1.0}, ["two", "three"]),
        ({"m0": 1.0, "m1": 0.0, "m2": 9.0}, ["three", "two"]),
    ):
        timings = [
            Timing.of(name, size, [ms + 0.001 * size] * 3)
            for name, ms in times.items()
            for size in (1, 16)
        ]
        profile = LatencyProfile(setting=setting, timings=tuple(timings))
        known = dict(opened)
        if order == ["three", "two"]:
            # One accuracy is not enough to order by; its reach counts for the time.
            few = (expectation(0.1, (1.0, 0.5, 0.0)),)
            manifest = replace(opened["three"].manifest, expected=few)
            known["three"] = replace(opened["three"], manifest=manifest)
        assert [gear.name for gear in ordered_gears(known, profile)] == order


def test_front_looks_like_its_dearest_bundle_and_names_all(rated):
    async def work(catalog):
        front, dearest = (catalog.model(name).face for name in ("front", "three"))
        return front.parameters, front.cascade == dearest.cascade

    parameters, is_dearest = with_catalog(rated, work, front=FRONT)
    assert parameters == {"cascades": "two,three", "p99_ms": "5000"}
    assert is_dearest


def test_front_of_bundles_with_different_confidences_is_refused(bundles, tmp_path):
    for name in ("three", "two"):
        shutil.copytree(bundles / name, tmp_path / name)
    manifest = Manifest.load(tmp_path / "two")
    cascade = replace(manifest.cascade, confidence="margin")
    replace(manifest, cascade=cascade, graph=None).save(tmp_path / "two")
    with pytest.raises(ServingError, match="differ in their samples, classes or confidence"):
        with_catalog(tmp_path, None, front=FRONT)


VIEWS = ("both", "other", "small")


@pytest.fixture
def rated_views(view_bundles, tmp_path):
    """Rates the bundles of several inputs: the accuracies in the order of `VIEWS`."""

    def rate(*accuracies):
        for name, accuracy in zip(VIEWS, accuracies, strict=True):
            shutil.copytree(view_bundles / name, tmp_path / name)
            manifest = Manifest.load(tmp_path / name)
            reach = (1.0,) * manifest.cascade.n_stages
            replace(manifest, expected=(expectation(accuracy, reach),)).save(tmp_path / name)
        return tmp_path

    return rate


@pytest.mark.parametrize(
    ("accuracies", "dearest", "sizes"),
    [
        ((0.9, 0.8, 0.7), "both", {"input": 4, "input_2": 6, "input_3": 8}),
        ((0.8, 0.9, 0.7), "other", {"input": 6, "input_2": 8, "input_3": 4}),
        ((0.8, 0.7, 0.9), "small", {"input": 4, "input_2": 6, "input_3": 8}),
    ],
)
def test_front_takes_the_inputs_of_all_and_hands_each_cascade_its_own(
    rated_views, accuracies, dearest, sizes
):
    folder, by_size = rated_views(*accuracies), views(9, (4, 6, 8))
    by_size = dict(zip((4, 6, 8), by_size.values(), strict=True))
    own = {"both": (4, 6), "other": (6, 8), "small": (4,)}[dearest]
    names = ("input", "input_2")[: len(own)]
    expected = load(folder / dearest)(
        {name: by_size[size] for name, size in zip(names, own, strict=True)}
    )

    async def work(catalog):
        model = catalog.model("front")
        shapes = {item["name"]: item["shape"][-1] for item in model.face.metadata()["inputs"]}
        x = {name: by_size[size] for name, size in sizes.items()}
        return shapes, await model.infer(request_for_all(x, "front"))

    shapes, answer = with_catalog(folder, work, names=VIEWS, front=FRONT)
    assert shapes == sizes
    assert answer.parameters == {"cascade": dearest}
    np.testing.assert_array_equal(output_of(answer, "label")[:, 0], expected.label)
    np.testing.assert_array_equal(output_of(answer, "stage")[:, 0], expected.stage)


def test_front_of_cascades_with_one_input_is_called_with_arrays(rated):
    async def work(catalog):
        return [entry.name for entry in catalog.model("front").face.inputs]

    assert with_catalog(rated, work, front=FRONT) == ["input"]


def test_front_of_samples_that_come_ready_in_several_shapes_is_refused(view_bundles, tmp_path):
    for name in ("both", "small"):
        shutil.copytree(view_bundles / name, tmp_path / name)
    manifest = Manifest.load(tmp_path / "small")
    replace(manifest, preprocessing=None).save(tmp_path / "small")
    with pytest.raises(ServingError, match="differ in their samples, classes or confidence"):
        with_catalog(tmp_path, None, names=("both", "small"), front=FRONT)
