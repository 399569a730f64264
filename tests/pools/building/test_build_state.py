"""What a build remembers: the same pool goes on, another one is refused."""

from dataclasses import replace

import pytest

from encas.errors import PoolError
from encas.pools.building.build_state import BuildState, Planned, continued, unchanged

A = Planned(name="a", spec="onnx:a.onnx", preprocessing={"size": [8, 8]}, files=("0" * 64,))
B = Planned(name="b", spec="timm:b", preprocessing={}, files=())
STATE = BuildState(
    data="val.zip",
    data_sha256="1" * 64,
    n_classes=3,
    settings={"precision": "float32", "batch_size": None},
    models=(A, B),
)


def test_state_round_trip_is_identical(tmp_path):
    assert BuildState.load(tmp_path) is None
    STATE.save(tmp_path)
    assert BuildState.load(tmp_path) == STATE


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        ('{"format": "encas.pool", "version": 1}', "format must be 'encas.build'"),
        ("{", "not a JSON file"),
    ],
)
def test_foreign_state_is_refused(tmp_path, content, fault):
    (tmp_path / "build.json").write_text(content)
    with pytest.raises(PoolError, match=fault):
        BuildState.load(tmp_path)


def test_continued_keeps_the_old_order_and_adds_what_is_new():
    c = replace(B, name="c")
    new = replace(STATE, models=(c, B))
    assert [model.name for model in continued(STATE, new, where="").models] == ["a", "b", "c"]


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"data_sha256": "2" * 64}, "the content of the data must be the same in one pool"),
        ({"n_classes": 4}, "the number of classes must be the same in one pool: it was 3, now"),
        (
            {"settings": {"precision": "float16"}},
            "precision must be .*'float32', now it is 'float16'",
        ),
        (
            {"models": (replace(A, spec="timm:a"),)},
            "a was made of 'onnx:a.onnx', now it is 'timm:a'",
        ),
    ],
)
def test_continued_with_other_bytes_is_refused(change, fault):
    with pytest.raises(PoolError, match=f"{fault}.*give another --out, or --overwrite"):
        continued(STATE, replace(STATE, **change), where="pool")


def test_unchanged_models_are_those_with_the_same_files_and_preprocessing():
    assert unchanged(None, STATE) == frozenset()
    assert unchanged(STATE, STATE) == {"a", "b"}
    other = replace(A, files=("3" * 64,))
    assert unchanged(STATE, replace(STATE, models=(other, B))) == {"b"}
    other = replace(A, preprocessing={"size": [9, 9]})
    assert unchanged(STATE, replace(STATE, models=(other, B))) == {"b"}
