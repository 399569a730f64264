"""A build from its plan to its report, by a crew that knows every answer already."""

from pathlib import Path

import numpy as np
import pytest

from encas.data.open_source import open_source
from encas.errors import PoolError
from encas.pools.building.build_job import BuildAnswer
from encas.pools.building.build_options import BuildOptions
from encas.pools.building.build_run import processes, run_build, visible_gpus
from encas.pools.building.build_state import BUILD_FILE
from encas.pools.models.model_requests import ModelRefusal, ModelRequest
from encas.pools.models.run_settings import RunSettings
from encas.pools.pool_check import check_pool

OUTPUTS = np.array([[2, 1], [1, 2], [1, 2], [2, 1]], np.float32)


class Knowing:
    """Answers at once what it was told; models that it knows nothing of fail."""

    def __init__(self, answers):
        self.answers, self.ran, self._jobs = answers, [], []

    @property
    def n_idle(self):
        return 1 - len(self._jobs)

    def start(self, job):
        self.ran.append(job.name)
        self._jobs.append(job)

    def news(self, timeout_s):
        name = self._jobs.pop().name
        return [self.answers.get(name, BuildAnswer(name=name, fault="it is odd"))]

    def close(self):
        pass


def answer(name, **values):
    priced = {"costs": {"macs": 3.0}, "seconds": 1.0, "outputs": OUTPUTS[:4]}
    return BuildAnswer(**{"name": name} | priced | values)


@pytest.fixture
def data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in "abc":
        (tmp_path / f"{name}.onnx").write_bytes(name.encode())
    np.savez(tmp_path / "x.npz", x=np.eye(4, dtype=np.float32), label=[0, 1, 1, 0])
    return open_source(f"npz:{tmp_path / 'x.npz'}")


def built(data, names, *, out="pool", crew=None, **options):
    """The report of a build, and the models that ran."""
    crew = crew or Knowing({name: answer(name) for name in "abc"})
    requests = [ModelRequest(name=name, spec=f"onnx:{name}.onnx") for name in names]
    options = BuildOptions(**options)
    return run_build(requests, data, Path(out), options=options, hire=lambda: crew), crew.ran


def files_of(folder):
    return {path.name: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}


def test_report_says_what_came_of_every_model(data):
    unpriced = answer("b", costs={}, cost_fault="nobody counts it")
    crew = Knowing({"a": answer("a"), "b": unpriced})
    report, ran = built(data, ["gone", "a", "odd", "b"], crew=crew)
    assert ran == ["a", "b"]
    assert (report.path, report.n_models, report.n_built, report.n_passes) == (
        Path("pool"), 2, 2, 1,
    )  # fmt: skip
    assert [refusal.name for refusal in report.refusals] == ["gone", "odd"]
    assert report.unpriced == (ModelRefusal(name="b", reason="nobody counts it"),)
    assert check_pool(Path("pool")).names == ("a", "b")
    assert not Path("pool", ".work").exists()


def test_models_that_are_there_do_not_run_again(data):
    built(data, "ab")
    before = files_of("pool")
    report, ran = built(data, "ab")
    assert (ran, report.n_models, report.n_built, report.n_passes) == ([], 2, 0, 0)
    assert files_of("pool") == before
    report, ran = built(data, "c")
    assert (ran, report.n_models, report.n_built, report.n_passes) == (["c"], 3, 1, 1)
    assert check_pool(Path("pool")).names == ("a", "b", "c")


def test_model_whose_file_changed_runs_again(data):
    built(data, "ab")
    Path("a.onnx").write_bytes(b"other weights")
    report, ran = built(data, "ab")
    assert (ran, report.n_models, report.n_built) == (["a"], 2, 1)


def test_rows_are_a_part_of_the_data(data):
    crew = Knowing({"a": answer("a", outputs=OUTPUTS[[3, 1]])})
    built(data, "a", crew=crew, rows=(3, 1))
    pool = check_pool(Path("pool"))
    assert pool.label.tolist() == [0, 1]
    assert np.array_equal(pool.samples, data.sample_hashes()[[3, 1]])


def test_other_settings_into_one_pool_are_refused(data):
    built(data, "a")
    before = files_of("pool")
    with pytest.raises(PoolError, match="dtype must be the same in one pool: it was 'float32'"):
        built(data, "b", stored="float16")
    assert files_of("pool") == before


def test_build_into_a_folder_of_something_else_is_refused(data):
    Path("mine").mkdir()
    Path("mine", "thesis.txt").write_text("do not touch")
    with pytest.raises(PoolError, match="mine: is no folder of an earlier build; give another"):
        built(data, "a", out="mine")
    assert files_of("mine") == {"thesis.txt": b"do not touch"}


def test_build_into_an_empty_folder_or_one_killed_at_once_begins_there(data):
    Path("pool").mkdir()
    Path("pool", ".build.json.ab12_xyz").write_bytes(b"{")
    built(data, "a")
    assert check_pool(Path("pool")).names == ("a",)
    assert ".build.json.ab12_xyz" not in files_of("pool")
    assert BUILD_FILE in files_of("pool")


def test_build_of_nothing_but_failures_says_why_and_leaves_no_pool(data):
    with pytest.raises(PoolError, match=r"none of 1 models could be run; gone: no such file"):
        built(data, ["gone"])
    assert not Path("pool").exists()
    fault = r"none of 2 models could be run; gone: no such file: gone.onnx; a: it is odd"
    with pytest.raises(PoolError, match=fault):
        built(data, ["a", "gone"], crew=Knowing({}))
    assert not Path("pool", "pool.json").exists()
    assert built(data, "b")[0].n_models == 1


@pytest.mark.parametrize(("chosen", "n"), [("2,5", 2), ("", 0), ("3", 1), ("1, ,", 1)])
def test_visible_gpus_are_those_that_the_process_may_use(monkeypatch, chosen, n):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    assert visible_gpus() == n


@pytest.mark.parametrize(
    ("device", "chosen", "expected"),
    [
        ("cuda", "2,5", ["cuda:0", "cuda:1", "cuda:0"]),
        ("cuda", "", ["cuda"] * 3),
        ("cuda:1", "2,5", ["cuda:1"] * 3),
        ("cpu", "2,5", ["cpu"] * 3),
    ],
)
def test_workers_share_the_gpus_that_can_be_seen(monkeypatch, device, chosen, expected):
    asked = []
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", chosen)
    monkeypatch.setattr(
        "encas.pools.building.build_run.ProcessCrew",
        lambda n, devices: asked.extend(devices[i % len(devices)] for i in range(n)),
    )
    processes(3, RunSettings(device=device))()
    assert asked == expected
