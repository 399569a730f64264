"""Words that name many models: patterns, files, presets, filters."""

import csv
from importlib import resources

import pytest

from encas.errors import PoolError, SourceError
from encas.pools.models.model_requests import ModelFilter, ModelRequest, expand


@pytest.fixture
def files(tmp_path, monkeypatch):
    for name in ("b", "a", "c"):
        (tmp_path / f"{name}.onnx").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names_of(*texts, **options):
    return [request.name for request in expand(texts, **options)[0]]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("onnx:some/deep/net.onnx", "net"),
        ("torch:nets:make?width=4&weights=runs/best.pt", "make,width=4"),
        ("torch:nets:make?width=4&depth=2", "make,width=4,depth=2"),
        ("hf:someone/nice-model", "someone/nice-model"),
        ("timm:resnet18.a1_in1k", "resnet18.a1_in1k"),
        ("resnet18?pretrained=false", "resnet18"),
        ("mine=onnx:net.onnx?kind=logits", "mine"),
    ],
)
def test_names_say_what_the_models_are(text, name):
    assert names_of(text) == [name]


def test_names_that_would_be_the_same_say_more():
    words = ["torch:m:f?weights=a/one.pt", "torch:m:f?weights=two.pt", "torch:m:f"]
    requests, _ = expand([*words, "onnx:n.onnx?output=x", "onnx:n.onnx?output=y", "z=onnx:n.onnx"])
    assert [r.name for r in requests] == ["f,one", "f,two", "f", "n,x", "n,y", "z"]


def test_named_spec_is_passed_on_without_its_name():
    assert expand(["a.b=torch:m:f?x=1"])[0] == [ModelRequest(name="a.b", spec="torch:m:f?x=1")]


def test_pattern_of_files_names_them_in_order(files):
    requests, refusals = expand(["onnx:*.onnx?kind=logits"])
    assert [r.name for r in requests] == ["a", "b", "c"]
    assert requests[0].spec == "onnx:a.onnx?kind=logits"
    assert refusals == []


def test_pattern_with_an_absolute_path_is_found(files):
    assert names_of(f"onnx:{files}/[ab].onnx") == ["a", "b"]


def test_pattern_that_matches_no_file_is_refused(files):
    with pytest.raises(SourceError, match="no file matches"):
        expand(["onnx:*.pt"])


def test_pattern_of_torch_models_is_refused():
    with pytest.raises(SourceError, match="no patterns in torch: models"):
        expand(["torch:m:*"])


def test_file_of_words_is_read_line_by_line(files):
    (files / "list").mkdir()
    (files / "list" / "models.txt").write_text("# mine\n\nonnx:../a.onnx  # first\nx=resnet18\n")
    requests, _ = expand(["@list/models.txt"])
    assert [r.name for r in requests] == ["a", "x"]
    assert requests[0].base == files / "list"


def test_model_named_twice_comes_once(files):
    assert names_of("onnx:a.onnx", "onnx:*.onnx") == ["a", "b", "c"]


def test_two_models_of_one_name_are_refused(files):
    with pytest.raises(PoolError, match="two models have the name 'a'; say NAME=SPEC for one"):
        expand(["onnx:a.onnx", "a=onnx:b.onnx"])


def test_no_models_are_refused():
    with pytest.raises(PoolError, match="no models: give --model SPEC"):
        expand([])


def test_timm_pattern_passes_arguments_on():
    pytest.importorskip("torch")
    requests, _ = expand(["timm:test_*net?pretrained=false"])
    assert {"test_resnet", "test_efficientnet"} <= {r.name for r in requests}
    assert all(r.spec == f"timm:{r.name}?pretrained=false" for r in requests)


def test_timm_pattern_is_filtered_by_what_models_are():
    pytest.importorskip("torch")
    small = ModelFilter(max_params=3e6, max_macs=7e7, max_resolution=224)
    names = names_of("timm:mobilenetv3_small_*", wanted=small)
    assert "mobilenetv3_small_050.lamb_in1k" in names
    assert all("small" in name for name in names)
    tagged = names_of("timm:resnet18", "timm:resnet1*", wanted=ModelFilter(tag="tv*"))
    assert "resnet18" in tagged, "a model that is named is not filtered"
    assert "resnet101.tv_in1k" in tagged
    assert "resnet101.a1_in1k" not in tagged


def test_timm_models_are_made_only_where_costs_are_filtered():
    pytest.importorskip("torch")
    made = []
    cheap = ModelFilter(max_params=1.7e6, tag="lamb*")
    expand(["timm:mobilenetv3_small_*"], wanted=cheap, on_progress=made.append)
    names = [f"mobilenetv3_small_{width}.lamb_in1k" for width in ("050", "075", "100")]
    assert [each.text for each in made[:3]] == [f"does {name} pass the filters?" for name in names]
    assert [(each.done, each.is_over) for each in made] == [
        (1, False), (2, False), (3, False), (3, True),
    ]  # fmt: skip
    expand(["timm:mobilenetv3_small_*"], wanted=ModelFilter(tag="lamb*"), on_progress=made.append)
    assert len(made) == 4


def test_timm_models_of_a_pattern_that_cannot_be_fed_are_told():
    pytest.importorskip("torch")
    from encas.pools.models.timm_models import import_timm  # noqa: PLC0415

    if not import_timm().list_models("deepseek_vit_412m"):
        pytest.skip("this timm has no model with a border")
    requests, refusals = expand(["timm:deepseek_vit_412m", "timm:deepseek_vit*", "timm:test_vit*"])
    assert "test_vit.r160_in1k" in [request.name for request in requests]
    assert any(refusal.name.startswith("deepseek_vit_412m.") for refusal in refusals)
    assert all(refusal.reason.startswith("crop mode 'border' with") for refusal in refusals)


def test_timm_pattern_that_nothing_passes_is_refused():
    pytest.importorskip("torch")
    with pytest.raises(SourceError, match="timm models match, none of them passes the filters"):
        expand(["timm:vit_large*"], wanted=ModelFilter(max_resolution=32))


def preset_rows():
    text = resources.files("encas.pools.models.presets").joinpath("encas-timm.csv")
    return list(csv.DictReader(text.read_text("utf-8").splitlines()))


def test_preset_is_the_518_models_of_the_paper():
    rows = preset_rows()
    assert len({row["paper"] for row in rows}) == 518
    gone = [row["paper"] for row in rows if not row["timm"]]
    assert gone == ["ig_resnext101_32x48d", "gluon_xception65"]
    today = [row["timm"] for row in rows if row["timm"]]
    assert len(set(today)) == 516


def test_preset_names_models_that_timm_has():
    pytest.importorskip("torch")
    from encas.pools.models.timm_models import import_timm  # noqa: PLC0415

    known = set(import_timm().list_pretrained())
    assert {row["timm"] for row in preset_rows() if row["timm"]} <= known
    requests, refusals = expand([], preset="encas-timm")
    assert len(requests) + len(refusals) == 518
    assert [refusal.reason for refusal in refusals] == ["gone: timm no longer has its weights"] * 2


def test_preset_that_nobody_knows_is_refused():
    with pytest.raises(PoolError, match="preset must be one of encas-timm, got 'all'"):
        expand([], preset="all")
