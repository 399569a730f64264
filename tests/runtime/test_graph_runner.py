import numpy as np
import pytest

from encas.errors import SessionError
from encas.manifest import Manifest
from encas.runtime.batching import Batching
from encas.runtime.graph_runner import GraphRunner
from encas.runtime.loading import load, open_graph
from encas.runtime.ort_session import OrtSession


def test_graph_decides_as_the_executor_does(bundle, samples):
    graph, staged = load(bundle, backend="graph"), load(bundle)
    for n in (0, 1, 2, 7, 60):
        found, expected = graph(samples[:n]), staged(samples[:n])
        assert np.array_equal(found.label, expected.label)
        assert np.array_equal(found.stage, expected.stage)
        assert np.allclose(found.probabilities, expected.probabilities, atol=1e-6)


def test_graph_is_warmed_up_through_every_member(bundle, monkeypatch):
    stages = []
    original = OrtSession.outputs

    def outputs(self, names, batch, *, more=None):
        answers = original(self, names, batch, more=more or {})
        stages.append((len(batch), set(answers[2].tolist())))
        return answers

    monkeypatch.setattr(OrtSession, "outputs", outputs)
    open_graph(bundle, Manifest.load(bundle), batching=Batching.powers_of_two(2))
    assert stages
    assert {size for size, _ in stages} == {1, 2}
    assert all(reached == {3} for _, reached in stages)


def test_graph_on_samples_of_another_shape_is_refused(bundle):
    with pytest.raises(SessionError, match=r"linear: expected samples \[n, 1, 2, 3\]"):
        load(bundle, backend="graph")(np.zeros((2, 6), np.float32))


def test_graph_runner_of_a_member_is_refused(model, bundle):
    session = OrtSession(model(0).SerializeToString(), name="m", input_shape=(1, 2, 3), n_classes=4)
    cascade = Manifest.load(bundle).cascade
    with pytest.raises(SessionError, match=r"the graph lacks the outputs \['label', 'stage'\]"):
        GraphRunner(cascade, session)
