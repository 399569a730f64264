from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2

from encas.serving.protocol.model_config import (
    FP32,
    KIND_GPU,
    InstanceGroup,
    ModelConfig,
    Reshape,
    StringValue,
    TensorConfig,
    VersionPolicy,
    Warmup,
    WarmupInput,
)
from encas.serving.protocol.model_config_text import (
    message_of,
)

TENSOR = TensorConfig(name="input", data_type=FP32, dims=(3, 2))


def config_of(**values):
    return ModelConfig(**{"name": "m", "max_batch_size": 4, "input": (), "output": (), **values})


def read_back(config):
    return text_format.Parse(config.to_pbtxt(), model_config_pb2.ModelConfig())


def test_text_is_what_triton_reads():
    message = read_back(
        config_of(
            input=(TENSOR,),
            output=(TensorConfig(name="y", data_type=FP32, dims=(1,), reshape=Reshape(shape=())),),
            instance_group=(InstanceGroup(kind=KIND_GPU, count=2, gpus=(0, 1)),),
            parameters={"thresholds": StringValue(string_value="0.5")},
            model_warmup=(
                Warmup(
                    name="w",
                    batch_size=2,
                    inputs={"input": WarmupInput(data_type=FP32, dims=(3, 2), zero_data=True)},
                ),
            ),
        )
    )
    assert list(message.input[0].dims) == [3, 2]
    assert message.output[0].HasField("reshape")
    assert list(message.output[0].reshape.shape) == []
    assert list(message.instance_group[0].gpus) == [0, 1]
    assert message.parameters["thresholds"].string_value == "0.5"
    assert message.model_warmup[0].inputs["input"].zero_data is True
    assert message.version_policy.latest.num_versions == VersionPolicy().latest.num_versions


@given(st.text(), st.text())
def test_any_text_survives_the_way_there_and_back(key, text):
    try:
        (key + text).encode()
    except UnicodeEncodeError:
        return  # lone surrogates are no text to protobuf either
    message = message_of(config_of(parameters={key: StringValue(string_value=text)}))
    assert {k: v.string_value for k, v in message.parameters.items()} == {key: text}
