import pytest
from small_fronts import without_times

from encas.errors import SearchError
from encas.search.finder import search_pool
from encas.search.options import SearchOptions


def test_resumed_search_equals_uninterrupted(tiny_pool, tmp_path):
    whole = search_pool(
        tiny_pool, SearchOptions(evaluations=900, seed=5, algorithm="mo-gomea")
    ).front
    for evaluations in (100, 350, 351, 900):
        options = SearchOptions(evaluations=evaluations, seed=5, algorithm="mo-gomea")
        part = search_pool(tiny_pool, options, checkpoint=tmp_path / "c.npz", resume=True).front
    assert without_times(part) == without_times(whole)


def test_resume_with_other_settings_is_refused(tiny_pool, tmp_path):
    search_pool(tiny_pool, SearchOptions(evaluations=50, seed=1), checkpoint=tmp_path / "c.npz")
    with pytest.raises(SearchError, match="a checkpoint of a run with other settings"):
        search_pool(
            tiny_pool,
            SearchOptions(evaluations=50, seed=2),
            checkpoint=tmp_path / "c.npz",
            resume=True,
        )
