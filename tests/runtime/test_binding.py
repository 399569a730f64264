import numpy as np
import pytest

from encas.cascade import Cascade
from encas.errors import SessionError
from encas.latency import Setting
from encas.runtime.batching import Batching
from encas.runtime.binding import Bindings, DeviceStore
from encas.runtime.device import Device
from encas.runtime.executor import Runner
from encas.runtime.ort_opening import open_session
from encas.runtime.ort_session import OrtSession
from encas.runtime.session import SessionInfo

HERE = Device(kind="cpu")
SETTING = Setting(device="cpu", device_name="", provider="p", n_threads=1, versions={})


def info_of(shape=(1, 2, 3), dtype="float32") -> SessionInfo:
    return SessionInfo(name="m", input_shape=shape, input_dtype=dtype, n_classes=4, setting=SETTING)


@pytest.mark.parametrize("dtype", ["float32", "float16", "uint8"])
def test_store_gathers_rows_of_any_type_on_the_device(dtype):
    x = np.arange(24).reshape(4, 2, 3).astype(dtype)
    held = DeviceStore(HERE, info_of((2, 3), dtype)).hold(x)
    batch = held.take(np.array([1, 3]), 4)
    assert np.array_equal(batch.buffer.numpy(), x[[1, 3, 0, 0]])


def test_store_keeps_its_memory_from_call_to_call():
    store = DeviceStore(HERE, info_of((2,)))
    x = np.zeros((8, 2), np.float32)
    addresses = []
    for size in (8, 1, 4, 8):
        held = store.hold(x)
        addresses.append(held.take(np.arange(size), size).address)
        held.release()
    assert len(set(addresses)) == 1


def test_store_lends_each_call_memory_of_its_own():
    store = DeviceStore(HERE, info_of((2,)))
    first, second = (store.hold(np.full((2, 2), value, np.float32)) for value in (1, 2))
    rows = np.arange(2)
    one, two = first.take(rows, 2), second.take(rows, 2)
    assert one.address != two.address
    assert (one.buffer.numpy() == 1).all()
    assert (two.buffer.numpy() == 2).all()


def test_held_samples_move_to_a_larger_buffer_when_a_batch_needs_it():
    held = DeviceStore(HERE, info_of((2,))).hold(np.arange(8, dtype=np.float32).reshape(4, 2))
    assert held.take(np.array([2]), 1).buffer.shape() == [1, 2]
    larger = held.take(np.arange(4), 4)
    assert larger.buffer.numpy().ravel().tolist() == list(range(8))


def bindings_of(model, *, is_captured: bool) -> Bindings:
    session = open_session(model.SerializeToString(), device=HERE, n_threads=1)
    names = ("input", "probabilities")
    return Bindings(session, info_of(), HERE, names=names, is_captured=is_captured)


@pytest.mark.parametrize("is_captured", [False, True])
def test_bindings_answer_as_a_plain_run(model, probabilities, samples, is_captured):
    bindings = bindings_of(model(2), is_captured=is_captured)
    held = DeviceStore(HERE, info_of()).hold(samples)
    for rows in (np.arange(60), np.array([5]), np.array([7, 9])):
        found = bindings.run(held.take(rows, len(rows)))
        assert np.allclose(found, probabilities(2, samples[rows]), atol=1e-6)


def test_bindings_that_are_captured_have_a_graph_for_each_place_and_size(model, samples):
    bindings = bindings_of(model(0), is_captured=True)
    store = DeviceStore(HERE, info_of())
    for size in (8, 2, 8, 2):
        held = store.hold(samples)
        bindings.run(held.take(np.arange(size), size))
        held.release()
    numbers = [
        bound.options.get_run_config_entry("gpu_graph_id") for bound in bindings._bound.values()
    ]
    assert numbers == ["1", "2"]


def test_bindings_give_answers_that_a_later_run_leaves_alone(model, samples):
    bindings = bindings_of(model(0), is_captured=False)
    held = DeviceStore(HERE, info_of()).hold(samples)
    first = bindings.run(held.take(np.arange(4), 4))
    before = first.copy()
    bindings.run(held.take(np.arange(4, 8), 4))
    assert np.array_equal(first, before)


def test_bindings_of_a_model_that_fails_say_on_what(model, samples):
    bindings = bindings_of(model(0), is_captured=False)
    held = DeviceStore(HERE, info_of()).hold(samples)
    batch = held.take(np.arange(4), 4)
    bindings.run(batch)

    class Fails:
        def run_with_iobinding(self, *_arguments):
            raise RuntimeError("out of memory\nmore")

    bindings._session = Fails()
    with pytest.raises(SessionError, match="m: failed on a batch of 4: out of memory more$"):
        bindings.run(batch)


def test_runner_hands_samples_from_member_to_member_on_the_device(model, samples):
    def runner(is_bound: bool, batching: Batching) -> Runner:
        sessions = [
            OrtSession(
                model(seed).SerializeToString(), name=f"m{seed}", input_shape=(1, 2, 3),
                n_classes=4, is_bound=is_bound,
            )
            for seed in range(3)
        ]  # fmt: skip
        cascade = Cascade(members=("m0", "m1", "m2"), thresholds=(0.7, 0.6))
        made = Runner(cascade, sessions, batching=batching)
        made.warm_up()
        return made

    expected = runner(False, Batching())(samples)
    moved = runner(True, Batching.powers_of_two(16))
    found = moved(samples)
    assert np.array_equal(found.label, expected.label)
    assert np.array_equal(found.stage, expected.stage)
    assert set(found.stage.tolist()) == {1, 2, 3}
    assert found.padding_waste > 0


def test_runner_is_warmed_up_in_the_memory_that_calls_use(model, samples):
    session = OrtSession(
        model(0).SerializeToString(), name="m", input_shape=(1, 2, 3), n_classes=4, is_bound=True
    )
    runner = Runner(
        Cascade(members=("m",), thresholds=()), [session], batching=Batching.powers_of_two(8)
    )
    runner.warm_up()
    warm = set(session._bindings._bound)
    assert len(warm) == 4
    for n in (1, 3, 8, 60):
        runner(samples[:n])
    assert set(session._bindings._bound) == warm


def test_samples_that_do_not_fit_are_refused(monkeypatch):
    store = DeviceStore(HERE, info_of())

    def full(*_arguments):
        raise RuntimeError("CUDA failure 2: out of memory")

    monkeypatch.setattr("onnxruntime.OrtValue.ortvalue_from_numpy", full)
    with pytest.raises(SessionError, match="24 bytes of samples cannot be moved to cpu: CUDA fail"):
        store.hold(np.zeros((1, 1, 2, 3), np.float32))
