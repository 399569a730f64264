"""Building pools: what is stored, who fails, what is shared, what a killed build keeps."""

import hashlib
import json
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from encas.errors import DataError, PoolError  # noqa: E402
from encas.pools.building.build_pool import build_pool  # noqa: E402
from encas.pools.models.specs import source_model  # noqa: E402
from encas.pools.pool import Pool  # noqa: E402
from encas.pools.pool_check import check_pool  # noqa: E402

pytestmark = pytest.mark.torch
NET = "torch:little_nets:make?style={}&width={}"


BUILD, DECODING = "building the pool", "decoding images"


class Notes:
    """Writes down what it hears."""

    def __init__(self):
        self.heard = []

    def __call__(self, progress):
        self.heard.append(progress)

    @property
    def started(self):
        """The models that ran, in order."""
        tasks = dict.fromkeys(each.what for each in self.heard)
        return [what for what in tasks if what not in {BUILD, DECODING}]

    @property
    def decoded(self):
        """How many images were decoded, all passes together."""
        return sum(each.done for each in self.heard if each.what == DECODING and each.is_over)

    @property
    def news(self):
        return [line for each in self.heard for line in each.news.splitlines()]


def nets_of(*widths, kind="net"):
    return tuple(f"w{width}={NET.format(kind, width)}" for width in widths)


def request_for(pictures, *models, **options):
    options = {"preprocessing": Path("preprocessing.json"), "workers": 1} | options
    return {"models": models, "data": str(pictures), **options}


