"""`encas serve`: what its options mean; the server itself is tested in its room."""

import click
import pytest

pytest.importorskip("grpc")

from encas.commands.serve_command import _front, _models, _network, serve
from encas.runtime.placement import Placement
from encas.serving.service.front_model import FrontOptions
from encas.serving.service.network import NetworkOptions
from encas.serving.service.opening import ModelOptions
from encas.serving.service.policy import SloTarget
from encas.serving.service.queueing import QueueLimits


def given(*words) -> dict:
    """The options as the command gets them."""
    context = serve.make_context("serve", ["bundle", *(str(word) for word in words)])
    return context.params


def test_options_that_are_not_given_are_the_defaults_of_the_values():
    options = given()
    assert _models(options) == ModelOptions(
        limits=QueueLimits(max_batch_size=64, max_queue_rows=1024)
    )
    assert _network(options) == NetworkOptions()
    assert _front(options) is None


def test_models_have_limits_placement_and_workers():
    options = given(
        "--max-batch-size", 8, "--max-queue", 32, "--max-delay-ms", 2.5, "--device", "cuda:1",
        "--threads", 3, "--backend", "graph", "--workers", 2,
    )  # fmt: skip
    assert _models(options) == ModelOptions(
        limits=QueueLimits(max_batch_size=8, max_queue_rows=32, max_delay_s=0.0025),
        placement=Placement(device="cuda:1", n_threads=3),
        backend="graph",
        n_workers=2,
    )


def test_network_has_ports_limits_token_and_certificate(tmp_path):
    for name in ("token", "cert", "key"):
        (tmp_path / name).write_text(f"{name}-of-sixteen-characters-or-more")
    options = given(
        "--host", "0.0.0.0", "--http-port", 1, "--grpc-port", 2, "--max-request-mb", 0.5,
        "--max-connections", 3, "--drain-s", 4, "--token-file", tmp_path / "token",
        "--tls-cert", tmp_path / "cert", "--tls-key", tmp_path / "key",
    )  # fmt: skip
    network = _network(options)
    assert (network.host, network.http_port, network.grpc_port) == ("0.0.0.0", 1, 2)
    assert (network.max_request_bytes, network.max_connections) == (2**19, 3)
    assert network.drain_s == 4.0
    assert network.token is not None
    assert network.tls.certificate == tmp_path / "cert"
    assert network.tls.key == tmp_path / "key"


def test_without_grpc_there_is_no_port_for_it():
    assert _network(given("--no-grpc", "--grpc-port", 5)).grpc_port is None


def test_policy_makes_one_model_more():
    options = given("--policy", "slo", "--p99-ms", 50, "--front-name", "best")
    assert _front(options) == FrontOptions(target=SloTarget(p99_s=0.05), name="best")


@pytest.mark.parametrize("words", [("--tls-cert", "x"), ("--tls-key", "x")])
def test_half_a_certificate_is_wrong_usage(words):
    with pytest.raises(click.UsageError, match="--tls-cert and --tls-key go together"):
        _network(given(*words))


@pytest.mark.parametrize("words", [("--policy", "slo"), ("--p99-ms", 5)])
def test_half_a_policy_is_wrong_usage(words):
    with pytest.raises(click.UsageError, match="--policy slo and --p99-ms go together"):
        _front(given(*words))


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--policy", "slo"), 2, "--policy slo and --p99-ms go together"),
        (("--tls-cert", "x", "--tls-key", "y"), 1, "no such file: x; no such file: y"),
        (("--token-file", "none"), 1, "cannot read the token"),
        (("--max-queue", "3"), 1, "must hold at least one batch of 64 rows, got 3"),
        (("--policy", "slo", "--p99-ms", "-1"), 1, "the target must be above 0 s"),
        (("--policy", "slo", "--p99-ms", "5"), 1, "at least two bundles"),
    ],
)
def test_serve_says_what_does_not_fit(encas, bundles, arguments, code, message):
    ran = encas("serve", bundles / "three", "--http-port", 0, "--no-grpc", *arguments)
    assert (ran.code, message in ran.err) == (code, True), ran.err


def test_serve_refuses_two_models_of_one_name(encas, bundles):
    bundle = bundles / "three"
    ran = encas("serve", bundle, f"three={bundle}", "--http-port", 0, "--no-grpc")
    assert "several models are called three; use NAME=BUNDLE" in ran.err
