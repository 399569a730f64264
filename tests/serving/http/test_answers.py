import json

import pytest

from encas.serving.http.answers import error_response, json_response, refusal_response
from encas.serving.protocol.protocol import Refusal


@pytest.mark.parametrize(
    ("kind", "status", "further"),
    [
        ("invalid", 400, {}),
        ("unauthenticated", 401, {"www-authenticate": "Bearer"}),
        ("not_found", 404, {}),
        ("not_allowed", 405, {"allow": "POST"}),
        ("too_slow", 408, {"connection": "close"}),
        ("too_large", 413, {"connection": "close"}),
        ("exhausted", 429, {"retry-after": "1"}),
        ("internal", 500, {}),
        ("unsupported", 501, {}),
        ("unavailable", 503, {"retry-after": "1"}),
        ("expired", 504, {}),
    ],
)
def test_refusal_has_its_status_its_headers_and_the_protocols_error(kind, status, further):
    response = refusal_response(Refusal(kind, 'it says "no"'))
    assert (response.status_code, json.loads(response.body)) == (status, {"error": 'it says "no"'})
    headers = dict(response.headers)
    assert headers.pop("content-length") == str(len(response.body))
    assert headers.pop("content-type") == "application/json"
    assert headers == further


def test_error_may_bring_headers():
    response = error_response(405, "Method Not Allowed", {"Allow": "GET"})
    assert (response.status_code, response.headers["allow"]) == (405, "GET")


def test_json_is_written_without_spaces():
    response = json_response({"a": [1, "\u00e4"], "b": None})
    assert (response.status_code, response.media_type) == (200, "application/json")
    assert response.body == b'{"a":[1,"\\u00e4"],"b":null}'


def test_json_has_no_word_for_what_is_no_number():
    with pytest.raises(ValueError, match="not JSON compliant"):
        json_response(float("nan"))
