import jsonschema
import pytest
from small_service import small_face

from encas.entries import InputEntry
from encas.serving.http.answers import STATUS
from encas.serving.http.app import http_app
from encas.serving.http.infer import is_infer_path
from encas.serving.http.openapi import openapi_document
from encas.serving.protocol.parameters import MAX_RANK, MAX_TENSORS
from encas.version import __version__

INPUTS = tuple(
    InputEntry(name=name, dtype="float32", shape=(size,))
    for name, size in (("input", 3), ("input_2", 5))
)


def calls():
    for path, methods in openapi_document()["paths"].items():
        yield from ((path, method, call) for method, call in methods.items())


def test_openapi_document_names_every_path():
    document = openapi_document()
    routes = {route.path for route in http_app(None, None).routes}
    memory = {p.replace("{kind}", kind) for p in routes for kind in ("system", "cuda")}
    inference = {path for path in document["paths"] if is_infer_path(path)}
    assert len(inference) == 2
    assert set(document["paths"]) - inference == {p for p in memory if "{kind}" not in p}
    assert document["openapi"].startswith("3.1")


def test_openapi_document_names_the_methods_of_every_path():
    allowed = {
        route.path: {method.lower() for method in route.methods} - {"head"}
        for route in http_app(None, None).routes
    }
    for path, methods in openapi_document()["paths"].items():
        route = path.replace("/system", "/{kind}").replace("/cuda", "/{kind}")
        assert set(methods) == ({"post"} if is_infer_path(path) else allowed[route]), path


def test_openapi_document_names_every_error_that_a_path_can_give():
    # No path of the document refuses its own method.
    wanted = {"200", *(str(status) for status in STATUS.values())} - {"405"}
    assert [path for path, _, call in calls() if set(call["responses"]) != wanted] == []


def test_openapi_document_explains_every_name_in_a_path():
    for path, _, call in calls():
        named = [value["name"] for value in call.get("parameters", [])]
        assert named == [part[1:-1] for part in path.split("/") if part.startswith("{")], path


def test_openapi_document_says_the_limits_and_the_version():
    document = openapi_document()
    inputs = document["components"]["schemas"]["Request"]["properties"]["inputs"]
    assert inputs["items"]["properties"]["shape"]["maxItems"] == MAX_RANK
    assert (inputs["minItems"], inputs["maxItems"]) == (1, MAX_TENSORS)
    assert document["info"]["version"] == __version__
    assert document["security"] == [{}, {"token": []}]


def test_openapi_document_has_every_input_of_a_model_and_of_a_request():
    document = openapi_document()
    for path in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        answer = document["paths"][path]["get"]["responses"]["200"]
        schema = answer["content"]["application/json"]["schema"]
        jsonschema.validate(small_face(inputs=INPUTS).metadata(), schema)
    tensors = [{"name": e.name, "datatype": "FP32", "shape": [1, *e.shape]} for e in INPUTS]
    schemas = document["components"]["schemas"]
    jsonschema.validate({"inputs": tensors}, schemas["Request"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"inputs": []}, schemas["Request"])
    assert (
        "Every input of the model once"
        in (schemas["Request"]["properties"]["inputs"]["description"])
    )
