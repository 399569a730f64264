"""`export_bundle` as Python users call it; what it proves is tested with the command."""

import pytest

from encas.errors import ExportError, FrontError, PoolError
from encas.fronts.front import Front
from encas.fronts.scoring import evaluate_front
from encas.jobs.export_front import export_bundle
from encas.manifest import Manifest
from encas.pools.pool_split import split_pool


def test_export_of_values_and_of_paths_makes_the_same_members(loop, held, tmp_path):
    by_value = export_bundle(Front.load(loop.front), held, index=1, out=tmp_path / "a")
    by_path = export_bundle(str(loop.front), str(loop.pool), index=1, out=str(tmp_path / "b"))
    hashes = [[member.sha256 for member in one.members] for one in (by_value, by_path)]
    assert hashes[0] == hashes[1]
    assert Manifest.load(str(tmp_path / "a")) == by_value


def test_export_of_a_pool_in_memory_is_proven_on_its_data(loop, held, tmp_path):
    manifest = export_bundle(loop.front, held, index=2, data=loop.data, out=tmp_path / "b")
    assert {proof.against for proof in manifest.proof} == {"the outputs stored in pool held"}
    assert all(proof.n_samples == 60 for proof in manifest.proof)


def test_export_chooses_as_select_does(loop, tmp_path):
    front = Front.load(loop.front)
    for place, limits in enumerate(({"max_cost": 1e9}, {"min_accuracy": 0.1}, {"knee": True})):
        made = export_bundle(front, loop.pool, out=tmp_path / f"{place}", graph=None, **limits)
        assert made.cascade == front.select(**limits)
        assert made.graph is None


@pytest.mark.parametrize(
    ("options", "error", "match"),
    [
        ({}, FrontError, "say which cascade: give index=, min_accuracy=, .*knee=True"),
        ({"index": 1, "knee": True}, FrontError, "index of a cascade, or limits .* not both"),
        ({"index": 7}, ExportError, r"the front has the cascades 0..2, got 7"),
        ({"max_cost": 0}, FrontError, "nearest miss"),
    ],
)
def test_export_of_no_certain_cascade_is_refused(loop, tmp_path, options, error, match):
    with pytest.raises(error, match=match):
        export_bundle(loop.front, loop.pool, out=tmp_path / "b", **options)
    assert not (tmp_path / "b").exists()


def test_export_of_nonsense_is_refused(loop, held, tmp_path):
    with pytest.raises(FrontError, match="expected a Front or the path of one, got Pool"):
        export_bundle(held, loop.pool, index=0, out=tmp_path / "b")
    with pytest.raises(PoolError, match="expected a Pool or the path of one, got Front"):
        export_bundle(loop.front, Front.load(loop.front), index=0, out=tmp_path / "b")


def test_export_of_a_part_is_proven_on_all_the_data(loop, held, tmp_path):
    part = split_pool(held)["search"]
    front = evaluate_front(loop.front, part)
    manifest = export_bundle(front, part, index=1, data=loop.data, out=tmp_path / "b")
    assert {proof.n_samples for proof in manifest.proof} == {part.n_samples}
    assert "proven_on" not in manifest.provenance


def test_export_with_a_limit_says_on_how_many_samples_it_was_proven(loop, tmp_path):
    manifest = export_bundle(
        loop.front, loop.pool, index=1, data=loop.data, limit=20, out=tmp_path / "b"
    )
    assert {proof.n_samples for proof in manifest.proof} == {20}
    said = "20 of 60 samples, a stratified random part (seed 0)"
    assert manifest.provenance["proven_on"] == said
