import pytest

from encas.serving.protocol.parameters import region_of, text_of, whole_of
from encas.serving.protocol.protocol import Refusal, RegionSlice


def test_values_of_the_right_type_are_given_back():
    assert (text_of("", "it"), text_of("a", "it")) == ("", "a")
    assert (whole_of(0, "it"), whole_of(2**63, "it")) == (0, 2**63)


@pytest.mark.parametrize("value", [None, 1, b"a", ["a"], True])
def test_text_that_is_none_is_refused(value):
    with pytest.raises(Refusal, match=r"^its name must be a string$") as refused:
        text_of(value, "its name")
    assert refused.value.kind == "invalid"


@pytest.mark.parametrize("value", [True, False, -1, 1.0, "1", None, [1]])
def test_whole_number_that_is_none_is_refused(value):
    with pytest.raises(Refusal, match="^its size must be a whole number of at least") as refused:
        whole_of(value, "its size")
    assert refused.value.kind == "invalid"


def test_region_is_where_the_parameters_say():
    values = {"shared_memory_region": "r", "shared_memory_byte_size": 8}
    assert region_of({"shared_memory_byte_size": 8}, "it") is None
    assert region_of(values, "it") == RegionSlice(region="r", byte_size=8, offset=0)
    offset = {**values, "shared_memory_offset": 3}
    assert region_of(offset, "it") == RegionSlice(region="r", byte_size=8, offset=3)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"shared_memory_region": True}, "shared_memory_region of it must be a string"),
        ({"shared_memory_byte_size": None}, "shared_memory_byte_size of it must be a whole"),
        ({"shared_memory_byte_size": True}, "shared_memory_byte_size of it must be a whole"),
        ({"shared_memory_offset": -1}, "^offset of it must be a whole number of at least 0"),
        ({"shared_memory_offset": "0"}, "^offset of it must be a whole number of at least 0"),
    ],
)
def test_region_of_other_types_is_refused(change, fault):
    values = {"shared_memory_region": "r", "shared_memory_byte_size": 8, **change}
    with pytest.raises(Refusal, match=fault):
        region_of(values, "it")
