"""Without an engine here, the files are held against linters and schemas: hadolint, the Compose
specification, Kubernetes."""

import re
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
import yaml

from encas.errors import ServingError
from encas.serving.triton import deployment
from encas.serving.triton.deployment import (
    NUMPY,
    PILLOW,
    RUNTIMES,
    Deployment,
    packages,
    write_deployment,
)
from encas.serving.triton.layout_options import LayoutOptions

ROOT = Path(__file__).resolve().parents[3]
# What KServe's predictor has besides the fields of a pod.
OF_KSERVE = {"minReplicas", "maxReplicas", "timeout"}
KINDS = [
    {"layout": "graph"},
    {"layout": "graph", "tensorrt": True},
    {"layout": "python", "target": "cpu"},
    {"layout": "ensemble", "around": "python"},
]
INSTRUCTIONS = ("FROM", "RUN", "COPY", "USER", "EXPOSE", "HEALTHCHECK", "CMD")


def written(tmp_path, *, names=("My_Cascade.v2",), **values):
    options = LayoutOptions(**values)
    folder = Deployment(folder=tmp_path / "deploy")
    paths = write_deployment(folder, tmp_path / "models", options, names)
    return [path.read_text() for path in paths]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ({"layout": "graph"}, ()),
        ({"layout": "bls", "target": "cpu"}, ()),
        ({"layout": "bls", "target": "cpu", "backend": "python"}, (NUMPY, RUNTIMES["cpu"])),
        ({"layout": "python"}, (NUMPY, RUNTIMES["gpu"])),
        ({"layout": "ensemble", "around": "bls"}, (NUMPY, PILLOW)),
        (
            {"layout": "ensemble", "around": "python", "target": "cpu"},
            (NUMPY, RUNTIMES["cpu"], PILLOW),
        ),
    ],
)
def test_packages_are_those_that_the_layout_needs(values, wanted):
    assert packages(LayoutOptions(**values)) == wanted


def test_packages_have_the_versions_that_are_tested():
    pins = (ROOT / "constraints.txt").read_text().splitlines()
    assert {PILLOW, RUNTIMES["cpu"]} <= set(pins)
    assert NUMPY in (ROOT / "tests/serving/install_triton.sh").read_text()


@pytest.mark.parametrize("values", KINDS)
def test_linters_and_schemas_have_nothing_to_say(tmp_path, values):
    dockerfile, compose, manifest = written(tmp_path, **values)
    tools = Path(sys.executable).parent
    for command in (
        [tools / "hadolint", tmp_path / "deploy/Dockerfile"],
        [tools / "check-jsonschema", "--builtin-schema", "vendor.compose-spec",
         tmp_path / "deploy/compose.yaml"],
    ):  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stdout + done.stderr + dockerfile + compose
    predictor = yaml.safe_load(manifest)["spec"]["predictor"]
    assert predictor.keys() - OF_KSERVE == {"containers", "volumes"}
    pod = {key: value for key, value in predictor.items() if key not in OF_KSERVE}
    kubernetes_validate.validate(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": pod},
        kubernetes_validate.latest_version(),
        strict=True,
    )


@pytest.mark.parametrize("layout", ["graph", "python"])
def test_dockerfile_has_known_instructions_in_order(tmp_path, layout):
    dockerfile = written(tmp_path, layout=layout)[0]
    lines = re.sub(r"\\\n\s+", "", dockerfile).splitlines()
    found = [line.split()[0] for line in lines if not line.startswith("#")]
    assert found == [i for i in INSTRUCTIONS if i != "RUN" or layout == "python"]
    assert f"FROM {deployment.TRITON_IMAGE}\n" in dockerfile
    assert "{" not in dockerfile


def test_dockerfile_makes_room_for_engines(tmp_path):
    dockerfile = written(tmp_path, tensorrt=True)[0]
    assert "install -d -o 1000 /var/cache/encas/tensorrt\n" in dockerfile
    assert "ENV NVIDIA_TF32_OVERRIDE=0\n" in dockerfile


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
