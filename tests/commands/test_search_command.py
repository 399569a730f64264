import io
import json
import sys

import numpy as np
import pytest

from encas import work as driving
from encas.cli import main
from encas.commands import console
from encas.fronts.front import Front
from encas.latency import LatencyProfile, Setting, Timing
from encas.pools.pool import Pool


@pytest.fixture
def pool_folder(tiny_pool, tmp_path):
    return tiny_pool.save(tmp_path / "pool").path


@pytest.fixture
def front_file(encas, pool_folder, tmp_path):
    file = tmp_path / "front.json"
    assert encas("search", pool_folder, "--out", file, "--evaluations", 500).code == 0
    return file


def test_search_writes_a_front_that_front_show_prints(encas, front_file):
    shown = encas("front", "show", front_file, "--json")
    assert shown.json == Front.load(front_file).to_json()
    assert "against macs" in encas("front", "show", front_file).out


def test_search_prints_where_the_front_is_and_three_answers(encas, pool_folder, tmp_path):
    file = tmp_path / "f.json"
    ran = encas("search", pool_folder, "--out", file)
    where, *answers = ran.out.splitlines()
    assert where.startswith(f"{file}: ")
    assert where.endswith(f"`encas front show {file}` lists them")
    assert [line.split(":")[0] for line in answers] == [
        "best single model", "cheapest as accurate", "most accurate"
    ]  # fmt: skip
    assert answers == Front.load(file).answers.lines()
    chosen = encas("select", file, "--knee")
    assert chosen.out.splitlines()[-3:] == answers
    assert (
        encas("select", file, "--knee", "--json").json["answers"]
        == json.loads(file.read_text())["answers"]
    )


def test_search_json_is_the_front(encas, pool_folder, tmp_path):
    ran = encas("search", pool_folder, "--out", tmp_path / "f.json", "--evaluations", 50, "--json")
    assert ran.json["format"] == "encas.front"
    assert ran.json == Front.load(tmp_path / "f.json").to_json()


def test_search_says_which_algorithm_auto_took(encas, pool_folder, tmp_path):
    ran = encas("search", pool_folder, "--out", tmp_path / "f.json")
    assert ran.code == 0
    assert "found by exact" in ran.out
    assert "exact on tiny by macs: 0 of 15 evaluations" in ran.err


def test_search_by_latency_uses_the_profile(encas, pool_folder, tmp_path):
    setting = Setting(device="cpu", device_name="x", provider="p", n_threads=1, versions={})
    times = {"cheap": 1.0, "middle": 0.5, "dear": 2.0}
    timings = [Timing(name=n, batch_size=1, p50_ms=t, p90_ms=t, p99_ms=t) for n, t in times.items()]
    LatencyProfile(setting=setting, timings=tuple(timings)).save(tmp_path / "profile.json")
    arguments = (
        "--objective",
        "latency",
        "--profile",
        tmp_path / "profile.json",
        "--batch-size",
        1,
    )
    file = tmp_path / "f.json"
    assert encas("search", pool_folder, "--out", file, "--evaluations", 300, *arguments).code == 0
    front = Front.load(file)
    assert front.objectives == ("error", "latency")
    assert front.cascades[0].cascade.members == ("middle",)
    assert front.cascades[0].cost == 0.5
    assert front.cascades[0].costs["macs"] == 4e6


def test_search_by_latency_without_profile_is_refused(encas, pool_folder, tmp_path):
    ran = encas("search", pool_folder, "--out", tmp_path / "f.json", "--objective", "latency")
    assert ran.code == 1
    assert "latency needs measured times" in ran.err


def test_search_missing_output_folder_is_refused_at_once(encas, pool_folder, tmp_path):
    ran = encas("search", pool_folder, "--out", tmp_path / "none" / "f.json")
    assert ran.code == 1
    assert "no such folder to write the front to" in ran.err


