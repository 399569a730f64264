"""Image classifiers that the library transformers builds."""

from __future__ import annotations

from typing import Any

from ...errors import MissingExtraError
from .torch_models import nn

try:
    from transformers import AutoModelForImageClassification
except ImportError as error:
    raise MissingExtraError("image classifiers of transformers", extra="hub") from error


class Logits(nn.Module):
    """A classifier of transformers that takes RGB and returns its logits alone.

    Args:
        classifier: the model.
        is_bgr: it wants the channels in the order blue, green, red.
    """

    def __init__(self, classifier: nn.Module, *, is_bgr: bool) -> None:
        super().__init__()
        self.classifier = classifier
        self.is_bgr = is_bgr

    def forward(self, x: Any) -> Any:
        """Logits [n, n_classes] of samples [n, 3, H, W]."""
        return self.classifier(pixel_values=x.flip(1) if self.is_bgr else x).logits


def transformers_model(place: str, revision: str | None, *, is_bgr: bool) -> nn.Module:
    """The classifier of a repository or a folder, without any code of its author."""
    classifier: Any = AutoModelForImageClassification.from_pretrained(
        place, revision=revision, trust_remote_code=False, weights_only=True
    )
    return Logits(classifier, is_bgr=is_bgr)
