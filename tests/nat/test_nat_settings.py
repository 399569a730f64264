from dataclasses import replace

import pytest

pytest.importorskip("torch")

from encas.errors import SearchError
from encas.nat.nat_settings import PRESETS


def test_presets_are_those_of_the_paper():
    cifar, imagenet = PRESETS["cifar10"], PRESETS["imagenet"]
    assert PRESETS["cifar100"] == cifar
    assert (cifar.iterations, cifar.archive_size, cifar.n_new) == (30, 300, 0)
    assert (cifar.evaluations, cifar.epochs, cifar.n_averaged) == (10_000, 5, 20)
    assert cifar.training.batch_size == 96
    assert cifar.training.augmentation.min_area == 0.08
    assert cifar.training.augmentation.cutmix > 0
    assert (imagenet.iterations, imagenet.archive_size, imagenet.n_new) == (15, 150, 30)
    assert (imagenet.evaluations, imagenet.epochs) == (2_000, 0)
    assert not imagenet.trains


def test_numbers_that_make_no_sense_are_all_named():
    with pytest.raises(
        SearchError, match="3 faults: iterations must be .*n_new must be .*epochs must be"
    ):
        replace(PRESETS["small"], iterations=-1, epochs=-1, n_new=-1)
    with pytest.raises(SearchError, match="n_new must be at least 1 where epochs is 0"):
        replace(PRESETS["small"], epochs=0)
    with pytest.raises(SearchError, match="proposer must be surrogate or random, got 'luck'"):
        replace(PRESETS["small"], proposer="luck")
