import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from encas.bundle_files import file_entry
from encas.data.images import sample_of_pixels
from encas.data.preprocessing import Preprocessing
from encas.errors import DataError, ManifestError, SessionError
from encas.manifest import Manifest
from encas.runtime.batching import Batching
from encas.runtime.loading import Placement, load, open_member, open_members


def edited(bundle: Path, **changes) -> None:
    path = bundle / "manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def with_member(bundle: Path, content: bytes, **values) -> None:
    """Replaces the first member's file, with a manifest that knows of it."""
    (bundle / "members/first.onnx").write_bytes(content)
    manifest = Manifest.load(bundle)
    entry = file_entry(bundle, "members/first.onnx")
    first = replace(manifest.members[0], sha256=entry.sha256, bytes=entry.bytes, **values)
    replace(manifest, members=(first, *manifest.members[1:])).save(bundle)


def by_numpy(probabilities, x):
    total = np.zeros((len(x), 4), np.float32)
    label, stage = np.empty(len(x), int), np.zeros(len(x), int)
    for j, threshold in enumerate((0.5, 0.45, -1.0), start=1):
        total = total + probabilities(j - 1, x)
        mean = total / np.float32(j)
        leaves = (stage == 0) & (mean.max(axis=1) > threshold)
        label[leaves], stage[leaves] = mean[leaves].argmax(axis=1), j
    return label, stage


@pytest.mark.parametrize("backend", ["staged", "graph"])
def test_load_gives_what_the_cascade_decides(bundle, probabilities, samples, backend):
    prediction = load(bundle, backend=backend)(samples)
    label, stage = by_numpy(probabilities, samples)
    assert prediction.label.tolist() == label.tolist()
    assert prediction.stage.tolist() == stage.tolist()
    assert set(stage) == {1, 2, 3}


@pytest.mark.parametrize("backend", ["staged", "graph"])
def test_load_on_no_samples_gives_none(bundle, samples, backend):
    prediction = load(bundle, backend=backend)(samples[:0])
    assert prediction.probabilities.shape == (0, 4)
    assert len(prediction.label) == len(prediction.stage) == 0


@pytest.mark.parametrize("backend", ["staged", "graph"])
def test_load_with_buckets_answers_the_same(bundle, samples, backend):
    plain = load(bundle, backend=backend)(samples)
    padded = load(bundle, backend=backend, batching=Batching.powers_of_two(16))(samples)
    assert np.array_equal(padded.label, plain.label)
    assert np.array_equal(padded.stage, plain.stage)
    assert np.allclose(padded.probabilities, plain.probabilities, atol=1e-6)


def test_load_warms_up_every_bucket_of_every_member(bundle, monkeypatch):
    from encas.runtime.ort_session import OrtSession  # noqa: PLC0415

    seen = []
    original = OrtSession.run

    def run(self, batch):
        seen.append((self.info.name, len(batch)))
        return original(self, batch)

    monkeypatch.setattr(OrtSession, "run", run)
    load(bundle, batching=Batching.powers_of_two(4))
    assert set(seen) == {(m, b) for m in ("first", "second", "third") for b in (1, 2, 4)}


def test_load_by_its_public_name_takes_text(bundle, samples):
    import encas  # noqa: PLC0415

    assert len(encas.load(str(bundle), device="cpu", n_threads=1)(samples).label) == 60


def test_load_and_predict_need_no_torch_and_no_onnx(bundle):
    script = f"""
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "onnx", "onnxscript", "PIL", "sklearn", "numba"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Blocker())
import numpy as np
from encas.runtime.loading import load
print(load({str(bundle)!r})(np.ones((5, 1, 2, 3), np.float32)).label.shape)
"""
    command = [sys.executable, "-c", script]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.stdout.strip() == "(5,)", ran.stderr


def test_load_of_a_changed_member_opens_no_session(bundle, monkeypatch):
    from encas.runtime import ort_opening as ort_session  # noqa: PLC0415

    def never(*_arguments, **_options):
        raise AssertionError("a session was opened")

    monkeypatch.setattr(ort_session, "open_session", never)
    (bundle / "members/third.onnx").write_bytes(b"x")
    with pytest.raises(ManifestError, match="expected .* bytes, got 1"):
        load(bundle)


