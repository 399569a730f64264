import pytest

from encas.serving.protocol.names import MAX_LENGTH, model_name


@pytest.mark.parametrize(
    ("text", "name"),
    [("a b/c", "a_b_c"), ("net.v2-x_1", "net.v2-x_1"), ("..", "model_.."), ("\u00e4", "_")],
)
def test_model_name_is_fit_for_folder_and_url(text, name):
    assert model_name(text) == name
    assert len(model_name(text * 200)) <= 140


def test_model_name_of_dots_alone_would_be_another_folder_and_gets_letters():
    assert [model_name(text) for text in ("", ".", "...", ".a")] == [
        "model_",
        "model_.",
        "model_...",
        ".a",
    ]


def test_model_name_is_cut_behind_the_limit():
    assert model_name("a" * MAX_LENGTH) == "a" * MAX_LENGTH
    assert model_name("a" * MAX_LENGTH + "b") == "a" * MAX_LENGTH
