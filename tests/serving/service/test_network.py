import pytest

from encas.errors import ServingError
from encas.serving.service.network import NetworkOptions, TlsFiles


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.7", False),
        ("my.host", False),
    ],
)
def test_only_loopback_is_local(host, is_local):
    assert NetworkOptions(host=host).is_local is is_local


def test_address_of_ipv6_has_brackets():
    assert NetworkOptions(host="::1").address(7) == "[::1]:7"


def test_tls_names_every_missing_file(tmp_path):
    with pytest.raises(ServingError, match="2 faults: no such file: .*a; no such file: .*b"):
        TlsFiles(certificate=tmp_path / "a", key=tmp_path / "b")


def test_address_of_ipv4_and_of_a_name_has_none():
    assert NetworkOptions(host="127.0.0.1").address(0) == "127.0.0.1:0"
    assert NetworkOptions(host="localhost").address(8001) == "localhost:8001"


def test_tls_names_only_the_file_that_is_missing_and_reads_both(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"certificate")
    with pytest.raises(ServingError, match=r"^TLS: no such file: .*key.pem$"):
        TlsFiles(certificate=certificate, key=key)
    key.write_bytes(b"key")
    assert TlsFiles(certificate=certificate, key=key).contents() == (b"key", b"certificate")


def test_folder_is_no_certificate(tmp_path):
    with pytest.raises(ServingError, match="no such file"):
        TlsFiles(certificate=tmp_path, key=tmp_path)
