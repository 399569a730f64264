"""Tables in HTML, every text escaped: of pages, and of what a notebook shows of a value."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape


def html_table(
    columns: Sequence[str], rows: Sequence[Sequence[str]], *, text_columns: Sequence[int] = ()
) -> Iterator[str]:
    """Lines of HTML; the first column names the rows, those in `text_columns` align left."""
    kinds = [' class="text"' if index in text_columns else "" for index in range(len(columns))]
    head = "".join(
        f"<th{kind}>{escape(column)}</th>" for kind, column in zip(kinds, columns, strict=True)
    )
    yield f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>'
    for row in rows:
        cells = [f'<th scope="row">{escape(row[0])}</th>']
        cells += [
            f"<td{kind}>{escape(cell)}</td>" for kind, cell in zip(kinds[1:], row[1:], strict=True)
        ]
        yield f"<tr>{''.join(cells)}</tr>"
    yield "</tbody></table></div>"