def files_of(folder):
    """Every file of a pool but what is said of the build."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "build.json"
    }


def test_pool_holds_what_the_models_answer(nets, pictures):
    notes = Notes()
    report = build_pool(
        **request_for(pictures, *nets_of(4, 6)), out=nets / "pool", on_progress=notes
    )
    pool = check_pool(nets / "pool")
    assert (report.n_models, report.n_built, report.refusals) == (2, 2, ())
    assert pool.names == ("w4", "w6")
    assert pool.classes == ("ant", "bee", "cat")
    assert pool.data == str(pictures)
    assert pool.samples is not None
    assert [model.costs["macs"] for model in pool.models] == [64 * 27 * w + 3 * w for w in (4, 6)]
    accuracies = [(pool.probabilities(i).argmax(1) == pool.label).mean() for i in range(2)]
    for name, accuracy, news in zip(pool.names, accuracies, notes.news[1:], strict=True):
        assert re.fullmatch(rf"{name}: accuracy {accuracy:.4f} \(.*, n = 12\), .* images/s", news)
    copied = hashlib.sha256((nets / "preprocessing.json").read_bytes()).hexdigest()[:8]
    assert sorted(p.name for p in (nets / "pool").iterdir()) == [
        "build.json", "label.npy", "outputs", "pool.json", f"preprocessing-{copied}.json",
        "samples.npy",
    ]  # fmt: skip


def test_pool_states_sources_that_rebuild_its_models(nets, pictures, tmp_path_factory):
    torch.save(source_model(NET.format("net", 5)).build().state_dict(), nets / "five.pt")
    spec = NET.format("net", 5) + "&weights=five.pt"
    build_pool(**request_for(pictures, spec), out=nets / "deep" / "pool")
    pool = Pool.load(nets / "deep" / "pool")
    (model,) = pool.models
    assert model.name == "make,style=net,width=5"
    source = source_model(model.source, base=pool.path)
    assert source.preprocessing == json.loads((nets / "preprocessing.json").read_text())
    assert source.build().head.in_features == 5
    assert "../../five.pt" in model.source


def test_pool_states_each_models_own_preprocessing(nets, pictures):
    (nets / "larger.json").write_text(json.dumps({"size": [12, 12], "crop": 0.9}))
    knowing = f"knowing={NET.format('net', 6)}&preprocessing=larger.json"
    timm = "vit=timm:test_vit?pretrained=false&num_classes=3"
    build_pool(**request_for(pictures, knowing, timm, *nets_of(4)), out=nets / "pool")
    (nets / "later.json").write_text(json.dumps({"size": [6, 6]}))
    later = request_for(pictures, *nets_of(5), preprocessing=nets / "later.json")
    build_pool(**later, out=nets / "pool")
    pool = Pool.load(nets / "pool")
    stated = [source_model(m.source, base=pool.path).preprocessing for m in pool.models]
    assert [given["size"] for given in stated] == [[12, 12], [160, 160], [8, 8], [6, 6]]
    assert pool.models[1].source == timm.partition("=")[2] + "&kind=logits"


def test_models_that_want_the_same_pixels_share_one_pass(nets, pictures):
    other = {"size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1], "layout": "nchw"}
    (nets / "other.json").write_text(json.dumps(other))
    larger = {"size": [12, 12], "crop": 0.9}
    (nets / "larger.json").write_text(json.dumps(larger))
    models = [
        *nets_of(3, 4),
        f"other={NET.format('net', 5)}&preprocessing=other.json",
        f"larger={NET.format('net', 6)}&preprocessing=larger.json",
    ]
    notes = Notes()
    report = build_pool(**request_for(pictures, *models), out=nets / "pool", on_progress=notes)
    assert report.n_passes == 2
    assert notes.decoded == 2 * 12
    assert Pool.load(nets / "pool").names == ("w3", "w4", "other", "larger")


def test_pixels_that_may_not_lie_on_the_disk_make_the_same_pool(nets, pictures):
    models = nets_of(3, 4)
    build_pool(**request_for(pictures, *models), out=nets / "cached")
    build_pool(**request_for(pictures, *models, cache_gb=0.0), out=nets / "streamed")
    cached, streamed = files_of(nets / "cached"), files_of(nets / "streamed")
    assert cached.pop("pool.json") != streamed.pop("pool.json"), "they have their folders' names"
    assert cached == streamed


def test_models_that_fail_stop_nobody(nets, pictures):
    models = [
        f"broken={NET.format('broken', 3)}",
        f"infinite={NET.format('infinite', 3)}",
        "wide=torch:little_nets:make?classes=7",
        "gone=onnx:gone.onnx",
        *nets_of(4),
    ]
    report = build_pool(**request_for(pictures, *models), out=nets / "pool")
    assert Pool.load(nets / "pool").names == ("w4",)
    reasons = {refusal.name: refusal.reason for refusal in report.refusals}
    assert next(iter(reasons)) == "gone"
    assert "a bug of the model's author" in reasons["broken"]
    assert "infinite: infinity in 12 of 12 rows" in reasons["infinite"]
    assert "gives 7 classes, the data have 3" in reasons["wide"]
    assert "no such file" in reasons["gone"]


@pytest.mark.slow
def test_processes_make_the_same_pool_and_are_replaced_where_a_model_kills_them(nets, pictures):
    for name in "ab":
        (nets / name).mkdir()
    bad = [f"{kind}={NET.format(kind, 3)}" for kind in ("dying", "broken")]
    build_pool(**request_for(pictures, *nets_of(3, 4, 5)), out=nets / "a" / "pool")
    together = request_for(pictures, *bad, *nets_of(3, 4, 5), workers=2)
    report = build_pool(**together, out=nets / "b" / "pool")
    reasons = {refusal.name: refusal.reason for refusal in report.refusals}
    assert reasons["dying"] == "its process died (exit code 7)"
    assert "a bug of the model's author" in reasons["broken"]
    assert files_of(nets / "a" / "pool") == files_of(nets / "b" / "pool")


def test_images_without_any_preprocessing_are_told(nets, pictures):
    with pytest.raises(PoolError, match="its preprocessing is not known: give --preprocessing"):
        build_pool(**request_for(pictures, *nets_of(4), preprocessing=None), out=nets / "pool")


def test_build_with_other_settings_into_one_pool_is_refused(nets, pictures):
    build_pool(**request_for(pictures, *nets_of(4)), out=nets / "pool")
    with pytest.raises(PoolError, match="dtype must be the same in one pool"):
        build_pool(**request_for(pictures, *nets_of(5), stored="float16"), out=nets / "pool")
    threads = request_for(pictures, *nets_of(5), n_threads=2)
    with pytest.raises(PoolError, match="threads must be the same in one pool: it was 1, now"):
        build_pool(**threads, out=nets / "pool")
    again = request_for(pictures, *nets_of(5), stored="float16", overwrite=True)
    build_pool(**again, out=nets / "pool")
    pool = Pool.load(nets / "pool")
    assert pool.names == ("w5",)
    assert pool.outputs[0].dtype == np.float16


def test_overwrite_spares_the_folder_of_something_else(nets, pictures):
    (nets / "mine").mkdir()
    (nets / "mine" / "thesis.txt").write_text("do not touch")
    with pytest.raises(PoolError, match="is no folder of an earlier build"):
        build_pool(**request_for(pictures, *nets_of(4), overwrite=True), out=nets / "mine")
    assert [path.name for path in (nets / "mine").iterdir()] == ["thesis.txt"]


def test_model_whose_weights_changed_runs_again(nets, pictures):
    state = source_model(NET.format("net", 5)).build().state_dict()
    torch.save(state, nets / "five.pt")
    models = [NET.format("net", 5) + "&weights=five.pt", *nets_of(3)]
    build_pool(**request_for(pictures, *models), out=nets / "pool")
    first = np.array(Pool.load(nets / "pool").outputs[0])
    torch.save({key: value + 0.5 for key, value in state.items()}, nets / "five.pt")
    notes = Notes()
    build_pool(**request_for(pictures, *models), out=nets / "pool", on_progress=notes)
    assert notes.started == ["make,style=net,width=5"]
    assert not np.array_equal(check_pool(nets / "pool").outputs[0], first)


def test_model_whose_macs_nobody_counts_is_in_the_pool_without_them(nets, pictures):
    onnx = pytest.importorskip("onnx")
    helper = onnx.helper
    floats = onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["a"]),
            helper.make_node("Unsqueeze", ["a", "axis"], ["b"]),
            helper.make_node("RNN", ["b", "w", "r"], ["", "c"], hidden_size=3),
            helper.make_node("Squeeze", ["c", "axis"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", floats, ("n", 3, 8, 8))],
        [helper.make_tensor_value_info("y", floats, ("n", 3))],
        [
            onnx.numpy_helper.from_array(np.array([0]), "axis"),
            onnx.numpy_helper.from_array(np.full((1, 3, 192), 0.01, np.float32), "w"),
            onnx.numpy_helper.from_array(np.full((1, 3, 3), 0.1, np.float32), "r"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(nets / "rnn.onnx"))
    report = build_pool(**request_for(pictures, "onnx:rnn.onnx", *nets_of(4)), out=nets / "pool")
    (remark,) = report.unpriced
    assert (remark.name, report.refusals) == ("rnn", ())
    assert re.search("cannot count the operator RNN; .* or search by a measured", remark.reason)
    pool = check_pool(nets / "pool")
    assert "macs" not in pool.models[0].costs
    with pytest.raises(PoolError, match=r"1 of 2 models have no cost 'macs' \(first: rnn\)"):
        pool.costs("macs")
    (nets / "costs.csv").write_text("name,macs\nrnn,585\n")
    again = request_for(pictures, "onnx:rnn.onnx", costs=nets / "costs.csv", overwrite=True)
    assert build_pool(**again, out=nets / "pool").unpriced == ()
    assert Pool.load(nets / "pool").costs("macs").tolist() == [585]


def test_costs_of_a_table_are_added_and_count_more(nets, pictures):
    (nets / "costs.csv").write_text("name,macs,joules\nw4,7,0.5\n")
    costs = nets / "costs.csv"
    build_pool(**request_for(pictures, *nets_of(3, 4), costs=costs), out=nets / "pool")
    first, second = Pool.load(nets / "pool").models
    assert first.costs["macs"] == 64 * 27 * 3 + 9
    assert "joules" not in first.costs
    assert (second.costs["macs"], second.costs["joules"]) == (7, 0.5)


def test_part_of_the_data_is_stratified_and_repeats(nets, pictures):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build_pool(**request_for(pictures, *nets_of(4), n_samples=6, seed=seed), out=nets / name)
    a, b, c = (Pool.load(nets / name) for name in "abc")
    assert np.bincount(a.label).tolist() == [2, 2, 2]
    assert a.sha256 == b.sha256 != c.sha256
    assert a.data == ""


def test_class_map_picks_the_datas_classes(nets, pictures):
    (nets / "map.json").write_text(json.dumps({"ant": 3, "bee": 0, "cat": 4}))
    wide = "wide=torch:little_nets:make?classes=5"
    build_pool(**request_for(pictures, wide, class_map="map.json"), out=nets / "pool")
    assert Pool.load(nets / "pool").outputs[0].shape == (12, 3)


def test_samples_that_are_no_images_are_fed_as_they_are(nets, rng):
    x = rng.random((6, 3, 5, 5)).astype(np.float32)
    np.savez(nets / "x.npz", x=x, label=np.array([0, 1, 2, 0, 1, 2]))
    build_pool(nets_of(4), data=f"npz:{nets / 'x.npz'}", workers=1, out=nets / "pool")
    with torch.no_grad():
        expected = source_model(NET.format("net", 4)).build()(torch.tensor(x)).numpy()
    stored = Pool.load(nets / "pool").outputs[0]
    np.testing.assert_allclose(stored, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("presses", [1, 2])
def test_interrupted_build_leaves_a_pool_and_goes_on(nets, pictures, ctrl_c, presses):
    pressed = []

    def impatient(progress):
        if progress.what == "w5" and len(pressed) < presses:
            pressed.append(progress)
            ctrl_c()

    models = nets_of(4, 5, 6)
    with pytest.raises(KeyboardInterrupt) as stop:
        build_pool(**request_for(pictures, *models), out=nets / "pool", on_progress=impatient)
    advice = "holds the models that are done: the same command goes on"
    assert (advice in str(stop.value)) == (presses == 1)
    assert check_pool(nets / "pool").names == ("w4",)
    assert (nets / "pool" / ".work").is_dir(), "the decoded images are still there"
    notes = Notes()
    build_pool(**request_for(pictures, *models), out=nets / "pool", on_progress=notes)
    assert notes.started == ["w5", "w6"]
    assert notes.decoded == 0
    assert not (nets / "pool" / ".work").exists()


def test_image_that_cannot_be_read_ends_the_build_with_its_name(nets, pictures):
    shutil.copytree(pictures, nets / "damaged")
    (nets / "damaged" / "bee" / "2.png").write_bytes(b"no picture")
    with pytest.raises(DataError, match=r"bee/2.png: not an image that can be read"):
        build_pool(**request_for(nets / "damaged", *nets_of(4, 5)), out=nets / "pool")


def test_timm_models_over_imagenetv2_have_its_thousand_classes(nets, pictures):
    folder = nets / "imagenetv2-top-images-format-val" / "7"
    folder.mkdir(parents=True)
    for index, path in enumerate(sorted(pictures.rglob("*.png"))[:3]):
        shutil.copy(path, folder / f"{index}.png")
    models = ("timm:test_vit?pretrained=false", "timm:test_resnet?pretrained=false")
    data = f"imagenetv2:{nets}"
    report = build_pool(models, data=data, workers=1, stored="float16", out=nets / "pool")
    pool = check_pool(nets / "pool")
    assert [output.shape for output in pool.outputs] == [(3, 1000)] * 2
    assert pool.label.tolist() == [7, 7, 7]
    assert report.refusals == ()


def test_held_out_samples_of_a_split_stay_marked_when_the_pool_grows(nets, pictures, encas):
    build_pool(**request_for(pictures, *nets_of(4)), out=nets / "pool")
    split = encas("pool", "split", nets / "pool", "--out", nets / "parts", "--json").json
    n_test = split["test"]["n_samples"]
    build_pool(**request_for(pictures, *nets_of(5)), out=nets / "pool")
    assert len(Pool.load(nets / "pool").held_out) == n_test
    for other, name in ((nets / "parts" / "test", "again"), (nets / "all", "more")):
        if name == "more":
            build_pool(**request_for(pictures, *nets_of(4)), out=other)
        build_pool(**request_for(pictures, *nets_of(4), held_out=other), out=nets / name)
        assert encas("search", nets / name, "--out", nets / "f.json").code == 1


def test_build_killed_while_it_wrote_leaves_no_trace(nets, pictures):
    (nets / "whole").mkdir()
    build_pool(**request_for(pictures, *nets_of(4, 5)), out=nets / "whole" / "pool")
    (nets / "pool").mkdir()
    (nets / "pool" / ".build.json.ab12_xyz").write_bytes(b"{")
    build_pool(**request_for(pictures, *nets_of(4)), out=nets / "pool")
    (nets / "pool" / ".pool.json.ab12_xyz").write_bytes(b"{")
    (nets / "pool" / "outputs" / ".w5.npy.ab12_xyz").write_bytes(b"half")
    build_pool(**request_for(pictures, *nets_of(4, 5)), out=nets / "pool")
    assert files_of(nets / "pool") == files_of(nets / "whole" / "pool")


COMMAND = """
import sys
from encas.cli import main
main(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="there is no SIGKILL here")
def test_killed_build_goes_on_and_ends_the_same(nets, pictures):
    models = nets_of(3, 4, 5, kind="slow")
    (nets / "whole").mkdir()
    build_pool(**request_for(pictures, *models), out=nets / "whole" / "pool")
    arguments = [word for model in models for word in ("--model", model)]
    arguments += ["--data", str(pictures), "--preprocessing", "preprocessing.json"]
    command = [sys.executable, "-c", COMMAND, "pool", "build", *arguments, "--out", "pool"]
    with subprocess.Popen(
        [*command, "--workers", "1"], cwd=nets, stderr=subprocess.PIPE, text=True
    ) as process:
        told = next(line for line in process.stderr if ": accuracy" in line)
        process.kill()
    stored = Pool.load(nets / "pool").names
    assert told.startswith(f"{stored[0]}: ")
    notes = Notes()
    build_pool(**request_for(pictures, *models), out=nets / "pool", on_progress=notes)
    assert [*stored, *notes.started] == ["w3", "w4", "w5"]
    assert files_of(nets / "pool") == files_of(nets / "whole" / "pool")


