import pytest

from encas.errors import ServingError
from encas.serving.server_url import ServerUrl


@pytest.mark.parametrize(
    ("text", "scheme", "address"),
    [
        ("127.0.0.1:8000", "http", "127.0.0.1:8000"),
        ("http://x:1/", "http", "x:1"),
        ("https://x:1", "https", "x:1"),
        ("grpc://[::1]:8001", "grpc", "[::1]:8001"),
        ("grpcs://x:1", "grpcs", "x:1"),
    ],
)
def test_url_is_a_scheme_and_an_address(text, scheme, address):
    assert ServerUrl.parse(text) == ServerUrl(scheme=scheme, address=address)


@pytest.mark.parametrize("text", ["ftp://x:1", "http://", "http://x:1/v2", ""])
def test_url_that_is_none_is_refused(text):
    fault = "expected http://HOST:PORT or https://HOST:PORT or grpc://HOST:PORT or grpcs://"
    with pytest.raises(ServingError, match=fault):
        ServerUrl.parse(text)
