"""timm models: names, preprocessing, costs without weights."""

import pytest

pytest.importorskip("torch")

from encas.data.preprocessing import Preprocessing
from encas.errors import SourceError
from encas.pools.models.specs import source_model
from encas.pools.models.timm_models import (
    architecture_costs,
    imagenet_synsets,
    import_timm,
    timm_names,
    timm_preprocessing,
)

pytestmark = pytest.mark.torch


@pytest.fixture(scope="module", autouse=True)
def timm():
    pytest.importorskip("torchvision.version", exc_type=ImportError)
    return import_timm()


def test_unknown_name_is_refused_with_close_ones():
    with pytest.raises(SourceError, match="timm has no model 'resnet17'; did you mean .*resnet18"):
        source_model("resnet17")


def test_random_weights_are_the_same_every_time():
    source = source_model("timm:test_resnet?pretrained=false")
    first, second = (source.build().state_dict() for _ in range(2))
    assert all((first[key] == second[key]).all() for key in first)


def test_preprocessing_is_that_of_the_validation_by_default():
    assert timm_preprocessing("resnet50.a1_in1k", where="")["size"] == [288, 288]
    train = timm_preprocessing("resnet50.a1_in1k", resolution="train", where="")
    assert (train["size"], train["crop"]) == ([224, 224], 0.95)


def test_preprocessing_at_another_resolution_is_refused():
    with pytest.raises(SourceError, match="resolution must be test or train, got 'best'"):
        source_model("timm:resnet18?resolution=best")


def test_preprocessing_of_squashed_images_is_understood():
    squashed = Preprocessing.of(timm_preprocessing("dm_nfnet_f0.dm_in1k", where=""))
    assert squashed.squash
    assert squashed.resized((300, 500)) == (284, 284)


def test_preprocessing_that_cannot_be_written_down_is_refused():
    name = "deepseek_vit_412m.deepseek_v4_flash_vision_exp"
    if not import_timm().is_model(name.partition(".")[0]):
        pytest.skip("this timm has no model with a border")
    with pytest.raises(SourceError, match="crop mode 'border'"):
        timm_preprocessing(name, where="")


def test_names_with_a_dot_are_matched_with_their_tags():
    names = timm_names("resnet18.*", is_pretrained=True, has_tags=False)
    assert "resnet18.a1_in1k" in names
    assert all(name.startswith("resnet18.") for name in names)


def test_names_without_a_dot_come_once_each():
    names = timm_names("resnet1*", is_pretrained=True, has_tags=False)
    architectures = [name.partition(".")[0] for name in names]
    assert len(set(architectures)) == len(architectures) > 5


def test_names_that_nothing_matches_are_refused():
    with pytest.raises(SourceError, match="no timm model matches"):
        timm_names("nothing*", is_pretrained=False, has_tags=False)


def test_costs_without_weights_are_the_known_ones():
    costs = architecture_costs("resnet18", {}, (224, 224), where="")
    assert costs["macs"] == 1_814_073_344
    assert costs["params"] == 11_689_512


def test_imagenet_synsets_are_the_sorted_thousand():
    synsets = imagenet_synsets()
    assert len(synsets) == 1000
    assert synsets[0] == "n01440764"
    assert list(synsets) == sorted(synsets)
