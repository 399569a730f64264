import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper

from encas.errors import SessionError
from encas.runtime.onnx_file import external_files


def outside(name: str, location: str) -> TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=[2])
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return tensor


def model_with(**parts) -> bytes:
    graph = helper.make_graph(parts.pop("node", []), "g", [], [], parts.pop("initializer", []))
    model = helper.make_model(graph)
    for key, value in parts.items():
        getattr(model, key).extend(value)
    return model.SerializeToString()


def test_external_files_of_a_plain_model_are_none(model):
    assert external_files(model(0).SerializeToString()) == ()
    assert external_files(b"") == ()


def test_external_files_are_found_in_every_corner():
    subgraph = helper.make_graph([], "s", [], [], [outside("a", "if.bin")])
    sparse = onnx.SparseTensorProto(values=outside("v", "sparse.bin"), dims=[2])
    nodes = [
        helper.make_node("Constant", [], ["c"], value=outside("t", "constant.bin")),
        helper.make_node("If", ["x"], ["y"], then_branch=subgraph),
    ]
    nodes[0].attribute.append(onnx.AttributeProto(name="l", tensors=[outside("l", "list.bin")]))
    nodes[0].attribute.append(onnx.AttributeProto(name="g", graphs=[subgraph]))
    nodes[0].attribute.append(onnx.AttributeProto(name="s", sparse_tensor=sparse))
    function = onnx.FunctionProto(
        name="f", node=[helper.make_node("Constant", [], ["d"], value=outside("u", "body.bin"))]
    )
    function.attribute_proto.append(onnx.AttributeProto(name="d", t=outside("w", "default.bin")))
    training = onnx.TrainingInfoProto(
        algorithm=helper.make_graph([], "t", [], [], [outside("t", "training.bin")])
    )
    content = model_with(
        node=nodes,
        initializer=[outside("w", "weights.bin")],
        functions=[function],
        training_info=[training],
    )
    assert external_files(content) == (
        "body.bin", "constant.bin", "default.bin", "if.bin", "list.bin", "sparse.bin",
        "training.bin", "weights.bin",
    )  # fmt: skip


def test_external_files_without_a_location_or_a_mark_are_still_external():
    nowhere = outside("a", "x")
    del nowhere.external_data[:]
    unmarked = outside("b", "hidden.bin")
    unmarked.data_location = TensorProto.DEFAULT
    assert external_files(model_with(initializer=[nowhere, unmarked])) == ("", "hidden.bin")


@pytest.mark.parametrize(
    "content",
    [b"\x3a\xff\xff\xff\xff\x0f", b"\x3a", b"\xff" * 20, b"\x3b", b"not an ONNX file at all"],
)
def test_external_files_of_something_else_are_refused(content):
    with pytest.raises(SessionError, match="truncated or not an ONNX file"):
        external_files(content)


def test_external_files_of_graphs_nested_without_end_are_refused():
    content = b""
    for _ in range(200):
        attribute = b"\x32" + _length(content) + content
        node = b"\x2a" + _length(attribute) + attribute
        content = b"\x0a" + _length(node) + node
    with pytest.raises(SessionError, match="nested more than"):
        external_files(b"\x3a" + _length(content) + content)


@given(st.binary(max_size=200))
def test_external_files_of_any_bytes_are_files_or_an_error(content):
    try:
        files = external_files(content)
    except SessionError:
        return
    assert all(isinstance(file, str) for file in files)


@given(data=st.data())
def test_external_files_of_a_damaged_model_are_files_or_an_error(data):
    whole = bytearray(model_with(initializer=[outside("w", "weights.bin")]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        external_files(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    except SessionError:
        return


def _length(content: bytes) -> bytes:
    n, parts = len(content), []
    while n >= 0x80:
        parts.append(n & 0x7F | 0x80)
        n >>= 7
    return bytes([*parts, n])


def field(number: int, wire_type: int, content: bytes) -> bytes:
    """A field of a message; more than seven bits of a tag are not needed here."""
    return bytes([number << 3 | wire_type]) + content


def text(number: int, content: bytes) -> bytes:
    return field(number, 2, bytes([len(content)]) + content)


def model_of(tensor: bytes) -> bytes:
    return text(7, text(5, tensor))


LOCATION = text(1, b"location") + text(2, b"hidden.bin")


@pytest.mark.parametrize(
    "entry",
    [
        LOCATION + field(2, 1, b"good.bin"),  # eight bytes that readers pass over
        LOCATION + field(2, 0, b"\x01"),
        LOCATION + field(1, 5, b"abcd"),
    ],
)
def test_fields_that_readers_pass_over_are_refused(entry):
    with pytest.raises(SessionError, match="field [12] of the entry has the wrong wire type"):
        external_files(model_of(text(13, entry)))


@pytest.mark.parametrize("parts", [field(13, 1, b"good.bin"), field(13, 5, b"abcd")])
def test_external_data_of_another_wire_type_are_refused(parts):
    with pytest.raises(SessionError, match="field 13 of the tensor has the wrong wire type"):
        external_files(model_of(parts))


def test_every_location_of_a_tensor_counts():
    again = text(1, b"location") + text(2, b"good.bin")
    content = model_of(text(13, LOCATION) + text(13, again))
    assert external_files(content) == ("good.bin", "hidden.bin")


def test_tag_that_readers_cut_to_32_bits_is_refused():
    # Bit 32 and field 13: readers of 32 bits see external data.
    tag = (1 << 32) | (13 << 3) | 2
    varint = bytes([tag & 0x7F | 0x80, tag >> 7 & 0x7F | 0x80, tag >> 14 & 0x7F | 0x80,
                    tag >> 21 & 0x7F | 0x80, tag >> 28])  # fmt: skip
    content = varint + bytes([len(LOCATION)]) + LOCATION
    with pytest.raises(SessionError, match="field number"):
        external_files(model_of(content))
    with pytest.raises(SessionError, match="field number 0"):
        external_files(b"\x00\x01")
