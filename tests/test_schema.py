import copy
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from encas.errors import EncasError, PoolError
from encas.schema import MAX_FAULTS, check, load_schema

NAMES = ("front", "manifest", "pool", "preprocessing", "profile")
FOLDER = Path(__file__).parent.parent / "schemas"
ALL_NAMES = sorted(path.name.removesuffix(".schema.json") for path in FOLDER.glob("*.json"))
STRICT_INTEGERS = jsonschema.Draft202012Validator.TYPE_CHECKER.redefine(
    "integer", lambda _checker, value: isinstance(value, int) and not isinstance(value, bool)
)
Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator, type_checker=STRICT_INTEGERS
)
HASH = "0" * 64

SETTING = {
    "device": "cpu",
    "device_name": "x",
    "provider": "CPUExecutionProvider",
    "n_threads": 2,
    "versions": {"onnxruntime": "1.32.0"},
}
TIMING = {
    "name": "a",
    "sha256": HASH,
    "batch_size": 1,
    "p50_ms": 1.0,
    "p90_ms": 1.5,
    "p99_ms": 2.0,
    "samples_ms": [1.0, 1.5],
}
FILE = {"file": "x.onnx", "sha256": HASH, "bytes": 12}
DOCUMENTS = {
    "front": {
        "format": "encas.front",
        "version": 1,
        "pool": {"name": "p", "sha256": HASH, "n_samples": 10, "n_classes": 3},
        "search": {"algorithm": "mo-gomea"},
        "objectives": ["error", "macs"],
        "cascades": [
            {
                "members": ["a", "b"],
                "thresholds": [0.5],
                "error": 0.1,
                "cost": 3.0,
                "reach": [1.0, 0.5],
            }
        ],
    },
    "manifest": {
        "format": "encas.bundle",
        "version": 1,
        "name": "b",
        "input": {"dtype": "float32", "shape": [3, 32, 32]},
        "n_classes": 3,
        "members": [
            {
                **FILE,
                "name": "a",
                "input": "input",
                "output": "probabilities",
                "macs": 3.0,
                "params": None,
                "external": [FILE],
            }
        ],
        "stages": [{"member": "a", "threshold": None}],
        "confidence": "margin",
        "combine": "mean",
        "preprocessing": {"size": [32, 32], "mean": [0.5], "std": [0.5], "layout": "nhwc"},
        "classes": ["x", "y", "z"],
        "splits": {"search": 10},
        "expected": [
            {
                "split": "search",
                "n_samples": 10,
                "accuracy": 0.9,
                "interval": [0.6, 0.98],
                "cost": 3.0,
                "objective": "macs",
                "reach": [1.0],
            }
        ],
        "latencies": [
            {
                "setting": SETTING,
                "timing": TIMING,
                "mean_ms": 1.1,
                "predicted_ms": None,
                "reach": [1.0],
                "data": "random",
            }
        ],
        "numerics": [
            {
                "name": "a",
                "max_difference": 1e-7,
                "tolerance": 1e-5,
                "n_samples": 5,
                "n_top1_flips": 0,
                "batch_sizes": [1, 3, 8],
                "on_data": True,
            }
        ],
        "proof": [
            {
                "subject": "executor",
                "against": "pool",
                "n_samples": 10,
                "margin": 1e-6,
                "flips": [
                    {
                        "sample": 3,
                        "stage": 1,
                        "expected_stage": 2,
                        "label": 0,
                        "expected_label": 0,
                        "margin": 1e-7,
                    }
                ],
            }
        ],
        "provenance": {"torch": "2.13.0"},
        "graph": FILE,
        "reference": None,
    },
    "pool": {
        "format": "encas.pool",
        "version": 1,
        "name": "p",
        "n_samples": 10,
        "n_classes": 3,
        "sha256": HASH,
        "label": {"file": "label.npy", "sha256": HASH},
        "models": [
            {
                "name": "a",
                "file": "outputs/a.npy",
                "sha256": HASH,
                "kind": "logits",
                "dtype": "float16",
                "costs": {"macs": 3},
            }
        ],
    },
    "preprocessing": {"size": [224, 224], "crop": 0.875, "interpolation": "bicubic"},
    "profile": {
        "format": "encas.profile",
        "version": 1,
        "setting": SETTING,
        "gate_ms": 0.0,
        "timings": [TIMING],
    },
}
JUNK = (None, True, False, 0, 1, -1, 1.0, 0.5, 1e300, "", "x", "../x", HASH, [], {}, [1], ["a"])


