from dataclasses import replace

import numpy as np
import pytest

from encas.errors import SessionError
from encas.manifest import Manifest
from encas.runtime import graph_runner
from encas.runtime.batching import Batching
from encas.runtime.graph_runner import GraphRunner
from encas.runtime.loading import load, open_graph
from encas.runtime.placement import Placement


def test_graph_decides_as_the_executor_does(bundle, samples):
    graph, staged = load(bundle, backend="graph"), load(bundle)
    for n in (0, 1, 2, 7, 60):
        found, expected = graph(samples[:n]), staged(samples[:n])
        assert np.array_equal(found.label, expected.label)
        assert np.array_equal(found.stage, expected.stage)
        assert np.allclose(found.probabilities, expected.probabilities, atol=1e-6)


def test_graph_is_warmed_up_through_every_member(bundle, monkeypatch):
    stages = []
    original = graph_runner.answers_of

    def answers_of(session, names, feeds, *, name):
        answers = original(session, names, feeds, name=name)
        stages.append((len(feeds["input"]), set(answers[2].tolist())))
        return answers

    monkeypatch.setattr(graph_runner, "answers_of", answers_of)
    open_graph(bundle, Manifest.load(bundle), batching=Batching.powers_of_two(2))
    assert stages
    assert {size for size, _ in stages} == {1, 2}
    assert all(reached == {3} for _, reached in stages)
    stages.clear()
    load(bundle, backend="graph")
    assert stages == [(4, {3})]


def test_graph_on_samples_of_another_shape_is_refused(bundle):
    with pytest.raises(SessionError, match=r"linear: expected samples \[n, 1, 2, 3\]"):
        load(bundle, backend="graph")(np.zeros((2, 6), np.float32))


def test_graph_runner_of_a_member_is_refused(model, bundle):
    with pytest.raises(SessionError, match=r"the graph lacks the outputs \['label', 'stage'\]"):
        GraphRunner(Manifest.load(bundle), model(0).SerializeToString())


def test_graph_runner_of_a_manifest_that_lies_about_the_type_is_refused(model, bundle):
    manifest = replace(Manifest.load(bundle), input_dtype="uint8")
    with pytest.raises(SessionError, match="takes float32 samples as input, but the manifest says"):
        GraphRunner(manifest, (bundle / "cascade.onnx").read_bytes())


def test_graph_runner_with_cuda_graphs_is_refused(bundle):
    with pytest.raises(SessionError, match="with branches cannot be captured .*'staged'"):
        open_graph(bundle, Manifest.load(bundle), Placement(device="cuda", cuda_graphs=True))
