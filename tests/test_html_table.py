import pytest

from encas.html_table import html_table


def test_table_names_rows_in_the_first_column():
    assert list(html_table(("name", "n"), [("a", "1"), ("b", "2")])) == [
        '<div class="scroll"><table><thead><tr><th>name</th><th>n</th></tr></thead><tbody>',
        '<tr><th scope="row">a</th><td>1</td></tr>',
        '<tr><th scope="row">b</th><td>2</td></tr>',
        "</tbody></table></div>",
    ]


def test_table_aligns_the_text_columns_alone():
    text = "".join(html_table(("name", "n", "why"), [("a", "1", "so")], text_columns=(2,)))
    assert '<th>n</th><th class="text">why</th>' in text
    assert '<td>1</td><td class="text">so</td>' in text


def test_table_escapes_heads_names_and_cells():
    text = "".join(html_table(("<a>", "&"), [("<b>", '"<c>"')]))
    assert "<th>&lt;a&gt;</th><th>&amp;</th>" in text
    assert '<th scope="row">&lt;b&gt;</th><td>&quot;&lt;c&gt;&quot;</td>' in text


def test_table_without_rows_has_its_head():
    text = "".join(html_table(("name",), []))
    assert text.endswith("<th>name</th></tr></thead><tbody></tbody></table></div>")


@pytest.mark.parametrize("row", [("a",), ("a", "1", "2")])
def test_table_row_of_another_length_is_refused(row):
    with pytest.raises(ValueError, match="zip"):
        list(html_table(("name", "n"), [row]))
