import pytest

from encas.errors import (
    CascadeError,
    EncasError,
    ExportError,
    FrontError,
    ManifestError,
    MissingExtraError,
    PoolError,
    ProfileError,
    SessionError,
    whole_text,
)


@pytest.mark.parametrize(
    ("faults", "where", "text"),
    [
        (("no such file",), None, "no such file"),
        (("no such file",), "a.json", "a.json: no such file"),
        (("one", "two"), None, "2 faults: one; two"),
        (("one", "two", "three"), "a.json", "a.json: 3 faults: one; two; three"),
    ],
)
def test_error_text_is_the_place_the_count_and_every_fault(faults, where, text):
    error = PoolError(*faults, where=where)
    assert str(error) == text
    assert (error.faults, error.where) == (faults, where)


@pytest.mark.parametrize(
    ("where", "text"),
    [
        ("a.json", "one; two"),
        ("b.json", "b.json: 2 faults: one; two"),
        (None, "2 faults: one; two"),
    ],
)
def test_told_beside_leaves_out_the_place_that_the_line_names(where, text):
    assert FrontError("one", "two", where=where).told_beside("a.json") == text


def test_missing_extra_is_an_import_error_with_the_remedy():
    with pytest.raises(ImportError, match=r"the search needs an .*: pip install 'encas\[search\]'"):
        raise MissingExtraError("the search", extra="search")


@pytest.mark.parametrize("error", [CascadeError, PoolError, FrontError, ManifestError])
def test_error_of_a_wrong_value_is_a_value_error(error):
    assert issubclass(error, EncasError)
    assert issubclass(error, ValueError)


@pytest.mark.parametrize("error", [ExportError, SessionError, ProfileError])
def test_error_of_a_failed_run_is_no_value_error(error):
    assert issubclass(error, EncasError)
    assert not issubclass(error, ValueError)


def test_text_of_another_library_is_whole_and_in_one_line():
    assert whole_text(RuntimeError("first\n  second\n")) == "first second"
    assert whole_text(KeyError()) == "KeyError"
