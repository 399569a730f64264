"""Classifiers of the hub, on folders that look like its repositories and like its cache."""

import json
import shutil

import pytest

torch = pytest.importorskip("torch")

from encas.errors import SourceError  # noqa: E402
from encas.pools.building.build_pool import build_pool  # noqa: E402
from encas.pools.models import hub_models  # noqa: E402
from encas.pools.models.specs import files_of_spec, source_model  # noqa: E402
from encas.pools.models.timm_models import import_timm  # noqa: E402
from encas.pools.pool import Pool  # noqa: E402

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


def test_revision_is_that_of_all_files(repository, monkeypatch):
    asked = []

    def fetch(repository_name, file, revision):
        asked.append((repository_name, file, revision))
        return str(repository / file)

    monkeypatch.setattr(hub_models, "look_for_hub", lambda: None)
    monkeypatch.setattr(hub_models.huggingface_hub, "hf_hub_download", fetch)
    source_model("hf:some/net@v2")
    source_model("hf:some/net")
    assert asked == [("some/net", "config.json", "v2"), ("some/net", "config.json", None)]


def test_repository_that_is_nowhere_is_one_line_with_a_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    remedy = r"where there is a network, `hf download some/one`, and copy .* models--some--one into"
    with pytest.raises(SourceError, match=remedy) as caught:
        source_model("hf:some/one")
    assert "\n" not in str(caught.value)


def test_folder_of_something_else_than_a_classifier_is_refused(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["BertForMaskedLM"]}))
    with pytest.raises(SourceError, match=r"expected an image classifier, got \['BertForMaskedLM'"):
        source_model(f"hf:{tmp_path}")


@pytest.fixture(scope="module")
def classifier(tmp_path_factory):
    """A repository of transformers, and the classifier in it."""
    import_timm()
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("hub") / "classifier"
    config = transformers.ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1])
    config.id2label = {0: "ant", 1: "bee", 2: "cat"}
    torch.manual_seed(0)
    module = transformers.ResNetForImageClassification(config).eval()
    module.save_pretrained(folder)
    about = {"image_processor_type": "ViTFeatureExtractor", "size": 32}
    (folder / "preprocessor_config.json").write_text(json.dumps(about))
    return folder, module


def test_folder_of_a_transformers_repository_gives_its_logits(classifier):
    folder, module = classifier
    source = source_model(f"hf:{folder}")
    assert source.classes == ("ant", "bee", "cat")
    assert source.preprocessing["size"] == [32, 32]
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(source.build()(x), module(pixel_values=x).logits)


def test_classifier_with_its_classes_in_another_order_is_matched_by_name(
    classifier, pictures, tmp_path
):
    folder, _ = classifier
    config = json.loads((folder / "config.json").read_text())
    shutil.copytree(folder, tmp_path / "moved")
    config["id2label"] = {"0": "cat", "1": "ant", "2": "bee"}
    config["label2id"] = {name: int(key) for key, name in config["id2label"].items()}
    (tmp_path / "moved" / "config.json").write_text(json.dumps(config))
    report = build_pool(
        [f"a=hf:{tmp_path / 'moved'}"], data=pictures, out=tmp_path / "pool", workers=1
    )
    pool = Pool.load(tmp_path / "pool")
    assert pool.classes == ("cat", "ant", "bee")
    assert pool.label.tolist() == [1] * 4 + [2] * 4 + [0] * 4
    said = "the classes are in another order than in the model a, matched by name"
    assert report.notes == (f"the data {pictures}: {said}",)


def test_classifier_that_wants_bgr_is_fed_bgr(classifier, tmp_path):
    folder, module = classifier
    shutil.copytree(folder, tmp_path / "bgr")
    about = {"image_processor_type": "MobileViTImageProcessor", "crop_size": 200}
    (tmp_path / "bgr" / "preprocessor_config.json").write_text(json.dumps(about))
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        logits = source_model(f"hf:{tmp_path / 'bgr'}").build()(x)
        assert torch.equal(logits, module(pixel_values=x[:, [2, 1, 0]]).logits)


def test_preprocessing_of_the_user_counts_more_than_the_repositorys(classifier, tmp_path):
    (tmp_path / "mine.json").write_text('{"size": [40, 40]}')
    source = source_model(f"hf:{classifier[0]}?preprocessing={tmp_path / 'mine.json'}")
    assert source.preprocessing == {"size": [40, 40]}


@pytest.mark.parametrize("argument", ["trust_remote_code=true", "weights_only=false"])
def test_spec_cannot_make_transformers_run_code(classifier, argument):
    with pytest.raises(SourceError, match="a model of transformers takes no arguments"):
        source_model(f"hf:{classifier[0]}?{argument}")


def test_files_of_a_folder_decide_on_its_model(classifier):
    names = [path.name for path in files_of_spec(f"hf:{classifier[0]}")]
    assert names == ["config.json", "model.safetensors", "preprocessor_config.json"]