@pytest.fixture
def torn(pictures, nets):
    """The pictures in the folder `torn`, of which two cannot be read."""
    shutil.copytree(pictures, nets / "torn")
    for name in ("ant/0.png", "cat/2.png"):
        (nets / "torn" / name).write_bytes(b"no image")
    return nets / "torn"


def test_broken_images_stop_the_build_and_can_be_left_out(nets, torn):
    request = request_for(torn, *nets_of(4))
    with pytest.raises(DataError, match=r"2 of 12 images cannot be read; .*ant/0\.png.*cat/2\.png"):
        build_pool(**request, out=nets / "pool")
    notes = Notes()
    build_pool(**request, skip_broken=True, out=nets / "pool", on_progress=notes)
    pool = check_pool(nets / "pool")
    assert pool.n_samples == 10
    assert notes.news[0] == "2 of 12 images cannot be read and are left out:"
    assert [Path(line.split(":")[0]).name for line in notes.news[1:3]] == ["0.png", "2.png"]


def test_broken_images_of_a_part_are_left_out_of_it(nets, torn):
    rows = (0, 1, 5, 10)
    build_pool(**request_for(torn, *nets_of(4)), rows=rows, skip_broken=True, out=nets / "pool")
    assert check_pool(nets / "pool").label.tolist() == [0, 1]


