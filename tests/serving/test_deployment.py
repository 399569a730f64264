"""Without an engine here, the files are checked as what they are: YAML, instructions, names."""

import re

import pytest
import yaml

from encas.errors import ServingError
from encas.serving.deployment import Deployment, packages, write_deployment
from encas.serving.layout_options import LayoutOptions

INSTRUCTIONS = ("FROM", "RUN", "COPY", "USER", "EXPOSE", "HEALTHCHECK", "CMD")


def written(tmp_path, *, names=("My_Cascade.v2",), **values):
    options = LayoutOptions(**values)
    deployment = Deployment(folder=tmp_path / "deploy")
    paths = write_deployment(deployment, tmp_path / "models", options, names)
    return [path.read_text() for path in paths]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"layout": "graph"}, ()),
        ({"layout": "bls", "target": "cpu"}, ()),
        ({"layout": "bls", "target": "cpu", "backend": "python"}, ("numpy<2", "onnxruntime")),
        ({"layout": "python"}, ("numpy<2", "onnxruntime-gpu[cuda,cudnn]")),
        ({"layout": "ensemble", "around": "bls"}, ("numpy<2", "pillow")),
        (
            {"layout": "ensemble", "around": "python", "target": "cpu"},
            ("numpy<2", "onnxruntime", "pillow"),
        ),
    ],
)
def test_packages_are_those_that_the_layout_needs(values, wanted):
    assert packages(LayoutOptions(**values)) == wanted


@pytest.mark.parametrize("layout", ["graph", "python"])
def test_dockerfile_has_known_instructions_in_order(tmp_path, layout):
    dockerfile = written(tmp_path, layout=layout)[0]
    lines = re.sub(r"\\\n\s+", "", dockerfile).splitlines()
    found = [line.split()[0] for line in lines if not line.startswith("#")]
    assert found == [i for i in INSTRUCTIONS if i != "RUN" or layout == "python"]
    assert "FROM nvcr.io/nvidia/tritonserver:24.10-py3\n" in dockerfile
    assert "{" not in dockerfile


def test_dockerfile_makes_room_for_engines(tmp_path):
    assert "-o triton-server /var/cache/encas/tensorrt\n" in written(tmp_path, tensorrt=True)[0]


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_compose_file_builds_runs_and_listens_on_loopback(tmp_path, target):
    service = yaml.safe_load(written(tmp_path, target=target)[1])["services"]["triton"]
    assert service["build"] == {"context": "../models", "dockerfile": "../deploy/Dockerfile"}
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    devices = service.get("deploy", {}).get("resources", {}).get("reservations", {}).get("devices")
    expected = [{"driver": "nvidia", "count": 1, "capabilities": ["gpu"]}]
    assert devices == (expected if target == "gpu" else None)


@pytest.mark.parametrize("target", ["cpu", "gpu"])
def test_kserve_manifest_is_an_inference_service(tmp_path, target):
    manifest = yaml.safe_load(written(tmp_path, target=target)[2])
    assert manifest["apiVersion"] == "serving.kserve.io/v1beta1"
    assert manifest["kind"] == "InferenceService"
    assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", manifest["metadata"]["name"])
    assert manifest["metadata"]["name"] == "my-cascade-v2"
    (container,) = manifest["spec"]["predictor"]["containers"]
    assert container["name"] == "kserve-container"
    assert container["image"] == "encas-triton:latest"
    assert container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": 8000}
    limits = container["resources"]["limits"]
    assert limits.get("nvidia.com/gpu") == ("1" if target == "gpu" else None)
    assert all(isinstance(value, str) for value in limits.values())


@pytest.mark.parametrize("image", ["", "Upper/case", "a b", "-x", "x;rm -rf"])
def test_image_that_no_registry_takes_is_refused(tmp_path, image):
    with pytest.raises(ServingError, match="not the name of an image"):
        Deployment(folder=tmp_path, image=image)
