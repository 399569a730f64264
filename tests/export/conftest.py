"""Small torch networks on the digits, as sources of members, with their stored outputs."""

from pathlib import Path

import numpy as np
import pytest

from encas.cascade import Cascade, softmax
from encas.data.dataset import Dataset
from encas.data.open_data import open_data
from encas.export.member_views import Member
from encas.export.proofs import Evidence
from encas.pools.models.specs import source_model

NETS = {
    "linear": "family=dense&width=0&depth=0&size=4",
    "wide": "family=dense&width=16&depth=1&size=8",
    "conv": "family=convolution&width=4&depth=2&size=8",
}


@pytest.fixture(scope="session")
def weights(tmp_path_factory) -> Path:
    """A folder with the weights NAME.pt of each network: random, and sharper than at the start."""
    import torch  # noqa: PLC0415

    folder = tmp_path_factory.mktemp("weights")
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(3)
        for name, query in NETS.items():
            module = source_model(f"torch:encas.demo.digit_networks:network?{query}").build()
            last = list(module.parameters())[-2]
            last.mul_(6)
            torch.save(module.state_dict(), folder / f"{name}.pt")
    return folder


@pytest.fixture(scope="session")
def members(weights) -> list[Member]:
    return [
        Member(
            name=name,
            source=source_model(
                f"torch:encas.demo.digit_networks:network?{query}&input_shape=1x8x8"
                f"&weights={weights / name}.pt"
            ),
            macs=100.0 * 10**place,
            temperature=2.0 if name == "wide" else 1.0,
        )
        for place, (name, query) in enumerate(NETS.items())
    ]


@pytest.fixture(scope="session")
def digits() -> Dataset:
    return open_data("digits:selection")


@pytest.fixture(scope="session")
def stored(members, digits) -> list[np.ndarray]:
    """The members' probabilities on the data, computed by torch."""
    import torch  # noqa: PLC0415

    x = torch.from_numpy(digits.samples(np.arange(digits.n_samples)))
    logits = [member.source.build()(x).numpy() for member in members]
    return [
        softmax(raw / np.float32(member.temperature))
        for raw, member in zip(logits, members, strict=True)
    ]


@pytest.fixture(scope="session")
def cascade(members, stored) -> Cascade:
    """Thresholds at quantiles of the confidence, so that every stage has its share."""
    first = float(np.quantile(stored[0].max(axis=1), 0.6))
    both = (stored[0] + stored[1]) / np.float32(2)
    second = float(np.quantile(both.max(axis=1), 0.6))
    return Cascade(members=tuple(m.name for m in members), thresholds=(first, second))


@pytest.fixture
def evidence(digits, stored) -> Evidence:
    return Evidence(
        dataset=digits,
        label=digits.label,
        outputs=lambda j, rows: stored[j][rows],
        against="the stored outputs",
    )
