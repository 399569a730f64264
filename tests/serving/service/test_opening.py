from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bundle_catalog import OPTIONS, samples
from view_bundle import views

from encas.errors import CascadeError, ManifestError, ServingError
from encas.runtime.loading import load
from encas.runtime.placement import Placement
from encas.serving.service.opening import (
    BundleSource,
    ModelOptions,
    bundle_openers,
    face_of,
    open_bundle,
)
from encas.serving.service.queueing import QueueLimits


def test_names_that_collide_or_are_unfit_are_refused(bundle):
    with pytest.raises(ServingError, match="several models are called x"):
        bundle_openers([BundleSource(name="x", folder=bundle)] * 2, OPTIONS)
    with pytest.raises(ServingError, match="a model's name needs letters"):
        BundleSource.of(f"a/b={bundle}")
    with pytest.raises(ManifestError, match="no such file"):
        BundleSource.of("nowhere")


def test_sessions_of_other_shapes_are_not_shared(bundles):
    session = open_bundle(bundles / "three", OPTIONS, known={}).sessions[0]
    info = replace(session.info, n_classes=7)
    wrong = SimpleNamespace(info=info)
    opened = open_bundle(bundles / "two", OPTIONS, known={info.sha256: wrong})
    assert opened.sessions[0] is not wrong


def test_member_that_another_bundle_reads_as_another_input_is_loaded_once(view_bundles):
    both = open_bundle(view_bundles / "both", OPTIONS, known={})
    known = {session.info.sha256: session for session in both.sessions}
    other = open_bundle(view_bundles / "other", OPTIONS, known=known)
    assert [session.info.reads for session in other.sessions] == ["input", "input_2"]
    assert other.sessions[0]._session is both.sessions[1]
    x = views(9, (6, 8))
    expected = load(view_bundles / "other")(x)
    np.testing.assert_array_equal(other.predictor(x).probabilities, expected.probabilities)


def test_source_is_named_by_the_user_or_by_its_manifest(bundle):
    assert BundleSource.of(str(bundle)) == BundleSource(name="three", folder=bundle)
    assert BundleSource.of(f"mine={bundle}") == BundleSource(name="mine", folder=bundle)
    # Whether there is a bundle shows when it is opened.
    assert BundleSource.of("a=b=c") == BundleSource(name="a", folder=Path("b=c"))


def test_folder_with_an_equals_sign_in_its_name_is_a_folder(bundle, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("x=y").symlink_to(bundle)
    assert BundleSource.of("x=y") == BundleSource(name="three", folder=Path("x=y"))


def test_names_are_told_once_each_in_order(bundle):
    sources = [BundleSource(name=name, folder=bundle) for name in "bacab"]
    with pytest.raises(ServingError, match="several models are called a, b; use NAME=BUNDLE"):
        bundle_openers(sources, OPTIONS)
    assert list(bundle_openers(sources[:2], OPTIONS)) == ["b", "a"]


def test_batches_are_padded_on_a_gpu_alone():
    limits = QueueLimits(max_batch_size=6, max_queue_rows=6)
    on_cpu = ModelOptions(limits=limits)
    on_gpu = ModelOptions(limits=limits, placement=Placement(device="cuda:0"))
    assert (on_cpu.batching.max_batch_size, on_cpu.batching.buckets) == (6, ())
    assert (on_gpu.batching.max_batch_size, on_gpu.batching.buckets) == (6, (1, 2, 4, 6))


def test_open_bundle_runs_its_members_or_its_graph(bundle):
    staged = open_bundle(bundle, OPTIONS, known={})
    graph = open_bundle(bundle, replace(OPTIONS, backend="graph"), known={})
    assert [session.info.name for session in staged.sessions] == ["m0", "m1", "m2"]
    assert graph.sessions == ()
    x = samples(9)
    expected = load(bundle)(x).stage
    for opened in (staged, graph):
        np.testing.assert_array_equal(opened.predictor(x).stage, expected)
        assert opened.cascade == opened.manifest.cascade


def test_other_thresholds_share_the_sessions_and_leave_the_bundle_as_it_is(bundle):
    opened = open_bundle(bundle, OPTIONS, known={})
    other = opened.with_thresholds((1.0, 0.0))
    assert all(a is b for a, b in zip(opened.sessions, other.sessions, strict=True))
    assert set(other.predictor(samples(5)).stage) == {2}
    assert (other.cascade.thresholds, opened.cascade.thresholds) == ((1.0, 0.0), (0.85, 0.7))
    with pytest.raises(CascadeError, match="3 members need 2 thresholds, got 1"):
        opened.with_thresholds((0.5,))
    graph = open_bundle(bundle, replace(OPTIONS, backend="graph"), known={})
    with pytest.raises(ServingError, match="one graph has its thresholds inside"):
        graph.with_thresholds((0.5, 0.5))


def test_known_sessions_are_taken_instead_of_opened_ones(bundles):
    sessions = open_bundle(bundles / "three", OPTIONS, known={}).sessions
    known = {session.info.sha256: session for session in sessions[:1]}
    first, second = open_bundle(bundles / "two", OPTIONS, known=known).sessions
    assert first is sessions[0]
    assert second is not sessions[2]


def test_face_is_that_of_the_cascade_which_runs(bundle):
    opened = open_bundle(bundle, OPTIONS, known={}).with_thresholds((0.5, 0.25))
    options = replace(OPTIONS, n_workers=3)
    face = face_of("mine", opened, options)
    assert (face.name, face.device, face.n_workers) == ("mine", "cpu", 3)
    assert (face.cascade.thresholds, face.limits) == ((0.5, 0.25), options.limits)
    assert face.parameters == {"members": "m0,m1,m2"}
