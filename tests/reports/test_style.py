from pathlib import Path

import pytest

from encas.reports import style as module
from encas.reports.style import style

FOLDER = Path(module.__file__).parent


@pytest.mark.parametrize("name", ["theme", "page", "chart"])
def test_style_is_the_sheet_without_its_line_breaks(name):
    text = style(name)
    assert "\n" not in text
    assert text == text.strip()
    assert text.split() == (FOLDER / f"{name}.css").read_text("utf-8").split()


def test_style_of_several_sheets_has_them_in_that_order():
    assert style("theme", "page") == f"{style('theme')} {style('page')}"
    assert style("page", "theme") != style("theme", "page")


def test_style_of_an_unknown_sheet_is_refused():
    with pytest.raises(FileNotFoundError, match="nothing.css"):
        style("nothing")


@pytest.mark.parametrize("name", ["theme", "page", "chart"])
def test_style_loads_nothing_and_ends_no_tag(name):
    assert not any(word in style(name) for word in ("url(", "@import", "<", "http"))
