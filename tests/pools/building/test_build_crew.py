"""Who runs jobs: this process tells of every batch and can be left between two of them."""

import numpy as np
import pytest

pytest.importorskip("torch")

from encas.data.pixels import SampleReference
from encas.pools.building.build_crew import Rows, SoloCrew
from encas.pools.building.build_job import BuildAnswer, BuildJob
from encas.pools.models.run_settings import RunSettings

pytestmark = pytest.mark.torch


@pytest.fixture
def job(nets, rng):
    x = rng.random((7, 3, 5, 5)).astype(np.float32)
    np.savez(nets / "x.npz", x=x, label=np.arange(7) % 3)
    return BuildJob(
        name="net",
        spec="torch:little_nets:make?width=4",
        base=None,
        preprocessing=None,
        n_classes=3,
        columns=None,
        settings=RunSettings(batch_size=3),
        samples=SampleReference(file=None, data=f"npz:{nets / 'x.npz'}", rows=None, plan=None),
    )


def test_solo_crew_runs_a_batch_at_a_time(job):
    crew = SoloCrew()
    assert (crew.n_idle, crew.news(0.0)) == (1, ())
    crew.start(job)
    assert crew.n_idle == 0
    told = [crew.news(0.0) for _ in range(3)]
    assert told == [(Rows(name="net", n=n),) for n in (3, 3, 1)]
    (answer,) = crew.news(0.0)
    assert isinstance(answer, BuildAnswer)
    assert (answer.name, answer.fault, answer.outputs.shape) == ("net", "", (7, 3))
    assert (crew.n_idle, crew.news(0.0)) == (1, ())
    crew.close()


def test_solo_crew_may_be_left_between_two_batches(job):
    crew = SoloCrew()
    crew.start(job)
    crew.news(0.0)
    crew.close()
