"""A build as work: what it counts, what it tells, what need not run again."""

import pytest

pytest.importorskip("torch")

from encas.pools.building.build_pool import build_pool

pytestmark = pytest.mark.torch
NET = "torch:little_nets:make?style={}&width={}"
N_SAMPLES = 12


def built(pictures, out, *models):
    """Everything that a build told, task by task."""
    heard = {}
    build_pool(
        models,
        data=pictures,
        out=out,
        preprocessing="preprocessing.json",
        workers=1,
        on_progress=lambda p: heard.setdefault(p.what, []).append(p),
    )
    return heard


def news_of(heard):
    return [line for each in heard["building the pool"] for line in each.news.splitlines()]


@pytest.fixture(autouse=True)
def every_step(monkeypatch):
    monkeypatch.setattr("encas.work.PROGRESS_EVERY_S", 0.0)


def test_whole_build_counts_samples_and_names_models(nets, pictures):
    heard = built(pictures, nets / "pool", f"a={NET.format('net', 3)}", f"b={NET.format('net', 4)}")
    whole = heard["building the pool"]
    assert (whole[0].done, whole[0].total, whole[0].text) == (0, 2 * N_SAMPLES, "0 of 2 models")
    assert (whole[-1].done, whole[-1].text) == (2 * N_SAMPLES, "2 of 2 models")
    assert [each.done for each in whole] == sorted(each.done for each in whole)
    for name in "ab":
        assert heard[name][0].done == 0
        assert [each.is_over for each in heard[name]] == [False] * (len(heard[name]) - 1) + [True]


def test_model_that_fails_counts_as_a_whole_and_is_told(nets, pictures):
    models = (f"bad={NET.format('broken', 3)}", "gone=onnx:gone.onnx", f"a={NET.format('net', 3)}")
    heard = built(pictures, nets / "pool", *models)
    _, *news = news_of(heard)
    assert news[0].startswith("failed gone: ")
    assert news[1].startswith("failed bad: KeyError")
    assert news[2].startswith("a: accuracy ")
    assert heard["bad"][-1].is_over
    assert "gone" not in heard
    assert heard["building the pool"][-1].total == 2 * N_SAMPLES


def test_models_that_are_there_are_told_and_do_not_run(nets, pictures):
    first, second = f"a={NET.format('net', 3)}", f"b={NET.format('net', 4)}"
    built(pictures, nets / "pool", first)
    heard = built(pictures, nets / "pool", first, second)
    assert news_of(heard)[1] == "1 of 2 models are there already"
    assert "a" not in heard
    assert heard["building the pool"][0].total == N_SAMPLES
    again = built(pictures, nets / "pool", first, second)
    assert news_of(again)[1:] == ["2 of 2 models are there already"]
    assert again["building the pool"][-1].is_over
    assert set(again) == {"building the pool"}
