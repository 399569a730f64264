"""Small inputs that once failed, as a user types them: each gives its right value or one line."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from encas.manifest import Manifest
from encas.pools.pool import Pool

REPOSITORY = Path(__file__).resolve().parent.parent.parent
DIGITS = "npz:digits_test.npz"
FRONT_ACCURACY = 0.9715
BIG = 0.9799
NET = """
from torch import nn


class Big(nn.Module):
    def __init__(self):
        super().__init__()
        self.c, self.b = nn.Conv2d(1, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.d, self.e = nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.BatchNorm2d(16)
        self.l = nn.Linear(256, 10)

    def forward(self, x):
        x = self.b(self.c(x)).relu()
        return self.l(self.e(self.d(x)).relu().flatten(1))
"""
pytest.importorskip("onnxruntime")


@pytest.fixture
def cases(monkeypatch) -> Path:
    """The folder of the inputs, which lies beside a developer's checkout; the current one."""
    path = REPOSITORY.parent / "shared" / "cases"
    if not path.is_dir():
        pytest.skip(f"the cases are not here: {path}")
    monkeypatch.chdir(path)
    return path


@pytest.fixture
def build(encas, cases, tmp_path):
    """Runs `encas pool build` with some models on some data: `build("onnx/c3.onnx", data=...)`."""

    def run(*models: str, data: str = DIGITS, options=(), out: str = "pool"):
        named = [word for m in models for word in ("--model", m if ":" in m else f"onnx:onnx/{m}")]
        return encas(
            "pool", "build", *named, "--data", data, "--workers", 1, "--out", tmp_path / out,
            "--json", *options,
        )  # fmt: skip

    return run


@pytest.fixture
def proven(encas, build, tmp_path):
    """Builds, searches, exports the dearest cascade of two, verifies and runs it."""

    def way(*models: str, data: str = DIGITS, options=()) -> Manifest:
        ran = build(*models, data=data, options=options)
        assert ran.code == 0, ran.err
        front, bundle = tmp_path / "front.json", tmp_path / "bundle"
        words = ("--max-members", 2, "--evaluations", 2000, "--out", front, "--json")
        found = encas("search", tmp_path / "pool", *words)
        assert found.code == 0, found.err
        sizes = [len(one["members"]) for one in encas("front", "show", front, "--json").json[
            "cascades"]]  # fmt: skip
        index = max(range(len(sizes)), key=lambda place: (sizes[place], place))
        made = encas("export", front, tmp_path / "pool", "--index", index, "--data", data,
                     "--out", bundle)  # fmt: skip
        assert made.code == 0, made.err
        checked = encas("verify", bundle, "--data", data, "--pool", tmp_path / "pool")
        assert checked.code == 0, checked.err
        ran = encas("run", bundle, "--data", data, "--out", tmp_path / "p.npz")
        assert ran.code == 0, ran.err
        return Manifest.load(bundle)

    return way


SOFTMAXES = ("squeeze", "reshape", "flatten", "clip", "bydiv", "if", "function")


@pytest.mark.parametrize(
    "name",
    [*(f"softmax_{what}.onnx" for what in SOFTMAXES), "ensemble_mean.onnx", "skl_forest_prob.onnx",
     "skl_nozip_prob.onnx", "skl_zipmap.onnx", "double_out.onnx", "fp16_all.onnx"],
)  # fmt: skip
def test_probabilities_are_known_however_the_graph_makes_them(build, name):
    ran = build(name)
    assert [model["kind"] for model in ran.json["models"]] == ["probabilities"]


def test_front_with_a_squeezed_softmax_is_as_good_as_with_a_plain_one(build, encas, tmp_path):
    build("small.onnx", "softmax_squeeze.onnx")
    encas("search", tmp_path / "pool", "--out", tmp_path / "f.json", "--max-members", 2, "--json")
    cascades = encas("front", "show", tmp_path / "f.json", "--json").json["cascades"]
    best = min(one["error"] for one in cascades if one["cost"] <= 26_700)
    assert 1 - best == pytest.approx(FRONT_ACCURACY, abs=1e-4)


@pytest.mark.parametrize("name", ["softmax_function.onnx", "fp16_all.onnx", "double_out.onnx"])
def test_model_is_proven_beside_a_plain_one(proven, name):
    manifest = proven("small.onnx", name)
    assert len(manifest.members) == 2
    assert manifest.input_dtype == "float32"
    assert [proof.unexplained for proof in manifest.proof] == [[], []]


def test_float16_model_alone_is_proven_with_float16_samples(proven):
    assert proven("fp16_all.onnx").input_dtype == "float16"


def test_uint8_model_is_proven_on_bytes(proven, tmp_path):
    words = ("--preprocessing", "gray1_nhwc.json")
    manifest = proven("uint8_nhwc.onnx", data="npz:digits_u8_test.npz", options=words)
    assert (manifest.input_dtype, manifest.input_shape) == ("uint8", (8, 8, 1))
    assert manifest.expected[0].accuracy == pytest.approx(BIG, abs=1e-4)
    label = np.load("digits_u8_test.npz")["label"]
    answers = np.load(tmp_path / "p.npz")["label"]
    assert (answers == label).mean() == pytest.approx(BIG, abs=1e-4)


def test_uint8_model_is_proven_beside_one_of_floats(proven):
    words = ("--preprocessing", "gray1.json")
    manifest = proven("small.onnx", "uint8_nchw.onnx", data="npz:digits_u8_test.npz", options=words)
    assert (manifest.input_dtype, len(manifest.members)) == ("uint8", 2)


def test_models_of_tables_are_proven_on_images(proven, tmp_path):
    (tmp_path / "costs.csv").write_text("name,macs\nskl_forest_prob,9000\nskl_zipmap,640\n")
    words = ("--costs", tmp_path / "costs.csv")
    manifest = proven("skl_zipmap.onnx", "skl_forest_prob.onnx", options=words)
    assert (len(manifest.members), manifest.input_shape) == (2, (1, 8, 8))


def test_floats_for_a_uint8_model_are_refused(build):
    ran = build("uint8_nchw.onnx")
    assert ran.code == 1
    assert "the model takes uint8, the samples are float32 0 .. 1: give pixels 0..255" in ran.err


def test_sigmoids_are_told(build):
    ran = build("sigmoid.onnx")
    assert ran.json["models"][0]["kind"] == "logits"
    assert "each class is scored for itself, as by a sigmoid" in ran.err
    assert ran.json["build"]["doubts"][0]["name"] == "sigmoid"


@pytest.mark.parametrize("data", ["images/bits16pair", "images/bits8"])
def test_images_of_16_bits_are_as_good_as_their_twins(build, data):
    assert build("bright.onnx", data=data).json["models"][0]["accuracy"] == 1.0


REFUSED = (
    ("c3.onnx", "images/emptyclass", "the class folder 'cyan' is empty"),
    ("c4.onnx", "images/emptyclass", "the class folder 'cyan' is empty"),
    ("c3.onnx", "images/gifclass", "'cyan' has no image of a known type, but files of other types"),
    ("c2.onnx", "images/root", "train and val are parts of a data set, not classes"),
    ("c2.onnx", "images/oneclass", "the only class is 'cat'; if perser, siam are the classes"),
    ("c3.onnx", "images/trunc", "1 of 37 images cannot be read; --skip-broken leaves them out; "),
    ("two_outputs.onnx", DIGITS, "has the outputs prob [n, 10], logits [n, 10]: say which"),
    ("fixed1_token.onnx", DIGITS, "its batch is frozen at 1, inside the file too; export it again"),
    ("fixed1_body.onnx", DIGITS, "its batch is frozen inside; export it again"),
    ("train_mode.onnx", DIGITS, "was exported in training mode (BatchNormalization, Dropout)"),
    ("lfs_pointer.onnx", DIGITS, "a pointer of Git LFS in place of the file: run `git lfs pull`"),
    ("really_pt.onnx", DIGITS, "no ONNX file, but a file of weights that torch saved"),
)


@pytest.mark.parametrize(("model", "data", "line"), REFUSED)
def test_input_that_cannot_be_used_is_told_in_a_line(build, model, data, line):
    ran = build(model, data=data)
    assert ran.code == 1
    assert line in ran.err
    assert "Traceback" not in ran.err


@pytest.mark.parametrize(
    ("spec", "kind"), [("two_outputs.onnx?output=logits", "logits"),
                       ("two_outputs.onnx?output=prob", "probabilities"),
                       ("skl_zipmap.onnx?output=output_probability", "probabilities")],
)  # fmt: skip
def test_output_that_is_chosen_is_the_models(build, spec, kind):
    (model,) = build(spec).json["models"]
    assert (model["kind"], model["name"]) == (kind, spec.partition(".")[0])


def test_broken_images_are_left_out_where_that_is_wanted(build, tmp_path):
    ran = build("c3.onnx", data="images/trunc", options=("--skip-broken",))
    assert ran.code == 0
    assert "images/trunc/green/z_trunc.jpg: not an image that can be read" in ran.err
    assert Pool.load(tmp_path / "pool").n_samples == 36


def test_numeric_classes_are_told_with_the_remedy(build):
    ran = build("c12.onnx", data="images/numeric")
    assert "in the order 1, 10, 11, 12, 2, .., as torchvision sorts them" in ran.err
    assert "give --class-map natural" in ran.err
    assert build("c12.onnx", data="images/numeric", options=("--class-map", "natural"),
                 out="other").code == 0  # fmt: skip


def test_class_folder_with_a_latin_1_name_is_refused_before_the_work(build, tmp_path):
    root = tmp_path / "latin"
    shutil.copytree("images/root/val", root)
    (root / "ähre").rename(root / os.fsdecode(b"\xe4hre"))
    ran = build("c3.onnx", data=str(root))
    assert ran.code == 1
    assert r"names are not in UTF-8 (the first: b'\xe4hre')" in ran.err
    assert not (tmp_path / "pool").exists()


@pytest.mark.torch
@pytest.mark.parametrize(
    ("file", "line"),
    [
        ("lightning.ckpt", ""),
        ("script.pt", "no file of plain tensors, but a TorchScript archive: save its tensors"),
        ("whole_model.pt", "pickles bignet.Big, which only its own code can read"),
    ],
)
def test_checkpoints_are_loaded_or_told(build, cases, tmp_path, monkeypatch, file, line):
    (tmp_path / "nets_of_cases.py").write_text(NET)
    monkeypatch.syspath_prepend(tmp_path)
    ran = build(f"torch:nets_of_cases:Big?weights=torch/{file}")
    assert (line in ran.err, "weights_only" in ran.err) == (True, False)
    if not line:
        (model,) = ran.json["models"]
        assert (model["name"], round(model["accuracy"], 4)) == ("Big", BIG)


@pytest.mark.parametrize("name", ["bigendian.npz", "name_bytes.npz", "label_onehot.npz"])
def test_outputs_are_read_as_others_write_them(encas, cases, tmp_path, name):
    ran = encas("pool", "import", f"outputs/{name}", "--out", tmp_path / "pool", "--json")
    assert ran.code == 0, ran.err
    assert [model["name"] for model in ran.json["models"]] == ["a", "b", "c"]
    assert ran.json["models"][0]["accuracy"] == 0.51


OUTPUTS_REFUSED = (
    ("table.csv", "expected the header label,MODEL:CLASS,.. with a column for each class of each"),
    ("single.npy", "put it as outputs.npy into a folder with label.npy and models.csv (name,macs)"),
    ("name_object.npz", "'name' holds Python objects, which are not read; save texts as np.array"),
    ("neginf.npz", "a class that is never meant, store a low logit such as -1e4 in place of -inf"),
    ("int8.npz", "outputs are whole numbers (int8), which do not say what they stand for; store"),
)


@pytest.mark.parametrize(("name", "line"), OUTPUTS_REFUSED)
def test_outputs_that_are_not_read_are_answered_with_the_remedy(encas, cases, tmp_path, name, line):
    ran = encas("pool", "import", f"outputs/{name}", "--out", tmp_path / "pool")
    assert (ran.code, line in ran.err) == (1, True), ran.err
    assert not (tmp_path / "pool").exists()


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("ext-wiretype-unlisted", "field 2 of the entry has the wrong wire type"),
        ("ext-wiretype-parent", "field 2 of the entry has the wrong wire type"),
        ("json-dup", "the key 'k0059999' comes twice in one object"),
    ],
)
def test_bundle_that_hides_something_is_refused(encas, cases, tmp_path, name, line):
    np.savez(tmp_path / "two.npz", x=np.zeros((5, 2), np.float32), label=np.zeros(5, np.int64))
    words = ("--data", f"npz:{tmp_path / 'two.npz'}", "--out", tmp_path / "p.npz")
    ran = encas("run", f"bundles/{name}", *words)
    assert (ran.code, line in ran.err) == (1, True), ran.err
    assert not (tmp_path / "p.npz").exists()


def test_temperatures_at_an_end_of_the_range_are_told(encas, cases, tmp_path):
    encas("pool", "import", "outputs/calib.npz", "--out", tmp_path / "pool", "--json")
    ran = encas("pool", "calibrate", tmp_path / "pool", "--out", tmp_path / "c", "--json")
    told = [note.split(":")[0] for note in ran.json["notes"]]
    assert told == ["right", "wrong", "flat"]
    assert "is the end of the range, no fit" in ran.err
