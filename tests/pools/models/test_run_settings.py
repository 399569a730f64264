from dataclasses import FrozenInstanceError

import pytest

from encas.pools.models.run_settings import RunSettings


def test_settings_by_default_are_exact_on_one_thread_of_the_cpu():
    assert RunSettings() == RunSettings(
        device="cpu", precision="float32", n_threads=1, batch_size=None
    )


def test_settings_are_frozen():
    with pytest.raises(FrozenInstanceError):
        RunSettings().device = "cuda"  # type: ignore[misc]
