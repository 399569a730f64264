from types import SimpleNamespace

import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")

from torch import nn  # noqa: E402

from encas.pools.models.transformers_models import Logits, transformers_model  # noqa: E402

pytestmark = pytest.mark.torch


class Echo(nn.Module):
    """Answers as classifiers of transformers do, with what it was fed."""

    def forward(self, pixel_values):
        return SimpleNamespace(logits=pixel_values.mean(dim=(2, 3)), loss=None)


@pytest.mark.parametrize(("is_bgr", "order"), [(False, [0, 1, 2]), (True, [2, 1, 0])])
def test_logits_are_those_of_the_channels_that_the_classifier_wants(is_bgr, order):
    x = torch.arange(24.0).reshape(2, 3, 2, 2)
    module = Logits(Echo(), is_bgr=is_bgr)
    assert torch.equal(module(x), x.mean(dim=(2, 3))[:, order])


def test_model_of_a_folder_without_one_is_refused(tmp_path):
    (tmp_path / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="model_type"):
        transformers_model(str(tmp_path), None, is_bgr=False)