def test_data_without_broken_images_stay_whole(nets, pictures):
    build_pool(**request_for(pictures, *nets_of(4)), skip_broken=True, out=nets / "pool")
    assert check_pool(nets / "pool").data == str(pictures)


def test_what_is_odd_about_the_data_is_news(nets, pictures):
    shutil.copytree(pictures, nets / "odd")
    (nets / "odd" / "ant" / "x.gif").write_bytes(b"GIF87a")
    notes = Notes()
    build_pool(**request_for(nets / "odd", *nets_of(4)), out=nets / "pool", on_progress=notes)
    assert notes.news[0].endswith("(1 .gif) are left out; convert them to PNG or JPEG")


@pytest.mark.parametrize(("said", "kind"), [("", "probabilities"), ("&kind=logits", "logits")])
def test_kind_is_found_by_values_unless_it_is_said(nets, pictures, said, kind):
    spec = NET.format("softmaxed", 4) + said
    report = build_pool(**request_for(pictures, f"m={spec}"), out=nets / "pool")
    (model,) = Pool.load(nets / "pool").models
    assert model.kind == kind
    assert f"kind={kind}" in model.source
    doubts = [doubt.name for doubt in report.doubts if "?kind=" in doubt.reason]
    assert doubts == (["m"] if said else [])


