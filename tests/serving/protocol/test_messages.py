from encas.serving.protocol.messages import config_pb, json_format, pb, text_format


def test_messages_are_those_that_tritonclient_sends_and_triton_reads():
    request = pb.ModelInferRequest(model_name="m", inputs=[{"name": "x", "shape": [2, 8]}])
    assert pb.ModelInferRequest.FromString(request.SerializeToString()) == request
    assert request.DESCRIPTOR.full_name == "inference.ModelInferRequest"
    config = text_format.Parse('name: "m" max_batch_size: 4', config_pb.ModelConfig())
    assert json_format.MessageToDict(config) == {"name": "m", "maxBatchSize": 4}
    assert pb.ModelConfigResponse(config=config).config.name == "m"
