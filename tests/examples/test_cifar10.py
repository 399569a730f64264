"""The networks of examples/cifar10, named as a user in that folder names them."""

import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

torch = pytest.importorskip("torch")

from encas.pools.models.specs import source_model  # noqa: E402
from encas.pools.models.torch_costs import torch_costs  # noqa: E402

pytestmark = pytest.mark.torch
SMALL = "torch:small_nets:small_net?family={}&width={}&depth={}&size={}"


@pytest.fixture(autouse=True)
def example_folder(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath / "examples" / "cifar10")


@pytest.mark.parametrize(("depth", "macs"), [(20, 40_551_040), (56, 125_485_696)])
def test_resnet_has_the_known_macs(depth, macs):
    module = source_model(f"torch:resnet:resnet?depth={depth}").build()
    sample = torch.zeros(1, 3, 32, 32)
    assert module(sample).shape == (1, 10)
    assert torch_costs(module, sample)["macs"] == macs


def test_resnet_of_an_impossible_depth_is_refused():
    with pytest.raises(ValueError, match=r"depth must be 6 n \+ 2, got 21"):
        source_model("torch:resnet:resnet?depth=21").build()


@pytest.mark.parametrize("family", ["residual", "mobile", "plain"])
@pytest.mark.parametrize("size", [16, 24, 32])
def test_small_net_takes_32_pixels_at_any_resolution(family, size):
    module = source_model(SMALL.format(family, 4, 2, size)).build()
    for n in (1, 3):
        assert module(torch.zeros(n, 3, 32, 32)).shape == (n, 10)


def test_small_nets_cost_less_at_lower_resolution():
    sample = torch.zeros(1, 3, 32, 32)
    macs = [
        torch_costs(source_model(SMALL.format("mobile", 8, 1, size)).build(), sample)["macs"]
        for size in (16, 24, 32)
    ]
    assert macs == sorted(macs)
    assert macs[0] * 3 < macs[2]


def test_small_net_of_an_unknown_family_is_refused():
    with pytest.raises(ValueError, match="family must be one of residual, mobile, plain, got 'x'"):
        source_model(SMALL.format("x", 4, 1, 16)).build()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])


def first_images(source, target, n):
    """A zip of the first `n` images of each class."""
    with zipfile.ZipFile(source) as whole, zipfile.ZipFile(target, "w") as part:
        taken: dict[str, int] = {}
        for name in whole.namelist():
            label = name.partition("/")[0]
            if name.endswith(".jpg") and taken.get(label, 0) < n:
                taken[label] = taken.get(label, 0) + 1
                part.writestr(name, whole.read(name))


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("curl") is None, reason="the script asks the server by curl")
def test_script_goes_from_models_to_answers_of_a_server(shared_data, tmp_path):
    data = tmp_path / "data"
    (data / "weights").mkdir(parents=True)
    for name in ("resnet20.onnx", "resnet56.onnx"):
        shutil.copy(shared_data / "cifar10" / "weights" / name, data / "weights")
    for split in ("val", "test"):
        first_images(shared_data / "cifar10" / f"{split}.zip", data / f"{split}.zip", 6)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "EVALUATIONS": "2000",
        "HTTP_PORT": free_port(),
        "GRPC_PORT": free_port(),
    }
    ran = subprocess.run(
        ["sh", "run.sh", data, tmp_path / "out"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "60 of 60 samples answered" in ran.stdout
    assert "0 other labels, 0 other stages" in ran.stdout.replace("\n", " ")
    assert (tmp_path / "out" / "report.html").is_file()
