"""`verify_bundle` as Python users call it; what it finds is tested with the command."""

import pytest

from encas.errors import DataError, SessionError
from encas.jobs.export_front import export_bundle
from encas.jobs.verify_bundle import verify_bundle
from encas.pools.pool_split import split_pool


@pytest.fixture
def bundle(loop, tmp_path):
    export_bundle(loop.front, loop.pool, index=1, data=loop.data, out=tmp_path / "bundle")
    return tmp_path / "bundle"


def test_verify_takes_text_and_a_pool_or_its_path(bundle, loop, held):
    for pool in (None, held, loop.pool, str(loop.pool)):
        verdict = verify_bundle(str(bundle), data=loop.data, pool=pool)
        verdict.require()
        assert (verdict.n_samples, verdict.n_known) == (60, 60)


def test_verify_on_data_that_the_pool_was_not_built_on_is_refused(bundle, loop, held):
    with pytest.raises(DataError, match="not the data that pool held belongs to: none of its 30"):
        verify_bundle(bundle, data=loop.data, pool=held.take(range(30)))


def test_verify_on_a_limit_draws_samples_and_says_of_how_many(bundle, loop, held):
    for pool in (None, held):
        verdict = verify_bundle(bundle, data=loop.data, pool=pool, limit=20)
        verdict.require()
        assert (verdict.n_samples, verdict.n_available, verdict.device) == (20, 60, "cpu")


def test_verify_on_a_device_that_is_not_there_is_refused(bundle, loop):
    with pytest.raises(SessionError, match="cuda"):
        verify_bundle(bundle, data=loop.data, device="cuda:7")


def test_verify_with_a_part_of_the_pool_takes_its_samples_of_all_the_data(bundle, loop, held):
    part = split_pool(held)["test"]
    verdict = verify_bundle(bundle, data=loop.data, pool=part)
    verdict.require()
    assert verdict.n_samples == verdict.n_known == part.n_samples
