"""Classifiers of the hub, on folders that look like its repositories and like its cache."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")

from encas.errors import SourceError  # noqa: E402
from encas.search.sources import hub_models  # noqa: E402
from encas.search.sources.hub_models import transformers_preprocessing  # noqa: E402
from encas.search.sources.models import source_model  # noqa: E402
from encas.search.sources.timm_models import import_timm  # noqa: E402

pytestmark = pytest.mark.torch
COMMIT = "0" * 40


@pytest.fixture(scope="module")
def repository(tmp_path_factory):
    """A repository of the hub as timm writes it: config.json and model.safetensors."""
    timm = import_timm()
    folder = tmp_path_factory.mktemp("hub") / "repository"
    torch.manual_seed(2)
    module = timm.create_model("test_resnet", num_classes=3).eval()
    names = {"label_names": ["ant", "bee", "cat"]}
    timm.models.save_for_hf(module, folder, model_config=names)
    torch.save(module.state_dict(), folder / "expected.pt")
    return folder


def expected_state(repository):
    return torch.load(repository / "expected.pt", weights_only=True)


def test_folder_of_a_timm_repository_is_built_with_its_weights(repository):
    source = source_model(f"hf:{repository}")
    state = source.build().state_dict()
    assert all(torch.equal(state[key], value) for key, value in expected_state(repository).items())
    assert source.classes == ("ant", "bee", "cat")
    assert source.preprocessing["size"] == [160, 160]


def test_repository_in_the_cache_is_built_without_a_network(repository, tmp_path, monkeypatch):
    snapshot = tmp_path / "models--someone--net" / "snapshots" / COMMIT
    shutil.copytree(repository, snapshot)
    refs = tmp_path / "models--someone--net" / "refs"
    refs.mkdir()
    (refs / "main").write_text(COMMIT)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    source = source_model("hf:someone/net")
    assert source.classes == ("ant", "bee", "cat")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    state = source.build().state_dict()
    assert all(torch.equal(state[key], value) for key, value in expected_state(repository).items())


def test_repository_that_is_nowhere_is_one_line_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    remedy = r"where there is a network, `hf download some/one`, and copy .* models--some--one into"
    with pytest.raises(SourceError, match=remedy) as caught:
        source_model("hf:some/one")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("raised", "fault"),
    [
        ("GatedRepoError", "some/one is gated: ask for access on its page"),
        ("RepositoryNotFoundError", "the hub has no repository some/one"),
    ],
)
def test_repository_that_is_refused_says_why(monkeypatch, raised, fault):
    kind = getattr(hub_models.hub_errors, raised)

    def fail(*_arguments, **_options):
        raise kind.__new__(kind)

    monkeypatch.setattr(hub_models.huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(SourceError, match=fault):
        source_model("hf:some/one")


def test_folder_of_something_else_than_a_classifier_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(SourceError, match=r"expected an image classifier, got \['BertForMaskedLM'"):
        source_model(f"hf:{tmp_path}")


MEAN_AND_STD = {"image_mean": [0.1, 0.2, 0.3], "image_std": [0.4, 0.5, 0.6]}
COMMON = {"scale": 255.0, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "layout": "nchw"}


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (
            {"size": {"height": 224, "width": 192}, "resample": 2},
            {"size": [224, 192], "interpolation": "bilinear"},
        ),
        (
            {"size": {"shortest_edge": 256}, "crop_size": 224, "resample": 3},
            {"size": [224, 224], "resize": 256, "interpolation": "bicubic"},
        ),
        (
            {"size": 224, "crop_pct": 0.875, "resample": 3},
            {"size": [224, 224], "resize": 256, "interpolation": "bicubic"},
        ),
        (
            {"size": {"shortest_edge": 384}, "crop_pct": 0.875, "resample": 3},
            {"size": [384, 384], "interpolation": "bicubic"},
        ),
        (
            {"size": {"height": 8, "width": 8}, "do_normalize": False, "do_rescale": False},
            {"size": [8, 8], "interpolation": "bilinear", "scale": 1.0}
            | {"mean": [0.0] * 3, "std": [1.0] * 3},
        ),
    ],
)
def test_preprocessing_of_transformers_is_understood(config, expected):
    found = transformers_preprocessing(MEAN_AND_STD | config, where="")
    assert found == COMMON | expected


@pytest.mark.parametrize(
    "config",
    [
        {"size": {"shortest_edge": 224, "longest_edge": 300}},
        {"size": {"height": 8, "width": 8}, "resample": 5},
        {"size": {"height": 9, "width": 9}, "do_center_crop": True, "crop_size": 8},
    ],
)
def test_preprocessing_that_cannot_be_written_down_is_refused(config):
    with pytest.raises(SourceError, match="is not supported"):
        transformers_preprocessing(MEAN_AND_STD | config, where="")


def test_folder_of_a_transformers_repository_gives_its_logits(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=3
    )
    config.id2label = {0: "ant", 1: "bee", 2: "cat"}
    torch.manual_seed(0)
    module = transformers.ResNetForImageClassification(config).eval()
    module.save_pretrained(tmp_path)
    about = MEAN_AND_STD | {"size": {"height": 32, "width": 32}, "resample": 2}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(about))
    source = source_model(f"hf:{tmp_path}")
    assert source.classes == ("ant", "bee", "cat")
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(source.build()(x), module(pixel_values=x).logits)
