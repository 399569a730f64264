import dataclasses

import pytest

from encas.export.bundle_options import (
    DEFAULT_DESCRIPTION,
    DEFAULT_OPTIONS,
    BundleDescription,
    BundleOptions,
)
from encas.export.onnx_model import INLINE_LIMIT


def test_bundle_is_made_the_safe_way_unless_told():
    assert (
        BundleOptions(
            exporter="dynamo", graph="branches", inline_limit=INLINE_LIMIT, overwrite=False
        )
        == DEFAULT_OPTIONS
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULT_OPTIONS.overwrite = True


def test_bundle_tells_nothing_unless_told_and_shares_nothing():
    one, other = BundleDescription(), DEFAULT_DESCRIPTION
    assert one == other
    assert (one.name, one.expected, one.classes, one.splits, one.provenance) == (
        "cascade",
        (),
        None,
        {},
        {},
    )
    assert one.splits is not other.splits
