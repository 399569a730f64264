import re

import numpy as np
import pytest

from encas.cascade import softmax
from encas.errors import ExportError
from encas.runtime.ort_session import OrtSession

torch = pytest.importorskip("torch")

from encas.export.torch_export import ChosenColumns, Probabilities, export_torch, raw_outputs  # noqa: E402

pytestmark = pytest.mark.torch
ROWS = torch.tensor([[1.0, 2.0, 3.0], [0.0, 0.0, 4.0]])


class DataDependent(torch.nn.Module):
    """Its answer hangs on a number that only a run knows."""

    def forward(self, x):
        return x * 2 if x.sum() > 1000 else x


class Saying(torch.nn.Module):
    """Gives whatever `answer` makes of its samples."""

    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, x):
        return self.answer(x)


def exported(module, *, exporter="legacy", kind="logits", temperature=1.0):
    return export_torch(
        module,
        input_shape=(3,),
        kind=kind,
        temperature=temperature,
        exporter=exporter,
        where="net",
    )


def answers_of(model, x):
    session = OrtSession(model.SerializeToString(), name="m", input_shape=(3,), n_classes=3)
    return session.run(x)


def test_logits_are_divided_by_the_temperature_before_the_softmax():
    for temperature in (1.0, 2.5):
        module = Probabilities(torch.nn.Identity(), kind="logits", temperature=temperature)
        expected = softmax(ROWS.numpy() / np.float32(temperature))
        np.testing.assert_allclose(module(ROWS).numpy(), expected, rtol=1e-6)


def test_chosen_columns_are_those_outputs_in_order_and_probabilities_sum_to_one():
    logits = ChosenColumns(torch.nn.Identity(), (2, 0), kind="logits")
    assert torch.equal(logits(ROWS), ROWS[:, [2, 0]])
    shares = ChosenColumns(torch.nn.Identity(), (2, 0), kind="probabilities")(ROWS)
    assert torch.equal(shares, ROWS[:, [2, 0]] / ROWS[:, [2, 0]].sum(1, keepdim=True))


def test_probabilities_stay_as_they_are_unless_there_is_a_temperature():
    given = torch.tensor([[0.5, 0.25, 0.25], [1.0, 0.0, 0.0]])
    plain = Probabilities(torch.nn.Identity(), kind="probabilities", temperature=1.0)
    assert plain(given) is given
    warm = Probabilities(torch.nn.Identity(), kind="probabilities", temperature=2.0)(given).numpy()
    roots = np.sqrt(given.numpy())
    np.testing.assert_allclose(warm, roots / roots.sum(axis=1, keepdims=True), atol=1e-6)


@pytest.mark.parametrize("exporter", ["dynamo", "legacy"])
def test_exported_model_has_our_names_and_takes_any_batch(exporter):
    model = exported(torch.nn.Linear(3, 3), exporter=exporter, temperature=2.0)
    assert [value.name for value in model.graph.input] == ["input"]
    assert [value.name for value in model.graph.output] == ["probabilities"]
    for n in (1, 2, 5):
        found = answers_of(model, np.zeros((n, 3), np.float32))
        np.testing.assert_allclose(found.sum(axis=1), np.ones(n), atol=1e-6)


def test_exported_model_is_that_of_evaluation():
    module = torch.nn.Sequential(torch.nn.Dropout(0.9), torch.nn.Identity()).train()
    x = ROWS.numpy()
    np.testing.assert_allclose(answers_of(exported(module), x), softmax(x), atol=1e-6)


@pytest.mark.parametrize(("exporter", "other"), [("dynamo", "legacy"), ("legacy", "dynamo")])
def test_export_that_fails_names_the_exporter_and_the_other(exporter, other):
    def fail(_x):
        raise RuntimeError("not today\nnor tomorrow")

    fault = f"^net: the exporter {exporter} failed: .*; try --exporter {other}$"
    with pytest.raises(ExportError, match=fault):
        exported(Saying(fail), exporter=exporter)


def test_export_of_a_module_whose_way_hangs_on_its_samples_is_refused():
    with pytest.raises(ExportError, match="the exporter dynamo failed"):
        exported(DataDependent(), exporter="dynamo")


def test_raw_outputs_are_the_modules_own_in_float32():
    run = raw_outputs(torch.nn.Identity(), "net")
    x = np.arange(6, dtype=np.float64).reshape(3, 2).T
    found = run(x)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, x.astype(np.float32))
    assert run(np.zeros((0, 3), np.float32)).shape == (0, 3)


@pytest.mark.parametrize(
    ("answer", "got"),
    [
        (lambda x: (x, x), "tuple"),
        (lambda x: x[:1], "[1, 3]"),
        (lambda x: x[:, 0], "[2]"),
        (lambda x: x[:, None], "[2, 1, 3]"),
        (lambda _x: None, "NoneType"),
    ],
)
def test_raw_outputs_of_another_shape_are_refused(answer, got):
    fault = re.escape(f"net: expected outputs [2, n_classes], got {got}")
    with pytest.raises(ExportError, match=fault):
        raw_outputs(Saying(answer), "net")(ROWS.numpy())
