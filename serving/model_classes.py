"""The class names of a served model, as a server of protocol v2 tells them.

No part of the protocol lists them. An answer as classes does: "score:index:name" for each class, of
`encas serve` and of Triton, which has the names in a file beside the model.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..class_names import ClassNames
from ..data.dataset import Dataset
from ..errors import MissingExtraError
from .load_client import ClientOptions, input_tensors
from .protocol.cascade_tensors import PROBABILITIES
from .server_url import ServerUrl

try:
    from tritonclient.utils import InferenceServerException
except ImportError as error:
    raise MissingExtraError("encas client", extra="triton") from error


def served_classes(
    url: ServerUrl, options: ClientOptions, *, model: str, dataset: Dataset
) -> ClassNames | None:
    """The classes of a served model; None where the server does not tell how many there are.

    Args:
        url: of the server.
        options: the token, and who vouches for the server.
        model: its name.
        dataset: samples that the model takes; the first one is sent.
    """
    client = url.connect(options.authorities)
    try:
        n_classes = _n_classes(client.get_model_metadata(model, headers=options.headers))
        if n_classes is None:
            return None
        tensors = input_tensors(url, dataset, np.zeros(1, np.int64))
        wanted = url.library.InferRequestedOutput(PROBABILITIES, class_count=n_classes)
        answer = client.infer(model, tensors, outputs=[wanted], headers=options.headers)
        texts = [text.decode("utf-8") for text in answer.as_numpy(PROBABILITIES).ravel()]
    except InferenceServerException:
        return None
    finally:
        client.close()
    names = names_of_answer(texts)
    return ClassNames(owner=f"the model {model}", n_classes=n_classes, names=names)


def names_of_answer(texts: list[str]) -> tuple[str, ...] | None:
    """The names by label of an answer "score:index:name" that has every class; None without."""
    parts = [text.split(":", 2) for text in texts]
    if any(len(part) < 3 for part in parts):
        return None
    name_of = {int(index): name for _, index, name in parts}
    return tuple(name_of[i] for i in sorted(name_of))


def _n_classes(metadata: Any) -> int | None:
    if isinstance(metadata, dict):
        shapes = {one["name"]: one["shape"] for one in metadata.get("outputs", ())}
    else:
        shapes = {one.name: list(one.shape) for one in metadata.outputs}
    shape = [int(size) for size in shapes.get(PROBABILITIES, ())]
    return shape[-1] if shape and shape[-1] > 0 else None
