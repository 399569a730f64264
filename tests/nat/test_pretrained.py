import json

import pytest

pytest.importorskip("torch")

import torch

from encas.errors import SourceError
from encas.nat.pretrained import PUBLISHED, load_checkpoint, make_supernet, where_published

OFA = ("ofa-mbv3-w1.2", "ofa-proxyless-w1.3")


@pytest.fixture(scope="module")
def attentive_state(shared_data):
    """Random tensors of the names and shapes that the authors' checkpoints have."""
    shapes = json.loads((shared_data / "nas" / "attentive_nas_state_dict.json").read_text())
    generator = torch.Generator().manual_seed(0)
    return {
        name: torch.rand(shape, generator=generator) if shape else torch.tensor(3)
        for name, shape in shapes.items()
    }


def test_published_names_and_shapes_load_strictly(attentive_state, tmp_path):
    path = tmp_path / PUBLISHED["alphanet"].file
    torch.save({"state_dict": attentive_state}, path)
    supernet = make_supernet("alphanet", n_classes=1000)
    load_checkpoint(supernet, path)
    loaded = supernet.module.state_dict()
    n_published = sum("bn_tracking" not in key for key in attentive_state)
    assert len(loaded) == n_published
    given = attentive_state["blocks.7.mobile_inverted_conv.depth_conv.se.fc.reduce.weight"]
    assert torch.equal(loaded["blocks.7.squeeze.reduce.weight"], given)
    given = attentive_state["last_conv.feature_mix_layer.conv.conv.weight"]
    assert torch.equal(loaded["features.weight"], given)


def test_statistics_that_belong_to_nothing_are_refused(attentive_state, tmp_path):
    path = tmp_path / "weights.pth"
    extra = {"blocks.99.bn.bn_tracking.0.running_mean": torch.zeros(3)}
    torch.save({"state_dict": attentive_state | extra}, path)
    with pytest.raises(SourceError, match=r"bn_tracking\.0\.running_mean \[3\] belongs to nothing"):
        load_checkpoint(make_supernet("alphanet", n_classes=1000), path)


@pytest.mark.parametrize("name", OFA)
def test_both_spellings_of_ofa_load_and_the_old_head_is_left_out(name, tmp_path):
    published = make_supernet(name, n_classes=1000, seed=1).module.state_dict()
    old = {
        key.replace(".conv.inverted", ".mobile_inverted_conv.inverted").replace(
            ".bn.bn.", ".bn."
        ): t
        for key, t in published.items()
    }
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": old}, path)
    supernet = make_supernet(name, n_classes=10, seed=2)
    head = supernet.module.state_dict()["classifier.linear.weight"].clone()
    load_checkpoint(supernet, path)
    loaded = supernet.module.state_dict()
    assert torch.equal(loaded["classifier.linear.weight"], head)
    assert all(torch.equal(loaded[k], published[k]) for k in published if "classifier" not in k)


@pytest.mark.parametrize("name", PUBLISHED)
def test_weights_are_said_to_be_where_the_authors_publish_them(name):
    told = where_published(name)
    assert f"{PUBLISHED[name].file} at https://" in told
    assert told.endswith("give its path as --checkpoint")


def test_missing_file_says_where_weights_are_to_be_had(tmp_path):
    supernet = make_supernet("small-fused", n_classes=10, size=8)
    with pytest.raises(SourceError, match="no such file; small-fused has no published weights"):
        load_checkpoint(supernet, tmp_path / "absent.pth")


def test_foreign_tensors_are_named(tmp_path):
    supernet = make_supernet("small-mobile", n_classes=3, size=8)
    state = dict(supernet.module.state_dict())
    state["stem.conv.weight"] = torch.zeros(2, 2)
    state["other"] = state.pop("classifier.bias")
    torch.save(state, tmp_path / "weights.pt")
    words = (
        r"classifier.bias is missing; other is unknown; stem.conv.weight: expected .* got \[2, 2\]"
    )
    with pytest.raises(SourceError, match=words):
        load_checkpoint(supernet, tmp_path / "weights.pt")