def test_kind_of_few_samples_is_not_told_by_chance(nets):
    (nets / "chancy.py").write_text(
        "from torch import nn\n\n\nclass Chancy(nn.Module):\n    def forward(self, x):\n"
        "        return x\n"
    )
    np.savez(nets / "few.npz", x=np.array([[0.2, 0.8], [0.5, 0.5]], np.float32), label=[0, 1])
    build_pool("torch:chancy:Chancy", data=f"npz:{nets / 'few.npz'}", out=nets / "pool", workers=1)
    assert Pool.load(nets / "pool").models[0].kind == "logits"


def test_broken_images_stop_a_build_that_keeps_no_pixels(nets, torn):
    request = request_for(torn, *nets_of(4), cache_gb=0.0)
    with pytest.raises(DataError, match=r"2 of 12 images cannot be read; .*ant/0\.png.*cat/2\.png"):
        build_pool(**request, out=nets / "pool")


def test_models_that_guess_and_pixels_divided_twice_are_doubted(nets, tmp_path, rng):
    x = rng.integers(0, 255, (60, 8, 8, 3)).astype(np.uint8)
    np.savez(nets / "noise.npz", x=x, label=np.arange(60) % 3)
    steps = '{"size": [8, 8], "mean": [123.7, 116.3, 103.5], "std": [58.4, 57.1, 57.4]}'
    (nets / "twice.json").write_text(steps)
    options = {"preprocessing": nets / "twice.json", "out": nets / "pool"}
    report = build_pool(**request_for("npz:noise.npz", *nets_of(4), **options))
    reasons = [doubt.reason for doubt in report.doubts]
    assert any("say scale 1, or divide mean and std by 255" in reason for reason in reasons)
    assert any("is no better than guessing among 3 classes" in reason for reason in reasons)
