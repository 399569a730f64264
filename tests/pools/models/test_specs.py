"""SPEC strings: taken apart, resolved against folders, moved between them."""

import json

import pytest

from encas.errors import DataError, SourceError
from encas.pools.models.specs import (
    files_of_spec,
    parse_spec,
    rebased_spec,
    source_model,
    with_option,
)

PREPROCESSING = {"size": [8, 8], "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]}


@pytest.fixture
def onnx_file(tmp_path):
    (tmp_path / "nets").mkdir()
    path = tmp_path / "nets" / "a.onnx"
    path.write_bytes(b"not read here")
    return path


@pytest.mark.parametrize(
    ("text", "scheme", "target"),
    [
        ("resnet18", "timm", "resnet18"),
        ("timm:resnet18.a1_in1k", "timm", "resnet18.a1_in1k"),
        ("hf:timm/resnet18.a1_in1k", "hf", "timm/resnet18.a1_in1k"),
        ("onnx:some/where.onnx", "onnx", "some/where.onnx"),
        ("torch:package.module:make?width=4", "torch", "package.module:make"),
    ],
)
def test_parse_spec_takes_schemes_and_targets_apart(text, scheme, target):
    spec = parse_spec(text)
    assert (spec.scheme, spec.target) == (scheme, target)


def test_parse_spec_converts_arguments_and_keeps_options_apart():
    spec = parse_spec(
        "torch:m:f?width=4&ratio=0.5&deep=true&kind=logits&weights=a%20b.pt&mode=fast"
    )
    assert spec.arguments == {"width": 4, "ratio": 0.5, "deep": True, "mode": "fast"}
    assert spec.options == {"kind": "logits", "weights": "a b.pt"}


@pytest.mark.parametrize("text", ["keras:model", "onnx:", "", "tar:x?a=1"])
def test_parse_spec_of_no_known_scheme_is_refused(text):
    with pytest.raises(SourceError, match="expected onnx:PATH, torch:"):
        parse_spec(text)


def test_parse_spec_with_a_key_twice_is_refused():
    with pytest.raises(SourceError, match="a key comes twice"):
        parse_spec("resnet18?a=1&a=2")


def test_onnx_source_finds_its_preprocessing_beside_it(onnx_file):
    sidecar = onnx_file.with_name("a.onnx.preprocessing.json")
    sidecar.write_text(json.dumps(PREPROCESSING))
    source = source_model(f"onnx:{onnx_file}")
    assert source.onnx_file == onnx_file
    assert source.preprocessing == PREPROCESSING
    assert source.kind is None


def test_onnx_source_with_faulty_preprocessing_is_refused(onnx_file):
    sidecar = onnx_file.with_name("a.onnx.preprocessing.json")
    sidecar.write_text(json.dumps({"size": [8]}))
    with pytest.raises(DataError, match="size has 1 items"):
        source_model(f"onnx:{onnx_file}")


def test_source_paths_are_relative_to_the_base_before_the_current_folder(
    onnx_file, tmp_path, monkeypatch
):
    other = tmp_path / "elsewhere"
    (other / "nets").mkdir(parents=True)
    (other / "nets" / "a.onnx").write_bytes(b"another")
    monkeypatch.chdir(other)
    assert source_model("onnx:nets/a.onnx").onnx_file == other / "nets" / "a.onnx"
    assert source_model("onnx:nets/a.onnx", base=tmp_path).onnx_file == onnx_file


def test_source_of_a_missing_file_names_where_it_looked(tmp_path):
    with pytest.raises(SourceError, match=r"no such file: .*base/a.onnx, a.onnx"):
        source_model("onnx:a.onnx", base=tmp_path / "base")


def test_files_of_spec_are_those_with_weights(onnx_file, tmp_path):
    (tmp_path / "w.pt").write_bytes(b"")
    assert files_of_spec(f"onnx:{onnx_file}") == (onnx_file,)
    assert files_of_spec("torch:m:f?weights=w.pt", base=tmp_path) == (tmp_path / "w.pt",)
    assert files_of_spec("timm:resnet18") == ()


def test_rebased_spec_names_the_same_files_from_elsewhere(onnx_file, tmp_path):
    (tmp_path / "p.json").write_text(json.dumps(PREPROCESSING))
    pool = tmp_path / "pools" / "one"
    pool.mkdir(parents=True)
    text = rebased_spec("onnx:nets/a.onnx?preprocessing=p.json", base=tmp_path, folder=pool)
    assert text == "onnx:../../nets/a.onnx?preprocessing=../../p.json"
    assert source_model(text, base=pool).onnx_file == onnx_file
    assert source_model(text, base=pool).preprocessing == PREPROCESSING


@pytest.mark.parametrize("text", ["timm:resnet18?pretrained=false", "resnet18", "hf:timm/x"])
def test_rebased_spec_without_paths_stays_as_it_is(text, tmp_path):
    assert rebased_spec(text, base=None, folder=tmp_path) == text


def test_rebased_spec_keeps_what_is_no_path(tmp_path):
    (tmp_path / "w.pt").write_bytes(b"")
    text = rebased_spec("torch:m:f?width=4&weights=w.pt", base=tmp_path, folder=tmp_path / "p")
    assert text == "torch:m:f?width=4&weights=../w.pt"


def test_with_option_adds_to_any_spec():
    assert with_option("resnet18", "kind", "logits") == "resnet18?kind=logits"
    assert with_option("m?a=1", "preprocessing", "p.json") == "m?a=1&preprocessing=p.json"


def test_columns_of_a_spec_are_the_outputs_that_are_wanted(tmp_path):
    (tmp_path / "net.onnx").write_bytes(b"")
    (tmp_path / "columns.json").write_text("[2, 0]")
    spec = "onnx:net.onnx?columns=columns.json"
    assert source_model(spec, base=tmp_path).columns == (2, 0)
    moved = rebased_spec(spec, base=tmp_path, folder=tmp_path / "pool")
    assert moved == "onnx:../net.onnx?columns=../columns.json"
    assert with_option(spec, "columns", "other.json") == "onnx:net.onnx?columns=other.json"


@pytest.mark.parametrize("text", ["[]", "[1, 1]", "[-1]", "[true]", '{"a": 1}', "[0.5]"])
def test_columns_that_are_none_are_refused(tmp_path, text):
    (tmp_path / "net.onnx").write_bytes(b"")
    (tmp_path / "columns.json").write_text(text)
    with pytest.raises(SourceError, match="expected a list of numbers of outputs, each once"):
        source_model("onnx:net.onnx?columns=columns.json", base=tmp_path)
