import pytest

from encas.progress import Progress, counted, unheard


@pytest.mark.parametrize(
    ("done", "total", "is_over"), [(0, None, False), (2, 3, False), (3, 3, True), (0, 0, True)]
)
def test_progress_is_over_when_all_that_is_known_is_done(done, total, is_over):
    assert Progress(what="a task", done=done, total=total).is_over is is_over


def test_unheard_takes_any_progress_and_keeps_nothing():
    assert unheard(Progress(what="a task")) is None


@pytest.mark.parametrize("items", ["abc", ""])
def test_counted_items_are_told_of_when_they_are_done(items):
    heard = []
    found = list(counted(items, what="reading", unit="letters", on_progress=heard.append))
    assert found == list(items)
    assert [each.done for each in heard] == list(range(len(items) + 1))
    assert [each.is_over for each in heard] == [False] * len(items) + [True]
    assert {(each.what, each.unit, each.total) for each in heard} == {
        ("reading", "letters", len(items))
    }
