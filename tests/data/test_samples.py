import numpy as np
import pytest

from encas.cascade import Cascade, decide
from encas.data.dataset import Dataset, DatasetSamples
from encas.data.samples import ArraySamples, converted, random_like
from encas.errors import DataError, SessionError
from encas.latency import Setting
from encas.runtime.batching import Batching
from encas.runtime.executor import Runner
from encas.runtime.session import HostSamples, SessionInfo, samples_of

SETTING = Setting(device="cpu", device_name="", provider="p", n_threads=1, versions={})


class Seeing:
    """A member that answers from the rows it is given: what it reads are its probabilities."""

    def __init__(self, name: str, reads: str, width: int = 3):
        self.info = SessionInfo(
            name=name, input_shape=(width,), input_dtype="float32", n_classes=3, setting=SETTING,
            reads=reads,
        )  # fmt: skip
        self.seen: list[int] = []

    def hold(self, x):
        return HostSamples(x)

    def run(self, batch):
        self.seen.append(len(batch))
        return batch[:, :3]

    def warm_up(self, batch_sizes):
        pass


@pytest.fixture
def views(rng) -> dict[str, np.ndarray]:
    tables = rng.dirichlet(np.full(3, 0.7), (2, 50)).astype(np.float32)
    return {"input": tables[0], "input_2": tables[1]}


CASCADE = Cascade(members=("a", "b", "c"), thresholds=(0.6, 0.6), combine="replace")


def runner_of(**values) -> Runner:
    sessions = [Seeing("a", "input"), Seeing("b", "input_2"), Seeing("c", "input_2")]
    return Runner(CASCADE, sessions, **values)


def expected_of(views):
    places = ("input", "input_2", "input_2")
    return decide(CASCADE, lambda j, rows: views[places[j]][rows], n_samples=50)


@pytest.mark.parametrize("batching", [Batching(), Batching(max_batch_size=4, max_held_rows=7)])
def test_runner_gives_each_member_its_own_input(views, batching):
    expected = expected_of(views)
    found = runner_of(batching=batching)(views)
    assert np.array_equal(found.label, expected.label)
    assert np.array_equal(found.stage, expected.stage)
    assert np.array_equal(found.probabilities, expected.probabilities)


def dataset_of(views, read_log):
    def view(name):
        def read(rows):
            read_log.append((name, rows.tolist()))
            return views[name][rows]

        return Dataset(
            name="d", label=np.zeros(50, np.int64), sample_shape=(3,), dtype="float32", read=read
        )

    first = view("input")
    return Dataset(
        name="d", label=first.label, sample_shape=(3,), dtype="float32", read=first.read,
        further={"input_2": view("input_2")},
    )  # fmt: skip


def test_runner_reads_a_further_input_only_for_the_samples_that_reach_it(views):
    log = []
    rows = np.arange(10, 40)
    dataset = dataset_of(views, log)
    found = runner_of()(dataset.batch(rows))
    expected = expected_of(views)
    assert np.array_equal(found.stage, expected.stage[rows])
    assert log[0] == ("input", rows.tolist())
    assert log[1] == ("input_2", rows[expected.stage[rows] > 1].tolist())
    assert len(log) == 2


def test_dataset_part_has_the_same_part_of_every_view(views):
    part = dataset_of(views, []).take(np.array([4, 2, 9]))
    assert isinstance(part.batch(np.array([1])), DatasetSamples)
    assert np.array_equal(part.arrays(np.array([1]))["input_2"], views["input_2"][[2]])
    with pytest.raises(DataError, match="has samples for input, input_2, but not for input_3"):
        part.view("input_3")


def test_samples_in_memory_are_not_copied_when_all_are_read(views):
    samples = ArraySamples(arrays=views)
    assert samples.read("input_2", np.arange(50)) is views["input_2"]
    assert len(samples) == 50


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((2, 3), np.float32), "expected samples for input, input_2, got input; members"),
        ({"input": np.zeros((2, 3), np.float32)}, "input, input_2, got input"),
        ({}, "input, input_2, got none"),
        (
            {"input": np.zeros((2, 3), np.float32), "input_2": np.zeros((1, 3), np.float32)},
            r"different numbers of samples: {'input': 2, 'input_2': 1}",
        ),
        (
            {"input": np.zeros((2, 3), np.float32), "input_2": np.zeros((2, 4), np.float32)},
            r"b: expected samples \[n, 3\], got \[2, 4\]",
        ),
    ],
)
def test_samples_that_do_not_fit_the_inputs_are_refused(x, message):
    with pytest.raises(SessionError, match=message):
        samples_of(x, runner_of().inputs)


def test_runner_of_members_that_read_an_input_differently_is_refused():
    with pytest.raises(SessionError, match=r"c reads input_2 as float32 \[5\], but b as float32"):
        Runner(
            CASCADE, [Seeing("a", "input"), Seeing("b", "input_2"), Seeing("c", "input_2", width=5)]
        )


@pytest.mark.parametrize(
    ("x", "dtype"),
    [
        (np.array([0.0, 255.0], np.float32), "uint8"),
        (np.array([0, 255], np.uint8), "float32"),
        (np.array([0.1, 6e4], np.float32), "float16"),
        (np.array([np.inf, 1], np.float32), "float16"),
        (np.array([0.1], np.float32), "float64"),
    ],
)
def test_converted_samples_are_what_they_were_as_far_as_the_type_holds(x, dtype):
    made = converted(x, dtype, where="m")
    assert made.dtype == dtype
    np.testing.assert_allclose(made.astype(x.dtype), x, rtol=1e-3)
    assert converted(made, dtype, where="m") is made


@pytest.mark.parametrize("value", [0.5, -1.0, 256.0, np.nan])
def test_converted_samples_are_never_cut_to_bytes(value):
    x = np.array([[0.0, value]], np.float32)
    with pytest.raises(
        DataError, match="m: the model takes uint8, the samples are float32 .* 0..255 as"
    ):
        converted(x, "uint8", where="m")


def test_converted_samples_that_float16_cannot_hold_are_refused():
    with pytest.raises(DataError, match="takes float16, the samples are float32 0 .. 70000$"):
        converted(np.array([0, 7e4], np.float32), "float16", where="m")


def test_random_samples_are_like_the_one_that_they_are_made_of():
    made = random_like(np.array([[3, 200]], np.uint8), 50)
    assert (made.shape, made.dtype) == ((50, 2), np.uint8)
    assert made.min() >= 3
    assert made.max() <= 200
    assert np.array_equal(made, random_like(np.array([[3, 200]], np.uint8), 50))
    assert len(np.unique(random_like(np.zeros((1, 4), np.float32), 9))) == 36
