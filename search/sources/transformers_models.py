"""Image classifiers that the library transformers builds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ...errors import MissingExtraError
from .torch_models import nn

try:
    from transformers import (  # pyright: ignore[reportMissingImports] - an extra
        AutoModelForImageClassification,
    )
except ImportError as error:
    raise MissingExtraError("image classifiers of transformers", extra="hub") from error


class Logits(nn.Module):
    """A classifier of transformers that returns its logits alone."""

    def __init__(self, classifier: nn.Module) -> None:
        super().__init__()
        self.classifier = classifier

    def forward(self, x: Any) -> Any:
        """Logits [n, n_classes] of samples [n, 3, H, W]."""
        return self.classifier(pixel_values=x).logits


def transformers_model(target: str, arguments: Mapping[str, Any]) -> nn.Module:
    """The classifier of a repository, or of a folder like one."""
    return Logits(AutoModelForImageClassification.from_pretrained(target, **arguments))
