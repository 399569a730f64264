import pytest
from google.protobuf import text_format
from hypothesis import given
from hypothesis import strategies as st
from tritonclient.grpc import model_config_pb2

from encas.errors import ServingError
from encas.serving.protocol.model_config import (
    FP32,
    KIND_GPU,
    Ensemble,
    InstanceGroup,
    Keyword,
    ModelConfig,
    Reshape,
    Step,
    StringValue,
    TensorConfig,
    VersionPolicy,
    Warmup,
    WarmupInput,
)
from encas.serving.protocol.model_config_text import (
    message_of,
    overridden_thresholds,
    parsed_text,
    thresholds_of,
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


def test_json_and_text_mean_the_same():
    step = Step(model_name="a", input_map={"x": "y"}, output_map={"z": "w"})
    config = config_of(platform="ensemble", ensemble_scheduling=Ensemble(step=(step,)))
    assert message_of(config).ensemble_scheduling.step[0].input_map["x"] == "y"
    assert config.to_json()["ensemble_scheduling"]["step"][0]["model_version"] == -1


def test_keyword_that_triton_does_not_know_is_refused():
    wrong = config_of(input=(TensorConfig(name="x", data_type=Keyword("TYPE_FP31"), dims=(1,)),))
    with pytest.raises(ServingError, match="config.pbtxt of m: not a Triton model configuration"):
        message_of(wrong)


def test_text_that_is_no_configuration_is_refused():
    with pytest.raises(ServingError, match="here: not a Triton model configuration"):
        parsed_text("name: {", where="here")


@pytest.mark.parametrize(
    ("override", "thresholds"),
    [
        ("{}", None),
        ('{"parameters": {"thresholds": {"string_value": "0.5,1"}}}', (0.5, 1.0)),
        ('{"name": "m", "max_batch_size": 4}', None),
    ],
)
def test_override_may_name_thresholds(override, thresholds):
    config = config_of(parameters={"thresholds": StringValue(string_value="0.1,0.2")})
    assert overridden_thresholds(config, override) == thresholds


@pytest.mark.parametrize(
    ("override", "fault"),
    [
        ("nonsense", "not a model configuration"),
        ('{"name": "other"}', "only the thresholds can be changed, not name"),
        ('{"max_batch_size": 5}', "not max_batch_size"),
        ('{"parameters": {"members": {"string_value": "x"}}}', "not parameters"),
        ('{"parameters": {"thresholds": {"string_value": "x"}}}', "numbers between commas"),
    ],
)
def test_override_of_anything_else_is_refused(override, fault):
    with pytest.raises(ServingError, match=fault):
        overridden_thresholds(config_of(), override)


def test_thresholds_may_be_none():
    assert thresholds_of("") == ()
    assert thresholds_of(" 0.5, 1 ,") == (0.5, 1.0)
