"""`encas triton` as a user types it."""

import pytest

text_format = pytest.importorskip("google.protobuf.text_format")
model_config_pb2 = pytest.importorskip("tritonclient.grpc.model_config_pb2")


def test_triton_writes_what_triton_reads(encas, bundles, tmp_path):
    out = tmp_path / "models"
    arguments = ("--out", out, "--layout", "bls", "--target", "cpu", "--thresholds")
    first = encas("triton", bundles / "three", *arguments, "0.5,0.25")
    assert f"tritonserver --model-repository={out}" in "".join(first.out.split("\n"))
    ran = encas("triton", bundles / "two", "--out", out, "--layout", "bls", "--overwrite", "--json")
    assert ran.json == {
        "path": str(out),
        "cascades": ["two"],
        "models": ["large", "small", "two"],
        "files": [],
    }
    config = text_format.Parse(
        (out / "two" / "config.pbtxt").read_text(), model_config_pb2.ModelConfig()
    )
    assert config.parameters["members"].string_value == "small,large"


def test_thresholds_take_the_place_of_the_bundles(encas, bundles, tmp_path):
    arguments = ("--layout", "bls", "--thresholds", "0.5,0.25")
    assert encas("triton", bundles / "three", "--out", tmp_path / "m", *arguments).code == 0
    config = text_format.Parse(
        (tmp_path / "m" / "three" / "config.pbtxt").read_text(), model_config_pb2.ModelConfig()
    )
    assert config.parameters["thresholds"].string_value == "0.5,0.25"


def test_deployment_names_its_files(encas, bundles, tmp_path):
    deploy = tmp_path / "deploy"
    ran = encas(
        "triton", bundles / "two", "--out", tmp_path / "m", "--deploy", deploy,
        "--image", "mine:1", "--json",
    )  # fmt: skip
    assert str(deploy / "compose.yaml") in ran.json["files"]
    assert "mine:1" in (deploy / "compose.yaml").read_text()


def test_triton_does_not_overwrite_unasked(encas, bundles, tmp_path):
    ran = encas("triton", bundles / "three", "--out", tmp_path)
    assert ran.code == 1
    assert "already exists" in ran.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--thresholds", "0.5"), "3 members need 2 thresholds, got 1"),
        (("--thresholds", "a,b"), "numbers between commas, got 'a,b'"),
        (("--tensorrt", "--target", "cpu"), "TensorRT needs the target 'gpu'"),
        (("--layout", "ensemble"), "does not know how images become samples"),
    ],
)
def test_triton_says_what_does_not_fit(encas, bundles, tmp_path, arguments, message):
    ran = encas("triton", bundles / "three", "--out", tmp_path / "models", *arguments)
    assert ran.code == 1
    assert message in ran.err
    assert not (tmp_path / "models").exists()