def is_accepted(value: object, name: str) -> bool:
    try:
        check(value, name, error=EncasError, where="x")
    except EncasError:
        return False
    return True


def places(value: object, path: tuple = ()) -> list[tuple]:
    """The paths of everything in a JSON value."""
    items = value.items() if isinstance(value, dict) else []
    items = enumerate(value) if isinstance(value, list) else items
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


def with_value(document: object, path: tuple, value: object) -> object:
    if not path:
        return value
    changed = copy.deepcopy(document)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    parent[path[-1]] = value
    return changed


def without(document: object, path: tuple) -> object:
    changed = copy.deepcopy(document)
    parent = changed
    for key in path[:-1]:
        parent = parent[key]
    del parent[path[-1]]
    return changed


@pytest.mark.parametrize("name", ALL_NAMES)
def test_schema_is_valid(name):
    jsonschema.Draft202012Validator.check_schema(load_schema(name))
    assert load_schema(name)["$id"] == f"urn:encas:{name}:1"


@pytest.mark.parametrize("name", ALL_NAMES)
def test_schema_uses_only_what_the_checker_knows(name):
    known = {
        "$schema", "$id", "$ref", "$defs", "title", "description", "type", "required",
        "properties", "items",
        "additionalProperties", "enum", "const", "pattern", "minLength", "maxLength", "minimum",
        "maximum", "exclusiveMinimum", "minItems", "maxItems",
    }  # fmt: skip

    def keywords(schema: object) -> set[str]:
        if not isinstance(schema, dict):
            return set()
        found = set(schema)
        for key in ("properties", "$defs"):
            for below in schema.get(key, {}).values():
                found |= keywords(below)
        return found | keywords(schema.get("items")) | keywords(schema.get("additionalProperties"))

    assert keywords(load_schema(name)) <= known


@pytest.mark.parametrize("name", NAMES)
def test_check_of_a_good_document_passes(name):
    check(DOCUMENTS[name], name, error=EncasError, where="x")
    jsonschema.validate(DOCUMENTS[name], load_schema(name))


@pytest.mark.parametrize("name", NAMES)
def test_check_of_every_single_change_agrees_with_jsonschema(name):
    document = DOCUMENTS[name]
    validator = Validator(load_schema(name))
    changes = [with_value(document, path, junk) for path in places(document) for junk in JUNK]
    changes += [without(document, path) for path in places(document) if path]
    changes += [
        with_value(document, (*path, "unknown"), 1)
        for path in places(document)
        if isinstance(_at(document, path), dict)
    ]
    verdicts = [validator.is_valid(change) for change in changes]
    assert [is_accepted(change, name) for change in changes] == verdicts
    assert not all(verdicts)


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(data=st.data(), name=st.sampled_from(NAMES))
def test_check_of_random_changes_agrees_with_jsonschema(data, name):
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=4,
    )
    document = DOCUMENTS[name]
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(places(document)))
        document = with_value(document, path, data.draw(values))
    validator = Validator(load_schema(name))
    assert is_accepted(document, name) == validator.is_valid(document)


def test_check_names_all_faults_in_one_error():
    document = with_value(DOCUMENTS["pool"], ("n_samples",), 0)
    document = without(document, ("models", 0, "kind"))
    document["extra"] = 1
    with pytest.raises(PoolError) as caught:
        check(document, "pool", error=PoolError, where="pool.json")
    assert set(caught.value.faults) == {
        "n_samples must be at least 1, got 0",
        "models[0] lacks the key 'kind'",
        "the document has the unknown key 'extra'",
    }
    assert caught.value.where == "pool.json"


def test_check_stops_at_a_number_of_faults():
    document = with_value(DOCUMENTS["front"], ("cascades",), [{}] * 100)
    with pytest.raises(PoolError) as caught:
        check(document, "front", error=PoolError, where="x")
    assert len(caught.value.faults) == MAX_FAULTS


def test_manifest_has_the_schemas_of_preprocessing_and_profile():
    manifest, profile = load_schema("manifest")["$defs"], load_schema("profile")["$defs"]
    preprocessing = load_schema("preprocessing")
    assert manifest["preprocessing"]["properties"] == preprocessing["properties"]
    assert {key: manifest[key] for key in ("setting", "timing")} == {
        key: profile[key] for key in ("setting", "timing")
    }


def test_documents_are_plain_json():
    assert json.loads(json.dumps(DOCUMENTS)) == DOCUMENTS


def _at(document, path):
    for key in path:
        document = document[key]
    return document
