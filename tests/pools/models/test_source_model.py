from pathlib import Path

import pytest

from encas.errors import SourceError
from encas.pools.models.source_model import SourceModel


def build():
    raise AssertionError("nothing is built yet")


@pytest.mark.parametrize("kind", ["logits", "probabilities", None])
@pytest.mark.parametrize("origin", [{"build": build}, {"onnx_file": Path("a.onnx")}])
def test_source_of_either_origin_and_any_kind_is_taken(kind, origin):
    assert SourceModel(spec="x:y", kind=kind, **origin).kind == kind


@pytest.mark.parametrize("origin", [{}, {"build": build, "onnx_file": Path("a.onnx")}])
def test_source_of_no_origin_or_of_two_is_refused(origin):
    with pytest.raises(SourceError, match="x:y: a source has either a torch module .* or an ONNX"):
        SourceModel(spec="x:y", **origin)


def test_source_of_another_kind_is_refused_with_every_fault():
    with pytest.raises(SourceError, match="x:y: 2 faults: .*; kind must be one of logits, proba"):
        SourceModel(spec="x:y", kind="scores")


def test_source_says_no_more_than_it_is_told():
    source = SourceModel(spec="x:y", build=build)
    assert (source.kind, source.input_shape, source.preprocessing, source.classes) == (
        None,
        None,
        None,
        None,
    )
