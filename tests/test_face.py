import pytest

import encas


@pytest.mark.parametrize("name", encas.__all__)
def test_every_public_name_is_there(name):
    assert getattr(encas, name) is not None


def test_public_names_are_sorted_and_complete():
    assert encas.__all__ == sorted(encas.__all__)
    assert set(encas.__all__) == set(encas._MODULES)


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'cascades'"):
        _ = encas.cascades
