"""The jobs of a pool build on a local Ray cluster."""

import pytest

pytest.importorskip("torch")
pytest.importorskip("ray")

from encas.errors import PoolError
from encas.pools.building.build_pool import build_pool
from encas.pools.building.build_ray import RayCrew

pytestmark = [
    pytest.mark.torch,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]
MODELS = tuple(f"w{width}=torch:little_nets:make?width={width}" for width in (3, 4))
FAILING = (
    "broken=torch:little_nets:make?style=broken",
    "dying=torch:little_nets:make?style=dying",
)


def files_of(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "build.json"
    }


def test_ray_makes_the_same_pool_and_tells_who_failed(nets, pictures):
    for name, models, options in (
        ("here", MODELS, {"workers": 1}),
        ("there", (*MODELS, *FAILING), {"ray": "local"}),
    ):
        (nets / name).mkdir()
        steps = nets / "preprocessing.json"
        out = nets / name / "pool"
        report = build_pool(models, data=pictures, preprocessing=steps, out=out, **options)
    reasons = {refusal.name: refusal.reason for refusal in report.refusals}
    assert "a bug of the model's author" in reasons["broken"]
    assert reasons["dying"].startswith("its Ray task failed: ")
    assert files_of(nets / "here" / "pool") == files_of(nets / "there" / "pool")


def test_cluster_that_is_not_there_is_refused(monkeypatch):
    def fail(**_options):
        raise ConnectionError("nobody answers")

    monkeypatch.setattr("ray.init", fail)
    with pytest.raises(PoolError, match="no Ray cluster at '10.0.0.1:6379': nobody answers"):
        RayCrew("10.0.0.1:6379", n_threads=1, n_gpus=0)
