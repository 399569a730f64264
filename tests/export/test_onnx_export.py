import re
import sys

import numpy as np
import onnx
import pytest

from encas.cascade import softmax
from encas.errors import ExportError, SourceError
from encas.export.onnx_export import export_member, stated_input_shape
from encas.pools.models.specs import source_model
from encas.runtime.ort_session import OrtSession

pytestmark = pytest.mark.torch
SHAPE = (1, 8, 8)

MODULE = """
import torch
from torch import nn

class Logits(nn.Module):
    def __init__(self, n_classes=3):
        super().__init__()
        self.n_classes = n_classes

    def forward(self, x):
        flat = x.flatten(1)
        return torch.stack([flat.sum(1) * (i + 1) for i in range(self.n_classes)], dim=1)

class Softmaxed(Logits):
    def forward(self, x):
        return torch.softmax(super().forward(x) / 10, dim=1)

class Pair(Logits):
    def forward(self, x):
        return super().forward(x), x

class Images(nn.Module):
    def forward(self, x):
        return x

class Stubborn(Logits):
    def forward(self, x):
        raise RuntimeError("not today")
"""


@pytest.fixture
def nets(tmp_path, monkeypatch):
    """`nets("Logits")` is the source of that class of a module beside the user."""
    name = re.sub(r"\W", "_", f"nets_of_{tmp_path.name}")
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    yield lambda what: source_model(f"torch:{name}:{what}")
    sys.modules.pop(name, None)


def session_of(exported, shape=SHAPE) -> OrtSession:
    content = exported.model.SerializeToString()
    return OrtSession(content, name="m", input_shape=shape, n_classes=exported.n_classes)


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
def test_exported_module_gives_softmax_at_every_batch_size(members, exporter, rng):
    conv = members[2]
    exported = export_member(conv.source, input_shape=SHAPE, exporter=exporter)
    assert (exported.exporter, exported.kind, exported.n_classes) == (exporter, "logits", 10)
    session = session_of(exported)
    for n in (1, 2, 3, 8, 31):
        x = rng.random((n, *SHAPE), np.float32)
        assert np.allclose(session.run(x), softmax(exported.raw(x)), atol=1e-5)


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
def test_exported_module_says_nothing_of_this_machine(members, exporter, tmp_path):
    model = export_member(members[1].source, input_shape=SHAPE, exporter=exporter).model
    onnx.checker.check_model(model, full_check=True)
    assert [value.name for value in model.graph.input] == ["input"]
    assert [value.name for value in model.graph.output] == ["probabilities"]
    assert str(tmp_path.parent).encode() not in model.SerializeToString()
    assert b"stack_trace" not in model.SerializeToString()
    assert b".py" not in model.SerializeToString()


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
def test_exported_module_twice_is_the_same_file(members, exporter):
    files = {
        export_member(
            members[0].source, input_shape=SHAPE, exporter=exporter
        ).model.SerializeToString(deterministic=True)
        for _ in range(2)
    }
    assert len(files) == 1


def test_exported_module_divides_its_logits_by_the_temperature(members, rng):
    exported = export_member(
        members[1].source, input_shape=SHAPE, temperature=2.5, exporter="legacy"
    )
    x = rng.random((4, *SHAPE), np.float32)
    expected = softmax(exported.raw(x) / np.float32(2.5))
    assert np.allclose(session_of(exported).run(x), expected, atol=1e-6)


@pytest.mark.parametrize("said", ["", "?kind=probabilities"])
def test_exported_module_of_probabilities_gets_no_second_softmax(nets, rng, said):
    source = source_model(nets("Softmaxed").spec + said)
    x = rng.random((5, 2, 2), np.float32)
    plain = export_member(source, input_shape=(2, 2), exporter="legacy")
    assert np.allclose(session_of(plain, (2, 2)).run(x), plain.raw(x), atol=1e-6)
    warm = export_member(source, input_shape=(2, 2), temperature=2.0, exporter="legacy")
    expected = softmax(np.log(warm.raw(x)) / np.float32(2))
    assert np.allclose(session_of(warm, (2, 2)).run(x), expected, atol=1e-6)


def test_exported_module_that_is_said_to_give_logits_gets_a_softmax(nets, rng):
    source = source_model(nets("Softmaxed").spec + "?kind=logits")
    exported = export_member(source, input_shape=(2, 2), exporter="legacy")
    x = rng.random((5, 2, 2), np.float32)
    assert np.allclose(session_of(exported, (2, 2)).run(x), softmax(exported.raw(x)), atol=1e-6)


def test_exported_module_can_be_fed_bytes(nets, rng):
    source = nets("Logits")
    exported = export_member(source, input_shape=(2, 2), input_dtype="uint8", exporter="legacy")
    x = rng.integers(0, 9, (5, 2, 2), dtype=np.uint8)
    assert exported.input_dtype == "uint8"
    found = session_of(exported, (2, 2)).run(x)
    assert np.allclose(found, softmax(exported.raw(x)), atol=1e-6)


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("Logits?kind=probabilities", "the model gives no probabilities"),
        ("Pair", r"expected outputs \[16, n_classes\], got tuple"),
        ("Images", r"expected outputs \[16, n_classes\], got \[16, 2, 2\]"),
        ("Stubborn", r"fails on samples \[2, 2\]: not today"),
    ],
)
def test_export_of_a_module_that_is_no_classifier_is_refused(nets, what, message):
    with pytest.raises(ExportError, match=message):
        export_member(nets(what), input_shape=(2, 2), exporter="legacy")


def test_stated_input_shape_is_what_the_spec_says(members, nets):
    assert stated_input_shape(members[0].source) == SHAPE
    assert stated_input_shape(nets("Logits")) is None


def test_source_that_is_nothing_at_all_is_refused():
    from encas.pools.models.source_model import SourceModel  # noqa: PLC0415

    with pytest.raises(SourceError, match="either a torch module to build or an ONNX file"):
        SourceModel(spec="x")