def test_load_of_a_bundle_without_a_graph_as_graph_is_refused(bundle):
    edited(bundle, graph=None)
    with pytest.raises(ManifestError, match="the bundle has no graph"):
        load(bundle, backend="graph")


def outside_model(model, location: str) -> bytes:
    made = model(0)
    tensor = made.graph.initializer[0]
    (data, tensor.raw_data) = (tensor.raw_data, b"")
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    for key, value in (("location", location), ("length", str(len(data)))):
        entry = tensor.external_data.add()
        entry.key, entry.value = key, value
    return made.SerializeToString()


def test_load_of_a_member_with_listed_weights_runs(bundle, model, samples):
    before = load(bundle)(samples)
    weights = model(0).graph.initializer[0].raw_data
    (bundle / "members/first.data").write_bytes(weights)
    entry = file_entry(bundle, "members/first.data")
    with_member(bundle, outside_model(model, "first.data"), external=(entry,))
    assert np.array_equal(load(bundle)(samples).probabilities, before.probabilities)
    (bundle / "members/first.data").write_bytes(weights[:-1] + b"x")
    with pytest.raises(ManifestError, match=r"first\.data: expected SHA-256"):
        load(bundle)


def test_open_member_gives_one_session(bundle):
    manifest = Manifest.load(bundle)
    placement = Placement(n_threads=1)
    session = open_member(bundle, manifest, manifest.members[1], placement)
    assert session.info.name == "second"
    assert session.info.sha256 == manifest.members[1].sha256
    assert [one.info.name for one in open_members(bundle, manifest)] == list(
        manifest.cascade.members
    )


STEPS = {"size": [2, 3], "resize": 3, "mean": [0.5], "std": [0.1]}


@pytest.fixture
def images(rng) -> list[np.ndarray]:
    """Images of many sizes that leave the cascade at different stages."""
    return [rng.integers(0, 256, (3 + i % 4, 5, 3)).astype(np.uint8) for i in range(24)]


@pytest.mark.parametrize("backend", ["staged", "graph"])
def test_load_takes_images_as_the_manifest_prepares_them(bundle, images, backend, tmp_path):
    edited(bundle, preprocessing=STEPS)
    runner = load(bundle, backend=backend, batching=Batching(max_batch_size=8))
    prepared = np.stack([sample_of_pixels(one, Preprocessing.of(STEPS)) for one in images])
    expected = runner(prepared)
    assert len(set(expected.stage)) > 1
    files = [tmp_path / f"{i}.png" for i in range(len(images))]
    for image, file in zip(images, files, strict=True):
        Image.fromarray(image).save(file)
    for given in (images, files, [str(file) for file in files]):
        predicted = runner(given)
        assert predicted.stage.tolist() == expected.stage.tolist()
        np.testing.assert_array_equal(predicted.probabilities, expected.probabilities)
    assert runner(files[3]).label.tolist() == [expected.label[3]]
    assert runner(Image.open(files[3])).label.tolist() == [expected.label[3]]
    assert runner(np.stack(images[:1] * 2)).label.tolist() == [expected.label[0]] * 2


@pytest.mark.parametrize("backend", ["staged", "graph"])
def test_load_of_a_bundle_without_preprocessing_refuses_images(bundle, images, backend):
    runner = load(bundle, backend=backend)
    with pytest.raises(DataError, match=r"bundle: the manifest states no preprocessing for input"):
        runner("a.png")
    with pytest.raises(DataError, match="states no preprocessing"):
        runner(images)
    with pytest.raises(SessionError, match=r"expected samples \[n, 1, 2, 3\], got \[2, 3, 5, 3\]"):
        runner(np.stack([images[0]] * 2))


def test_load_names_the_image_that_cannot_be_read(bundle, images, tmp_path):
    edited(bundle, preprocessing=STEPS)
    (tmp_path / "text.png").write_text("no picture")
    with pytest.raises(DataError, match=r"text.png: not an image that can be read"):
        load(bundle)([*images, tmp_path / "text.png"])


def test_load_of_a_bundle_with_preprocessing_takes_samples_as_ever(bundle, samples):
    before = load(bundle)(samples)
    edited(bundle, preprocessing=STEPS)
    runner = load(bundle)
    for given in (samples, list(samples), {"input": samples}):
        np.testing.assert_array_equal(runner(given).probabilities, before.probabilities)
    with pytest.raises(SessionError, match="expected float32 samples, got float64"):
        runner(samples.astype(np.float64))
