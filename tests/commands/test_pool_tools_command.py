"""`encas pool show|merge|filter|dedup|split|compare` as a user types them."""

from dataclasses import replace

import numpy as np
import pytest

from encas.pools.pool import Pool


@pytest.fixture
def pool(tiny_pool, tmp_path, monkeypatch):
    tiny_pool.save(tmp_path / "pool")
    models = tuple(replace(m, name=f"x-{m.name}") for m in tiny_pool.models)
    renamed = Pool.of(outputs=tiny_pool.outputs, label=tiny_pool.label, models=models, name="x")
    renamed.save(tmp_path / "other")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "pool"


def test_show_details_and_uses(encas, pool):
    assert encas("search", pool, "--out", "front.json", "--evaluations", 200).code == 0
    shown = encas("pool", "show", pool, "--details", "--front", "front.json", "--json").json
    assert shown["details"]["oracle"] == 1.0
    assert len(shown["details"]["ece"]) == 3
    assert set(shown["uses"]) == {"cheap", "middle", "dear"}
    assert sum(shown["uses"].values()) > 0
    assert encas("pool", "show", pool, "--pairs", "pairs.csv").code == 0
    assert len((pool.parent / "pairs.csv").read_text().splitlines()) == 4
    text = encas("pool", "show", pool, "--details", "--front", "front.json").out
    assert "ECE" in text
    assert "cascades" in text
    assert "Some model is right on 1.0000 of the samples" in text


def test_merge_filter_and_dedup_are_a_way_back(encas, pool):
    merged = encas(
        "pool", "merge", "pool", "other", "--out", "both", "--name", "both", "--json"
    ).json
    assert (merged["name"], merged["n_models"]) == ("both", 6)
    words = ("--without", "x-*", "--max", "macs=1e9", "--min-accuracy", 0.1)
    kept = encas("pool", "filter", "both", *words, "--out", "kept", "--json").json
    assert kept["sha256"] == Pool.load(pool).sha256
    left = encas("pool", "dedup", "both", "--out", "distinct", "--json").json
    assert left["n_models"] == 3
    assert {twin["like"] for twin in left["left_out"]} == {"cheap", "middle", "dear"}
    assert encas("pool", "check", "distinct").code == 0


def test_filter_by_front_keeps_its_members(encas, pool):
    words = ("--max-members", 1, "--evaluations", 300)
    assert encas("search", pool, "--out", "front.json", *words).code == 0
    kept = encas("pool", "filter", pool, "--front", "front.json", "--out", "kept", "--json").json
    assert [model["name"] for model in kept["models"]] == ["cheap", "middle", "dear"]


def test_filter_with_a_limit_that_is_none_is_refused(encas, pool):
    ran = encas("pool", "filter", pool, "--max", "macs", "--out", "kept")
    assert (ran.code, "expected COST=VALUE such as macs=1e9, got 'macs'" in ran.err) == (1, True)


def test_split_then_search_of_the_test_part_is_refused(encas, pool):
    words = ("--search", 0.5, "--selection", 0.25, "--test", 0.25, "--seed", 1)
    parts = encas("pool", "split", pool, *words, "--out", "parts", "--json").json
    assert {name: part["n_samples"] for name, part in parts.items()} == {
        "search": 4, "selection": 2, "test": 2,
    }  # fmt: skip
    assert encas("search", "parts/search", "--out", "f.json", "--evaluations", 50).code == 0
    for folder in ("parts/test", "pool"):
        ran = encas("search", folder, "--out", "f.json", "--evaluations", 50)
        assert ran.code == 1
        assert "are kept for the test and cannot be used to search" in ran.err
    ran = encas("pool", "calibrate", "parts/test", "--out", "calibrated")
    assert ran.code == 1
    assert "cannot be used to fit temperatures" in ran.err


def test_compare_tells_shared_samples_and_drift(encas, pool):
    encas("pool", "split", pool, "--out", "parts")
    apart = encas("pool", "diff", "parts/search", "parts/test", "--json").json
    assert apart["n_shared"] == 0
    assert len(apart["models"]) == 3
    same = encas("pool", "diff", "pool", "parts/test").out
    assert "2 of 8 samples of tiny are in tiny-test (by hash)" in same


def test_export_as_parquet_is_told_by_the_ending(encas, pool):
    parquet = pytest.importorskip("pyarrow.parquet")
    assert encas("pool", "export", pool, "--out", "pool.parquet").code == 0
    assert parquet.read_table("pool.parquet").num_rows == 8
    assert encas("pool", "export", pool, "--out", "pool.npz").code == 0
    assert np.load("pool.npz")["outputs"].shape == (3, 8, 3)
