"""`verify_bundle` as Python users call it; what it finds is tested with the command."""

import pytest

from encas.errors import DataError
from encas.jobs.export_front import export_bundle
from encas.jobs.verify_bundle import verify_bundle


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
    with pytest.raises(DataError, match="not the data that the outputs stored in pool held"):
        verify_bundle(bundle, data=loop.data, pool=held.take(range(30)))
