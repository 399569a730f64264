"""The OpenAPI document of the HTTP side."""

from __future__ import annotations

from typing import Any

from ...version import __version__
from ..protocol.parameters import MAX_RANK, MAX_TENSORS

Schema = dict[str, Any]

NAME: Schema = {"type": "string", "minLength": 1, "maxLength": 128}
COUNT: Schema = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
PARAMETERS: Schema = {
    "type": "object",
    "additionalProperties": {"type": ["string", "number", "boolean"]},
}
ERROR: Schema = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
DURATION: Schema = {
    "type": "object",
    "required": ["count", "ns"],
    "properties": {"count": {"type": "integer"}, "ns": {"type": "integer"}},
}
ERRORS = {
    "400": "The request does not fit.",
    "401": "A bearer token is needed.",
    "404": "There is no such model, region or path.",
    "408": "The body came too slowly.",
    "413": "The request is too large.",
    "429": "The queue is full; try again later.",
    "500": "The server failed.",
    "501": "This server does not offer that.",
    "503": "The server is shutting down, or not ready yet.",
    "504": "The request waited longer than its timeout.",
}


def openapi_document() -> Schema:
    """OpenAPI 3.1, with every path that the server has."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "encas serve",
            "version": __version__,
            "description": "The Open Inference Protocol (v2) with Triton's extensions. Bodies of "
            "infer may carry raw tensors behind the JSON; the header "
            "Inference-Header-Content-Length then says where the JSON ends. A model has an input "
            "for each preprocessing that its members want; its metadata lists them.",
        },
        "paths": _paths(),
        "components": {
            "schemas": {"Request": _request(), "Answer": _answer(), "Error": ERROR},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
        "security": [{}, {"token": []}],
    }


def _paths() -> Schema:
    paths: Schema = {
        "/v2": {"get": _call("The server", _object(name="string", version="string"))},
        "/v2/health/live": {"get": _call("Whether the server runs")},
        "/v2/health/ready": {"get": _call("Whether requests are welcome")},
        "/v2/models/stats": {"get": _call("Counters of all models", _stats())},
        "/v2/repository/index": {
            "post": _call("The models", _index(), body=_object(ready="boolean"))
        },
        "/v2/repository/models/{model}/load": {
            "post": _call("Loads a model", body=_load(), names=("model",))
        },
        "/v2/repository/models/{model}/unload": {
            "post": _call("Unloads a model", body={"type": "object"}, names=("model",))
        },
        "/v2/trace/setting": _setting("The trace settings"),
        "/v2/models/{model}/trace/setting": _setting("The trace settings", names=("model",)),
        "/v2/logging": _setting("The log settings"),
        "/metrics": {"get": _call("For Prometheus", {"type": "string"}, media="text/plain")},
        "/openapi.json": {"get": _call("This document", {"type": "object"})},
    }
    for kind in ("system", "cuda"):
        paths |= _memory(kind)
    for place in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
        names = ("model", "version") if "version" in place else ("model",)
        paths[place] = {"get": _call("A model", _metadata(), names=names)}
        paths[f"{place}/ready"] = {"get": _call("Whether a model is ready", names=names)}
        paths[f"{place}/config"] = {
            "get": _call("A model's configuration", _object(name="string"), names=names)
        }
        paths[f"{place}/stats"] = {"get": _call("A model's counters", _stats(), names=names)}
        paths[f"{place}/infer"] = {
            "post": _call(
                "Inference",
                {"$ref": "#/components/schemas/Answer"},
                body={"$ref": "#/components/schemas/Request"},
                names=names,
            )
        }
    return paths


def _memory(kind: str) -> Schema:
    base = f"/v2/{kind}sharedmemory"
    regions: Schema = {"type": "array", "items": _object(name="string")}
    system: Schema = {
        "type": "object",
        "required": ["key", "byte_size"],
        "properties": {"key": {"type": "string"}, "offset": COUNT, "byte_size": COUNT},
    }
    body = system if kind == "system" else {"type": "object"}
    one = ("region",)
    return {
        f"{base}/status": {"get": _call("Registered regions", regions)},
        f"{base}/region/{{region}}/status": {"get": _call("A region", regions, names=one)},
        f"{base}/region/{{region}}/register": {
            "post": _call("Registers a region", body=body, names=one)
        },
        f"{base}/region/{{region}}/unregister": {"post": _call("Forgets a region", names=one)},
        f"{base}/unregister": {"post": _call("Forgets all regions")},
    }


def _setting(summary: str, names: tuple[str, ...] = ()) -> Schema:
    value: Schema = {"type": "object"}
    return {
        "get": _call(summary, value, names=names),
        "post": _call(summary, value, body=value, names=names),
    }


def _call(
    summary: str,
    answer: Schema | None = None,
    *,
    body: Schema | None = None,
    names: tuple[str, ...] = (),
    media: str = "application/json",
) -> Schema:
    success: Schema = {"description": "Done."}
    if answer is not None:
        success["content"] = {media: {"schema": answer}}
        if answer.get("$ref", "").endswith("Answer"):
            success["content"]["application/octet-stream"] = {}
    error = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    errors = {code: {"description": text, "content": error} for code, text in ERRORS.items()}
    call: Schema = {"summary": summary, "responses": {"200": success, **errors}}
    if names:
        call["parameters"] = [
            {"name": name, "in": "path", "required": True, "schema": NAME} for name in names
        ]
    if body is not None:
        content = {"application/json": {"schema": body}}
        call["requestBody"] = {"content": content, "required": "$ref" in body}
    return call


def _object(**types: str) -> Schema:
    return {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in types.items()},
    }


def _tensor(shape: Schema, **further: Schema) -> Schema:
    text: Schema = {"type": "string"}
    return {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {"name": text, "datatype": text, "shape": shape, **further},
    }


def _metadata() -> Schema:
    tensor = _tensor({"type": "array", "items": {"type": "integer", "minimum": -1}})
    tensors: Schema = {"type": "array", "items": tensor, "minItems": 1}
    return {
        "type": "object",
        "required": ["name", "inputs", "outputs"],
        "properties": {
            "name": {"type": "string"},
            "versions": {"type": "array", "items": {"type": "string"}},
            "platform": {"type": "string"},
            "inputs": tensors,
            "outputs": tensors,
        },
    }


def _load() -> Schema:
    return {"type": "object", "properties": {"parameters": _object(config="string")}}


def _index() -> Schema:
    entry = _object(name="string", version="string", state="string", reason="string")
    return {"type": "array", "items": entry | {"required": ["name", "version", "state"]}}


def _stats() -> Schema:
    names = ("success", "fail", "queue", "compute_input", "compute_infer", "compute_output")
    entry = {
        "type": "object",
        "required": ["name", "version", "inference_count", "execution_count", "inference_stats"],
        "properties": {
            "inference_stats": {
                "type": "object",
                "required": list(names),
                "properties": dict.fromkeys(names, DURATION),
            }
        },
    }
    return {
        "type": "object",
        "required": ["model_stats"],
        "properties": {"model_stats": {"type": "array", "items": entry}},
    }


def _request() -> Schema:
    shape: Schema = {"type": "array", "items": COUNT, "maxItems": MAX_RANK}
    tensor = _tensor(shape, parameters=PARAMETERS, data={"type": "array"})
    output: Schema = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": {"type": "string"}, "parameters": PARAMETERS},
    }
    return {
        "type": "object",
        "required": ["inputs"],
        "properties": {
            "id": {"type": "string"},
            "parameters": PARAMETERS,
            "inputs": {
                "type": "array",
                "items": tensor,
                "minItems": 1,
                "maxItems": MAX_TENSORS,
                "description": "Every input of the model once, in any order, all with as many "
                "samples.",
            },
            "outputs": {"type": "array", "items": output, "maxItems": MAX_TENSORS},
        },
    }


def _answer() -> Schema:
    tensor: Schema = {
        "type": "object",
        "required": ["name", "datatype", "shape"],
        "properties": {
            "name": {"type": "string"},
            "datatype": {"type": "string"},
            "shape": {"type": "array", "items": COUNT},
            "parameters": PARAMETERS,
            "data": {"type": "array"},
        },
    }
    return {
        "type": "object",
        "required": ["model_name", "model_version", "outputs"],
        "properties": {
            "model_name": {"type": "string"},
            "model_version": {"type": "string"},
            "id": {"type": "string"},
            "parameters": PARAMETERS,
            "outputs": {"type": "array", "items": tensor},
        },
    }