def test_search_resume_goes_on(encas, pool_folder, tmp_path):
    whole, part = tmp_path / "whole.json", tmp_path / "part.json"
    search = ("search", pool_folder, "--algorithm", "mo-gomea", "--out")
    encas(*search, whole, "--evaluations", 700)
    encas(*search, part, "--evaluations", 300)
    encas(*search, part, "--evaluations", 700, "--resume")
    assert Front.load(part).cascades == Front.load(whole).cascades


class Terminal(io.StringIO):
    """Where a user reads how far the search is, and presses Ctrl-C at the third line."""

    def __init__(self, press):
        super().__init__()
        self.press, self.n_lines = press, 0

    def write(self, text):
        self.n_lines += text.count("of 100,000,000 evaluations")
        if self.n_lines == 3:
            self.n_lines += 1
            self.press()
        return super().write(text)


def test_search_ctrl_c_leaves_a_valid_front(tmp_path, rng, monkeypatch, ctrl_c):
    outputs = rng.dirichlet(np.ones(4), size=(6, 500)).astype(np.float32)
    names = [f"m{i}" for i in range(6)]
    costs = {"macs": list(range(1, 7))}
    label = rng.integers(0, 4, 500)
    Pool.of(outputs=outputs, label=label, names=names, costs=costs).save(tmp_path / "pool")
    file = tmp_path / "front.json"
    monkeypatch.setattr(driving, "PROGRESS_EVERY_S", 0.0)
    monkeypatch.setattr(console, "LINE_EVERY_S", 0.0)
    terminal = Terminal(ctrl_c)
    monkeypatch.setattr(sys, "stderr", terminal)
    arguments = ["search", str(tmp_path / "pool"), "--out", str(file)]
    with pytest.raises(SystemExit) as stop:
        main([*arguments, "--algorithm", "mo-gomea", "--evaluations", "100000000"])
    assert stop.value.code == 130
    assert "holds what was found; go on with --resume" in terminal.getvalue()
    assert (tmp_path / "front.json.checkpoint.npz").is_file()
    front = Front.load(file)
    assert front.search["ended"] == "interrupted"
    assert len(front.cascades) > 1


def test_select_prints_one_cascade(encas, front_file):
    chosen = encas("select", front_file, "--min-accuracy", 1.0, "--json").json
    front = Front.load(front_file)
    assert chosen["accuracy"] == 1.0
    assert chosen["cost"] == min(c.cost for c in front.cascades if c.accuracy == 1.0)
    assert chosen["n_samples"] == 8
    assert chosen["interval"][0] < 1
    text = encas("select", front_file, "--min-accuracy", 1.0).out
    assert "stage 1:" in text
    assert "answers the rest" in text


def test_select_nothing_fits_is_exit_one_with_the_nearest_miss(encas, front_file):
    ran = encas("select", front_file, "--max-cost", 10)
    assert ran.code == 1
    assert "nearest miss: cascade 0" in ran.err


def test_select_damaged_front_is_refused(encas, front_file):
    front_file.write_text(front_file.read_text()[:-20])
    ran = encas("select", front_file)
    assert ran.code == 1
    assert "not a JSON file" in ran.err


def test_search_by_latency_measures_first_what_is_missing(encas, loop, tmp_path, patient):
    file, profile = tmp_path / "f.json", tmp_path / "f.profile.json"
    asked = ("search", loop.pool, "--out", file, "--objective", "latency", "--batch-size", 2)
    ran = encas(*asked, "--measure-on", "cpu", "--threads", 1, "--evaluations", 100)
    assert ran.code == 0, ran.err
    measured = LatencyProfile.load(profile)
    assert measured.members == ("small", "medium", "large")
    assert all(measured.batch_sizes(member) == (1, 2) for member in measured.members)
    front = Front.load(file)
    assert (front.objectives, front.batch_size) == (("error", "latency"), 2)

    before = profile.read_bytes()
    ran = encas(*asked, "--device", "cpu", "--threads", 1, "--profile", profile)
    assert ran.code == 0, ran.err
    assert profile.read_bytes() == before
