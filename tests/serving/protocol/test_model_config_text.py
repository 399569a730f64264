import pytest

from encas.errors import ServingError
from encas.serving.protocol.messages import config_pb
from encas.serving.protocol.model_config import (
    Ensemble,
    Keyword,
    ModelConfig,
    Step,
    StringValue,
    TensorConfig,
)
from encas.serving.protocol.model_config_text import (
    as_message,
    message_of,
    overridden_thresholds,
    parsed_text,
    thresholds_of,
)


def config_of(**values):
    return ModelConfig(**{"name": "m", "max_batch_size": 4, "input": (), "output": (), **values})


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


def test_override_without_thresholds_names_none_though_the_model_has_some():
    config = config_of(parameters={"thresholds": StringValue(string_value="0.1")})
    assert overridden_thresholds(config, '{"parameters": {}}') is None
    override = '{"parameters": {"thresholds": {"string_value": ""}}}'
    assert overridden_thresholds(config, override) == ()


def test_override_that_repeats_other_parameters_changes_nothing_else():
    values = {"members": StringValue(string_value="a,b")}
    override = '{"parameters": {"members": {"string_value": "a,b"}}}'
    assert overridden_thresholds(config_of(parameters=values), override) is None


def test_text_that_differs_from_its_json_form_is_refused():
    class Crooked(ModelConfig):
        def to_json(self):
            return {"name": "another"}

    with pytest.raises(ServingError, match="m: the text and the JSON form differ"):
        message_of(Crooked(name="m", max_batch_size=4, input=(), output=()))


def test_message_is_filled_from_json_values():
    message = as_message({"name": "m", "instance_group": [{"count": 2}]}, config_pb.ModelConfig())
    assert (message.name, message.instance_group[0].count) == ("m", 2)
